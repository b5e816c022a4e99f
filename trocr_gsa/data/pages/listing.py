"""Which files are pages, and which folder each may look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .alto import parse_alto
from .images import PagePicture, fit_picture
from .page import Page
from .pagexml import parse_page
from .xml import PageError, XmlDocument, local_name, root_name

PAGE_ROOTS = {"PcGts": parse_page, "alto": parse_alto}
COMPANIONS = ("mets", "trpDocMetadata")  # what platforms export beside the pages
PAGE_FOLDERS = ("page", "alto")  # Transkribus keeps pages in such a folder, and their pictures in the one above


class PageSource(Protocol):
    """What a page comes from."""

    @property
    def name(self) -> str:
        """Path below the folder that was given, for messages and for outputs."""
        ...

    def open(self) -> tuple[Page, PagePicture] | None:
        """Return the page in pixels of its picture, and the picture; None if it is no page and need not be one.

        Raises:
            PageError: if it cannot be used.
        """
        ...


@dataclass(frozen=True)
class PageFile:
    """A file that may be a page.

    Args:
        path: where it is.
        root: the folder that was given; nothing outside of it is looked at.
        name: path below that folder, for messages and for outputs.
        is_named: whether the user named the file itself, so that it has to be a page.
    """

    path: Path
    root: Path
    name: str
    is_named: bool = False

    def read(self) -> Page | None:
        """Read the file; None if it is what platforms put beside pages, found in a folder.

        Raises:
            PageError: if it cannot be used.
        """
        document = XmlDocument.read(self.path, self.name)
        root = local_name(document.root)
        if root in COMPANIONS and not self.is_named:
            return None
        if root not in PAGE_ROOTS:
            raise PageError(f"{self.name}: is neither PAGE nor ALTO: its root is {root}. Export it as one of these.")
        return PAGE_ROOTS[root](document, self.name)

    def open(self) -> tuple[Page, PagePicture] | None:
        """Read the file and find its picture, as a `PageSource`."""
        page = self.read()
        return None if page is None else fit_picture(page, self.path, self.root)


def find_pages(path: Path) -> Iterator[PageFile]:
    """Yield a file, or a folder's .xml files at any depth, in the order of their names."""
    if not path.is_dir():
        folder = path.parent
        yield PageFile(path, folder.parent if folder.name in PAGE_FOLDERS else folder, path.name, is_named=True)
        return
    for found in sorted(path.rglob("*.xml")):
        yield PageFile(found, path, found.relative_to(path).as_posix())


def holds_pages(path: Path) -> bool:
    """Whether a path is a .xml file, or a folder in which there is a PAGE or ALTO file."""
    if path.is_dir():
        return any(root_name(found) in PAGE_ROOTS for found in path.rglob("*.xml"))
    return path.suffix.lower() == ".xml"
