"""Finds the image of a page, and never outside of the user's folder.

What is unusual: the name in the file often comes from another machine (a path written by kraken, the URL of a server).
It is followed if it stays inside the folder. Otherwise the image is searched by its name and by the name of the page.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote, urlsplit

from PIL import Image

from ..images import PICTURE_SUFFIXES, ImageError, load_image, read_header
from ..names import MAX_PATH, FolderNames, NameProblem, OutsideProblem, shown
from .page import Page
from .xml_files import PageError

ENDINGS = (".alto", ".page", ".pagexml", ".xml", ".gt", ".read", *PICTURE_SUFFIXES)  # of 0001.page.xml, 0001.jpg.xml
NEIGHBOURS = ("", "images", "image", "img")
# Inverses of EXIF orientations, for pages whose points refer to the pixels as stored
UNDO = {
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class PagePicture:
    """The image of a page, not yet decoded.

    Args:
        path: the file.
        name: name of the image in messages.
        undo: transposition back to the stored pixels; None: keep the image as a viewer shows it.
    """

    path: Path
    name: str
    undo: Image.Transpose | None = None

    def load(self) -> Image.Image:
        """Decode the image.

        Raises:
            PageError: if it is missing or damaged.
        """
        try:
            picture = load_image(self.path, self.name, True)
        except ImageError as error:
            raise PageError(str(error)) from error
        return picture if self.undo is None else picture.transpose(self.undo)


def fit_picture(page: Page, path: Path, root: Path, names: FolderNames | None = None) -> tuple[Page, PagePicture]:
    """Find the image of a page, and scale the page's points to its pixels.

    Args:
        page: the page, in the units of its file.
        path: the file.
        root: the folder outside of which no file is opened.
        names: the file names in this folder, if they are already known.

    Raises:
        PageError: if there is no image, or it does not fit the page.
    """
    found = find_picture(path, page.image, root, page.name, names)
    name = f"{page.name}: {found.name}"
    try:
        header = read_header(found, name, is_scan=True)
    except ImageError as error:
        raise PageError(str(error)) from error
    width, height = header.size
    undo = UNDO.get(header.orientation) if width != height and page.size == (height, width) else None
    picture = PagePicture(found, name, undo)
    scaled = page.scaled_to((width, height) if undo is None else (height, width))
    return replace(scaled, picture=picture), picture


def find_picture(path: Path, reference: str, root: Path, name: str, names: FolderNames | None = None) -> Path:
    """Find the image of a page file: by its path, else by its name, else by the name of the page file.

    Raises:
        PageError: if there is none inside `root`, the name is ambiguous, or it is neither a path nor an address.
    """
    names = names or FolderNames(root)
    called = shown(reference) or path.stem
    outside = False
    for folder, candidate in _candidates(path, reference, root, name):
        try:
            found = names.find(folder, candidate)
        except OutsideProblem:
            outside = True
            continue
        except NameProblem as problem:
            raise PageError(f"{name}: its picture {called!r} {problem}") from problem
        if found is not None:
            return found
    if outside:
        raise PageError(
            f"{name}: its picture {called!r} leads outside of {root}, and is not followed. "
            "Put the picture into the folder."
        )
    raise PageError(f"{name}: there is no picture {called!r} in {root}. Put it beside the page.")


def _candidates(path: Path, reference: str, root: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Yield folders and the names to look for in them, the most likely first."""
    followed, base = _parts(reference, name)
    folders = _up_to(path.parent, root)
    places = [place for folder in folders for neighbour in NEIGHBOURS if (place := folder / neighbour).is_dir()]
    if followed:
        yield from ((folder, followed) for folder in folders)
    if base:
        yield from ((place, base) for place in places)
    stems = dict.fromkeys([path.stem, PurePosixPath(base).stem or path.stem, without_endings(path.name)])
    yield from ((place, f"{stem}{suffix}") for place in places for stem in stems for suffix in PICTURE_SUFFIXES)


def without_endings(name: str) -> str:
    """Return the name of a page file without the endings of pages and images.

    What follows another dot is part of the name: Band1.S017.xml is not the page of Band1.jpg, which other pages of the
    volume would be taken to show too.
    """
    stem, suffix = os.path.splitext(name)
    return without_endings(stem) if suffix.lower() in ENDINGS else name


def _parts(reference: str, name: str) -> tuple[str, str]:
    """Return the path to follow (empty for an address on a server) and the name of the image.

    Raises:
        PageError: if the reference is neither a path nor an address.
    """
    if len(reference) > MAX_PATH:
        return "", ""
    try:
        address = urlsplit(reference)
    except ValueError as error:
        what = shown(str(error))
        raise PageError(f"{name}: the picture name {shown(reference)!r} is not valid ({what}). Correct it.") from error
    is_local = address.scheme == "file" or "://" not in reference
    words = reference if is_local and address.scheme != "file" else unquote(address.path)
    if "\0" in unquote(words):
        raise PageError(f"{name}: the picture name {shown(reference)!r} is not valid (it has a NUL). Correct it.")
    return words if is_local else "", PureWindowsPath(words).name


def _up_to(folder: Path, root: Path) -> list[Path]:
    """Return the folder and its parents, up to the root."""
    above = [folder, *folder.parents]
    return above[: above.index(root) + 1] if root in above else [folder]
