"""Finds page files, and the folder in which each may look for its image."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..images import PICTURE_SUFFIXES
from ..names import FolderNames, shown, visible
from .alto import parse_alto
from .page import Page
from .page_pictures import PagePicture, find_picture, fit_picture, without_endings
from .page_xml import parse_page
from .xml_files import PageError, XmlDocument, local_name, root_name

XML_SUFFIXES = (".xml", ".alto", ".page", ".pagexml")
PAGE_ROOTS = {"PcGts": parse_page, "alto": parse_alto}
ROOT_OF = {"PAGE": "PcGts", "ALTO": "alto"}
COMPANIONS = ("mets", "trpDocMetadata", "TEI")  # other files that platforms export together with the pages
PAGE_FOLDERS = ("page", "alto")  # Transkribus exports pages to such a folder, and their images to its parent


class PageSource(Protocol):
    """A source of a page, such as a file."""

    @property
    def name(self) -> str:
        """Path relative to the user's folder, for messages and output files."""
        ...

    def open(self) -> tuple[Page, PagePicture] | None:
        """Return the page, with points in pixels of its image, and the image; None for a file that is not a page.

        Raises:
            PageError: if it cannot be used.
        """
        ...


@dataclass(frozen=True)
class PageFile:
    """A file that may be a page.

    Args:
        path: path of the file.
        root: the user's folder; files outside of it are not read.
        name: path relative to this folder, for messages and output files.
        is_named: whether the user named this file; then it must be a page.
        names: the file names in this folder, shared by all pages.
    """

    path: Path
    root: Path
    name: str
    is_named: bool = False
    names: FolderNames | None = field(default=None, compare=False, repr=False)

    def read(self) -> Page | None:
        """Read the file; None if it was found in a folder and is not a page, but metadata exported with the pages.

        Raises:
            PageError: if it cannot be used.
        """
        with named_errors(self.name):
            if not self.is_named and not (self.names or FolderNames(self.root)).holds(self.path):
                raise PageError(f"{self.name}: leads outside of {self.root}, and is not followed. Copy it there.")
            document = XmlDocument.read(self.path, self.name)
            root = local_name(document.root)
            if root in COMPANIONS and not self.is_named:
                return None
            if root not in PAGE_ROOTS:
                raise PageError(
                    f"{self.name}: is neither PAGE nor ALTO: its root is {shown(root)}. Export it in one of the two."
                )
            return PAGE_ROOTS[root](document, self.name)

    def open(self) -> tuple[Page, PagePicture] | None:
        """Read the file and find its image; see `PageSource`."""
        page = self.read()
        if page is None:
            return None
        with named_errors(self.name):
            return fit_picture(page, self.path, self.root, self.names)


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Context manager that turns any error into a PageError with the page's name, so that other pages continue."""
    try:
        yield
    except (PageError, MemoryError):
        raise
    except Exception as error:  # no content of a file may stop the other files of a folder
        what = f"{type(error).__name__}: {shown(str(error))}"
        raise PageError(f"{name}: cannot be used ({what}). Export it again.") from error


def find_pages(path: Path) -> Iterator[PageFile]:
    """Yield the file, or all XML files below the folder, sorted by name."""
    if not path.is_dir():
        folder = path.parent
        root = folder.parent if folder.name.lower() in PAGE_FOLDERS else folder
        yield PageFile(path, root, path.name, is_named=True)
        return
    names = FolderNames(path)
    for found in sorted(_xml_files(path)):
        yield PageFile(found, path, found.relative_to(path).as_posix(), names=names)


def holds_pages(path: Path) -> bool:
    """Whether a path is an XML file, or a folder with a PAGE or ALTO file."""
    if path.is_dir():
        return any(root_name(found) in PAGE_ROOTS for found in _xml_files(path))
    return path.suffix.lower() in XML_SUFFIXES


def holds_xml(path: Path) -> bool:
    """Whether a path is an XML file or a folder with one; images in such a folder are pages, not lines."""
    return next(_xml_files(path), None) is not None if path.is_dir() else path.suffix.lower() in XML_SUFFIXES


def are_companions(files: Iterable[PageFile]) -> bool:
    """Whether all files are metadata that platforms export with the pages."""
    return all(root_name(file.path) in COMPANIONS for file in files)


def one_of_each(files: Iterable[PageFile], kind: str = "PAGE") -> tuple[list[PageFile], list[str]]:
    """Skip one of two files where an image has both a PAGE and an ALTO file, as in exports with two folders.

    Args:
        files: pages from `find_pages`.
        kind: the kind to keep, "PAGE" or "ALTO".

    Returns: the files that are kept, and a list with a note if files were skipped.
    """
    files = list(files)
    roots = {file: root_name(file.path) for file in files}
    if not set(PAGE_ROOTS).issubset(roots.values()):
        return files, []
    pictures = {file: _picture_of(file) for file in files if roots[file] in PAGE_ROOTS}
    wanted = ROOT_OF[kind]
    described = {picture for file, picture in pictures.items() if roots[file] == wanted and picture is not None}
    others = [file for file, picture in pictures.items() if roots[file] != wanted and picture in described]
    if not others:
        return files, []
    other = "ALTO" if kind == "PAGE" else "PAGE"
    names = ", ".join(file.name for file in others[:3]) + ", …" * (len(others) > 3)
    note = f"{len(others)} pages exist as PAGE and as ALTO: {kind} is used, {other} is not ({names})."
    return [file for file in files if file not in set(others)], [note]


def pictures_without_page(folder: Path, files: Iterable[PageFile]) -> list[Path]:
    """Return the images below a folder that none of its pages shows.

    The pages are read only if an image has another name than all of them.
    """
    files = list(files)
    names = {without_endings(Path(file.name).name) for file in files}
    pictures = [path for path in visible(folder) if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()]
    others = sorted(path for path in pictures if without_endings(path.name) not in names)
    described = {_picture_of(file) for file in files} if others else set()
    return [path for path in others if path.resolve() not in described]


def _picture_of(file: PageFile) -> Path | None:
    """Return the path of a file's image; None if one of the two cannot be read (`open` raises the error)."""
    try:
        page = file.read()
        if page is None:
            return None
        return find_picture(file.path, page.image, file.root, file.name, file.names).resolve()
    except PageError:
        return None


def _xml_files(folder: Path) -> Iterator[Path]:
    """Yield the XML files below a folder, except hidden ones."""
    for found in visible(folder):
        # neither a folder nor a pipe; `PageFile.read` raises the error of a file that cannot be accessed
        if found.suffix.lower() in XML_SUFFIXES and (os.path.isfile(found) or not os.path.exists(found)):
            yield found
