"""Read whole pages from PAGE or ALTO files, and write a text file for each page.

python examples/read_pages.py export/
"""

from pathlib import Path

import typer

from trocr_gsa import LineReader, read_pages
from trocr_gsa.data.pages import find_pages


def main(folder: Path, model: str | None = None) -> None:
    """Read the lines of every page in reading order; print what cannot be read, and continue with the rest."""
    reader = LineReader.from_pretrained(model)
    for page in read_pages(reader, find_pages(folder)):
        for problem in page.problems:
            print(f"{page.file.name}: {problem}")
        texts = ["" if line is None else line.text for line in page.readings]
        (folder / page.file.name).with_suffix(".txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
        print(f"{page.file.name}: {len(texts)} lines")


if __name__ == "__main__":
    typer.run(main)
