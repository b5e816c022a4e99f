"""Which files are pages, and which folder each may look at."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..names import FolderNames, shown
from .alto import parse_alto
from .page import Page
from .page_pictures import PagePicture, find_picture, fit_picture
from .page_xml import parse_page
from .xml_files import PageError, XmlDocument, local_name, root_name

XML_SUFFIXES = (".xml", ".alto", ".page", ".pagexml")
PAGE_ROOTS = {"PcGts": parse_page, "alto": parse_alto}
ROOT_OF = {"PAGE": "PcGts", "ALTO": "alto"}
COMPANIONS = ("mets", "trpDocMetadata", "TEI")  # what platforms export beside the pages
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
        names: of the files in that folder, looked up once for all pages.
    """

    path: Path
    root: Path
    name: str
    is_named: bool = False
    names: FolderNames | None = field(default=None, compare=False, repr=False)

    def read(self) -> Page | None:
        """Read the file; None if it is what platforms put beside pages, found in a folder.

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
                    f"{self.name}: is neither PAGE nor ALTO: its root is {shown(root)}. Export it as one of these."
                )
            return PAGE_ROOTS[root](document, self.name)

    def open(self) -> tuple[Page, PagePicture] | None:
        """Read the file and find its picture, as a `PageSource`."""
        page = self.read()
        if page is None:
            return None
        with named_errors(self.name):
            return fit_picture(page, self.path, self.root, self.names)


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Have whatever a page's file sets off name the page, so that it costs that page alone."""
    try:
        yield
    except (PageError, MemoryError):
        raise
    except Exception as error:  # files come from anywhere; nothing that one of them holds may stop a folder
        what = f"{type(error).__name__}: {shown(str(error))}"
        raise PageError(f"{name}: cannot be used ({what}). Export it again.") from error


def find_pages(path: Path) -> Iterator[PageFile]:
    """Yield a file, or a folder's XML files at any depth, in the order of their names."""
    if not path.is_dir():
        folder = path.parent
        root = folder.parent if folder.name.lower() in PAGE_FOLDERS else folder
        yield PageFile(path, root, path.name, is_named=True)
        return
    names = FolderNames(path)
    for found in sorted(_xml_files(path)):
        yield PageFile(found, path, found.relative_to(path).as_posix(), names=names)


def holds_pages(path: Path) -> bool:
    """Whether a path is an XML file, or a folder in which there is a PAGE or ALTO file."""
    if path.is_dir():
        return any(root_name(found) in PAGE_ROOTS for found in _xml_files(path))
    return path.suffix.lower() in XML_SUFFIXES


def holds_xml(path: Path) -> bool:
    """Whether a path is an XML file or a folder with one, a page or not: pictures beside it are no lines."""
    return next(_xml_files(path), None) is not None if path.is_dir() else path.suffix.lower() in XML_SUFFIXES


def are_companions(files: Iterable[PageFile]) -> bool:
    """Whether all files are what platforms put beside pages."""
    return all(root_name(file.path) in COMPANIONS for file in files)


def one_of_each(files: Iterable[PageFile], kind: str = "PAGE") -> tuple[list[PageFile], list[str]]:
    """Where pictures have both a PAGE and an ALTO file, as exports with two folders do, pass over one of them.

    Args:
        files: pages, as `find_pages` lists them.
        kind: which to keep, "PAGE" or "ALTO".

    Returns: the files without the others, and what to say of that, if there were any.
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
    note = f"{len(others)} pages are there as PAGE and as ALTO: {kind} is used, {other} is not ({names})."
    return [file for file in files if file not in set(others)], [note]


def _picture_of(file: PageFile) -> Path | None:
    """Where a file's picture is; None if that, or the file, cannot be told, which is said where it is opened."""
    try:
        page = file.read()
        if page is None:
            return None
        return find_picture(file.path, page.image, file.root, file.name, file.names).resolve()
    except PageError:
        return None


def _xml_files(folder: Path) -> Iterator[Path]:
    """Yield the XML files below a folder, but for hidden ones, which systems and editors keep to themselves."""
    for found in folder.rglob("*"):
        if found.suffix.lower() not in XML_SUFFIXES or not (os.path.isfile(found) or not os.path.exists(found)):
            continue  # a folder, a pipe; what is there and cannot be looked at is for `PageFile.read` to tell
        if not any(part.startswith(".") for part in found.relative_to(folder).parts):
            yield found
