"""Pages without layout: image files, and the pages of PDFs and TIFFs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..frames import PicturePage
from ..images import PICTURE_SUFFIXES, ImageError, load_image, pages_of
from ..names import visible
from .pdf import count_pages, render_page
from .xml_files import PageError

PDF_SUFFIX = ".pdf"


@dataclass(frozen=True)
class Scan:
    """The image of a page, not yet decoded or rendered.

    Args:
        path: an image, a PDF, or a TIFF with several pages.
        root: the user's folder.
        name: name of the image relative to this folder, for messages and output files; page 3 of a.pdf is a-0003.jpg.
        page: page number in the file, counted from 1; None: the file is a single image.
    """

    path: Path
    root: Path
    name: str
    page: int | None = None

    @property
    def is_file(self) -> bool:
        """Whether the image is a file of the user's, and not one of several in a file."""
        return self.page is None

    def load(self) -> Image.Image:
        """Decode or render the image, in mode "L" or "RGB".

        Raises:
            PageError: if this fails.
        """
        source = self.path if self.page is None else PicturePage(self.path, self.page)
        if self.page is not None and self.path.suffix.lower() == PDF_SUFFIX:
            source = render_page(self.path, self.page, self.path.name)
        try:
            return load_image(source, self.name)
        except ImageError as error:
            raise PageError(str(error)) from error


def find_scans(path: Path) -> tuple[list[Scan], list[str]]:
    """Find the pages of a file, or of all images and PDFs below a folder, sorted by name.

    Returns: the pages, and a message for each PDF that cannot be opened.

    Raises:
        ValueError: if there is a PDF, and pypdfium2 is not installed.
    """
    suffixes = (*PICTURE_SUFFIXES, PDF_SUFFIX)
    inside = [path]
    if path.is_dir():
        inside = sorted(found for found in visible(path) if found.suffix.lower() in suffixes)
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
