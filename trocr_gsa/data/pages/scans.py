"""Pages of which there is a picture and nothing else: files, and the pages of PDFs and TIFFs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..frames import PicturePage
from ..images import PICTURE_SUFFIXES, ImageError, load_image, pages_of
from .pdf import count_pages, render_page
from .xml_files import PageError

PDF_SUFFIX = ".pdf"


@dataclass(frozen=True)
class Scan:
    """A page's picture, not yet decoded or drawn.

    Args:
        path: a picture, a PDF, or a TIFF of several pages.
        root: the folder that was given.
        name: of the picture below that folder, for messages and for outputs; page 3 of a.pdf is a-0003.jpg.
        page: of the file, counted from 1; None: it is one picture.
    """

    path: Path
    root: Path
    name: str
    page: int | None = None

    def load(self) -> Image.Image:
        """Decode or draw the picture; mode "L" or "RGB".

        Raises:
            PageError: if it cannot be.
        """
        source = self.path if self.page is None else PicturePage(self.path, self.page)
        if self.page is not None and self.path.suffix.lower() == PDF_SUFFIX:
            source = render_page(self.path, self.page, self.path.name)
        try:
            return load_image(source, self.name)
        except ImageError as error:
            raise PageError(str(error)) from error


def find_scans(path: Path) -> tuple[list[Scan], list[str]]:
    """Find a file's pages, or those of a folder's pictures and PDFs at any depth, in the order of their names.

    Returns: the pages, and of PDFs that cannot be opened what is wrong.

    Raises:
        ValueError: if there is a PDF, and pypdfium2 is not installed.
    """
    suffixes = (*PICTURE_SUFFIXES, PDF_SUFFIX)
    inside = sorted(found for found in path.rglob("*") if found.suffix.lower() in suffixes) if path.is_dir() else [path]
    root = path if path.is_dir() else path.parent
    scans: list[Scan] = []
    problems: list[str] = []
    for found in inside:
        try:
            scans += _scans_of(found, root)
        except PageError as error:
            problems.append(str(error))
    return scans, problems


def _scans_of(path: Path, root: Path) -> list[Scan]:
    name = path.relative_to(root)
    is_pdf = path.suffix.lower() == PDF_SUFFIX
    count = count_pages(path, name.as_posix()) if is_pdf else len(pages_of(path))
    if not is_pdf and count == 1:
        return [Scan(path, root, name.as_posix())]
    numbers = range(1, count + 1)
    return [Scan(path, root, name.with_name(f"{name.stem}-{number:04}.jpg").as_posix(), number) for number in numbers]
