"""A page that is dropped where a line was expected: kraken finds its lines, or a message says why not."""

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


@dataclass(frozen=True)
class OpenedPage:
    """A page of a dropped file.

    Attributes:
        picture: its image, in mode "L" or "RGB".
        number: its number in the file, counted from 1.
        count: the number of pages in the file.
    """

    picture: Image.Image
    number: int
    count: int


def count_dropped(file: str | None) -> int:
    """Return the number of pages of a file; 1 if it cannot be opened, because reading it says why."""
    try:
        return max(1, len(find_scans(Path(file))[0])) if file is not None else 1
    except ValueError:
        return 1


def open_page(file: Path, number: int) -> OpenedPage:
    """Open a page of a PDF or TIFF, or an image, which has one page.

    Args:
        file: the file.
        number: of the page, counted from 1; if the file has fewer pages, the last is opened.

    Raises:
        ValueError: if it cannot be opened, or pypdfium2 is missing for a PDF.
    """
    scans, problems = find_scans(file)
    if not scans:
        raise PageError(problems[0])
    number = min(max(number, 1), len(scans))
    return OpenedPage(scans[number - 1].load(), number, len(scans))


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
