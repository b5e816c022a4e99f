"""Finding a page's picture, and never one outside of the folder that was given.

What is unusual: the name in the file is often that of another machine (a path of kraken's, a URL of a server). It is
followed where it stays inside the folder; otherwise the picture is looked for by its name, and by the page's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote, urlsplit

from PIL import ExifTags, Image

from ..images import PICTURE_SUFFIXES, ImageError, image_size, load_image
from .page import Page
from .xml import PageError

NEIGHBOURS = ("", "images", "image", "img")
# What undoes the camera's orientation, for pages that were measured on the pixels as they are stored.
UNDO = {
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class PagePicture:
    """A page's picture, not yet decoded.

    Args:
        path: the file.
        name: what to call it in messages.
        undo: the exchange of sides that leads back to the stored pixels; None: as a viewer shows it.
    """

    path: Path
    name: str
    undo: Image.Transpose | None = None

    def load(self) -> Image.Image:
        """Decode the picture.

        Raises:
            PageError: if it is gone or damaged.
        """
        try:
            picture = load_image(self.path, self.name)
        except ImageError as error:
            raise PageError(str(error)) from error
        return picture if self.undo is None else picture.transpose(self.undo)


def fit_picture(page: Page, path: Path, root: Path) -> tuple[Page, PagePicture]:
    """Find a page's picture, and scale the page's points to its pixels.

    Args:
        page: as its file describes it.
        path: the file.
        root: the folder outside of which nothing is looked at.

    Raises:
        PageError: if there is no picture, or it is not the page's.
    """
    found = find_picture(path, page.image, root, page.name)
    name = f"{page.name}: {found.name}"
    try:
        width, height = image_size(found, name)
    except ImageError as error:
        raise PageError(str(error)) from error
    undo = None
    if width != height and page.size == (height, width):
        undo = UNDO.get(_camera_orientation(found))
    return page.scaled_to((width, height) if undo is None else (height, width)), PagePicture(found, name, undo)


def find_picture(path: Path, reference: str, root: Path, name: str) -> Path:
    """Find the picture that a file speaks of: by its path, else by its name, else by the file's own name.

    Raises:
        PageError: if there is none inside `root`.
    """
    outside = False
    for candidate in _candidates(path, reference, root):
        if not _is_inside(candidate, root):
            outside = True
        elif os.path.isfile(candidate):  # where Path.is_file raises, on names that are too long, this says no
            return candidate
    if outside:
        raise PageError(
            f"{name}: its picture {reference or path.stem!r} leads outside of {root}, and is not followed. "
            "Put the picture into the folder."
        )
    raise PageError(f"{name}: there is no picture {reference or path.stem!r} in {root}. Put it beside the page.")


def _candidates(path: Path, reference: str, root: Path) -> Iterator[Path]:
    parts = urlsplit(reference)
    followed = unquote(parts.path) if parts.scheme == "file" else "" if "://" in reference else reference
    base = PureWindowsPath(followed or unquote(parts.path)).name
    folders = _up_to(path.parent, root)
    if followed:
        yield from (folder / followed for folder in folders)
    places = [folder / neighbour for folder in folders for neighbour in NEIGHBOURS]
    if base:
        yield from (place / base for place in places)
    stem = path.name.split(".")[0]
    for place in places:
        for each in dict.fromkeys([path.stem, PureWindowsPath(base).stem or path.stem, stem]):
            yield from (place / f"{each}{suffix}" for suffix in PICTURE_SUFFIXES)


def _up_to(folder: Path, root: Path) -> list[Path]:
    """Return the folder and those above it, up to the root."""
    above = [folder, *folder.parents]
    return above[: above.index(root) + 1] if root in above else [folder]


def _is_inside(candidate: Path, root: Path) -> bool:
    """Whether a path, its links followed, stays inside the root; one that leads nowhere does if it says so."""
    real = os.path.realpath(root)
    return os.path.realpath(candidate) == real or os.path.realpath(candidate).startswith(os.path.join(real, ""))


def _camera_orientation(path: Path) -> int:
    try:
        with Image.open(path) as picture:
            return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damage is for `load` to tell
        return 1
