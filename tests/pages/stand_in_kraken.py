"""A program with kraken's command line. It finds lines as rows of ink between rows of paper.

On a page whose first pixel is black it fails.
"""

import sys
from pathlib import Path

import numpy as np
from page_makers import Drawn, alto_line, alto_xml, page_line, page_xml
from PIL import Image


def find_lines(picture: Image.Image) -> list[Drawn]:
    ink = np.asarray(picture.convert("L")) < 128
    if ink[0, 0]:
        raise RuntimeError("too black to see")
    inked = np.convolve(ink.any(axis=1), np.ones(7), "same") > 0  # so that the dot of an i is not a separate line
    rows = np.flatnonzero(np.diff(inked.astype(int), prepend=0, append=0))
    boxes = []
    for top, bottom in rows.reshape(-1, 2):
        columns = np.flatnonzero(ink[top:bottom].any(axis=0))
        boxes.append((columns[0] - 4, top, columns[-1] + 5, bottom))
    return [
        Drawn("", np.array([[l, t], [r, t], [r, b], [l, b]]), np.array([[l, b - 6], [r, b - 6]]), picture)
        for l, t, r, b in boxes  # noqa: E741
    ]


def layout(path: Path, option: str) -> str:
    with Image.open(path) as picture:
        lines, size = find_lines(picture), picture.size
    line, page = {"--pagexml": (page_line, page_xml), "--alto": (alto_line, alto_xml)}[option]
    return page("\n".join(line(number, found) for number, found in enumerate(lines, 1)), str(path), size)


def main(words: list[str]) -> None:
    if words == ["--version"]:
        return
    assert words[0] == "--raise-on-error"
    assert words[-2:] == ["segment", "--baseline"]
    pairs = words[2:-2]
    assert pairs[::3] == ["--input"] * (len(pairs) // 3)
    for picture, target in zip(pairs[1::3], pairs[2::3], strict=True):
        Path(target).write_text(layout(Path(picture), words[1]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
