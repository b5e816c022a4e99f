"""A page that is dropped where a line was expected: kraken finds its lines, which are read; or a message says why not.

What is unusual: of a PDF, the first page is read.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from trocr_gsa.data.line import Line
from trocr_gsa.data.pages import KrakenSegmenter, Page, PageError, Scan, find_scans, segmented_pages
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.pages import read_pages

PDF_SUFFIX = ".pdf"


@dataclass(frozen=True)
class DroppedPage:
    """A page that was read.

    Attributes:
        page: its lines, in pixels of its picture.
        readings: what was read in each; None where a line could not be read.
    """

    page: Page
    readings: list[Line | None]

    @property
    def text(self) -> str:
        """The texts of its lines, one a line."""
        return "\n".join(line.text for line in self.readings if line is not None)

    @property
    def confidence(self) -> float:
        """Mean confidence of the lines with text; NaN if there is none, as for an empty line."""
        read = [line.confidence for line in self.readings if line is not None and math.isfinite(line.confidence)]
        return sum(read) / len(read) if read else math.nan


def first_page(file: Path) -> tuple[Image.Image, int]:
    """Return the picture of a PDF's first page, and the number of its pages.

    Raises:
        ValueError: if it cannot be opened, or pypdfium2 is missing.
    """
    scans, problems = find_scans(file)
    if not scans:
        raise PageError(problems[0])
    return scans[0].load(), len(scans)


def read_dropped(reader: LineReader, picture: Image.Image, name: str, adapter: str | None) -> DroppedPage:
    """Find the lines of a page and read them.

    Args:
        reader: that reads them.
        picture: of the page.
        name: of the picture, for messages.
        adapter: name of an adapter, or None.

    Raises:
        ValueError: if kraken is missing or finds no line.
    """
    try:
        segmenter = KrakenSegmenter.find()
    except ValueError as error:
        raise ValueError(
            "The lines of a page can be found with the program kraken, which is not installed: pipx install kraken. "
            "Or cut out one line, and drop its picture."
        ) from error
    with tempfile.TemporaryDirectory(prefix="trocr-gsa-") as folder:
        file = Path(folder) / "page.png"
        picture.save(file, compress_level=1)
        scans = [Scan(file, file.parent, name)]
        (read,) = read_pages(reader, segmented_pages(scans, segmenter, "PAGE"), adapters=[adapter])
    if read.page is None or not any(read.readings):
        raise PageError("; ".join(read.problems) or f"{name}: no line was found on it.")
    return DroppedPage(read.page, read.readings)
