"""Scans for segmentation, and programs that replace kraken."""

import sys
from collections.abc import Sequence
from pathlib import Path

from page_makers import draw_page
from PIL import Image
from stand_in_kraken import layout

STAND_IN = Path(__file__).parent / "stand_in_kraken.py"


def put_program(folder: Path, script: str) -> Path:
    """Write a shell script named kraken."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "kraken"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def put_stand_in(folder: Path) -> Path:
    return put_program(folder, f'exec "{sys.executable}" "{STAND_IN}" "$@"')


def make_scans(folder: Path, pages: dict[str, list[str]]) -> Path:
    """Write page images with the given lines, by file name, to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, texts in pages.items():
        draw_page(texts)[0].save(folder / name)
    return folder


def blackened(picture: Image.Image) -> Image.Image:
    """Return a page at which the stand-ins fail."""
    picture = picture.copy()
    picture.paste(0, (0, 0, 8, 8))
    return picture


class RowSegmenter:
    """Finds lines as the stand-in does, and records the number of images of each call."""

    def __init__(self) -> None:
        self.handed: list[int] = []

    def __call__(self, pictures: Sequence[Path], kind: str) -> dict[Path, str]:
        self.handed.append(len(pictures))
        problems = {}
        for picture in pictures:
            try:
                found = layout(picture, {"PAGE": "--pagexml", "ALTO": "--alto"}[kind])
                picture.with_suffix(".xml").write_text(found, encoding="utf-8")
            except RuntimeError as error:
                problems[picture] = str(error)
        return problems
