"""Pages of a PDF as pictures: one at a time, so that a book of thousands needs the memory of a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from .xml import PageError

RESOLUTION = 300  # dots per inch
LONGEST = 4961  # pixels of a page's long side: A3 at that resolution; what claims to be larger is drawn more coarsely
POINTS = 72  # of PDF, per inch
MOST_PAGES = 10_000


def import_pdfium() -> ModuleType:
    """Return pypdfium2.

    Raises:
        ValueError: if it is not installed.
    """
    try:
        import pypdfium2  # pyright: ignore[reportMissingImports]  # of an extra
    except ImportError as error:
        raise ValueError("PDF needs pypdfium2, which is not here: pip install 'trocr-gsa[pages]'") from error
    return pypdfium2


def count_pages(path: Path, name: str) -> int:
    """Return how many pages a PDF has; at least one.

    Raises:
        PageError: if it is gone, damaged, locked, has none, or has far fewer than it says.
        ValueError: if pypdfium2 is not installed.
    """
    with _opened(path, name) as document:
        count = len(document)
        if count > MOST_PAGES:
            raise PageError(f"{name}: says that it has {count:,} pages, more than {MOST_PAGES:,}. Split the PDF.")
        if count and not _is_there(document, count - 1):
            there = sum(_is_there(document, place) for place in range(count))
            if 2 * there < count:
                raise PageError(f"{name}: says that it has {count:,} pages, and has {there:,}. Export the PDF again.")
    if not count:
        raise PageError(f"{name}: the PDF has no pages. Export it again, or leave it out.")
    return count


def _is_there(document: Any, place: int) -> bool:
    try:
        document[place].close()
    except import_pdfium().PdfiumError:
        return False
    return True


def render_page(path: Path, number: int, name: str) -> Image.Image:
    """Draw a page of a PDF, counted from 1; mode "RGB".

    Raises:
        PageError: if it cannot be drawn.
        ValueError: if pypdfium2 is not installed.
    """
    pdfium = import_pdfium()
    with _opened(path, name) as document:
        try:
            with closing(document[number - 1]) as page:
                scale = min(RESOLUTION / POINTS, LONGEST / max(*page.get_size(), 1))
                return page.render(scale=scale).to_pil().convert("RGB")
        except (pdfium.PdfiumError, ValueError, OverflowError) as error:
            raise PageError(f"{name}: page {number} cannot be drawn ({error}). Export the PDF again.") from error


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Any]:
    pdfium = import_pdfium()
    try:
        document = pdfium.PdfDocument(path)
    except OSError as error:
        raise PageError(f"{name}: cannot be read ({error.strerror or 'no such file'}). Check the path.") from error
    except pdfium.PdfiumError as error:
        if error.err_code == pdfium.raw.FPDF_ERR_PASSWORD:
            raise PageError(f"{name}: the PDF is locked by a password. Save it without.") from error
        raise PageError(f"{name}: is no PDF that can be opened, or has no pages. Export it again.") from error
    with closing(document):
        yield document
