"""Loads an image in any format as an upright, opaque 8-bit image, or raises one clear error that names it.

The result has mode "L" or "RGB": EXIF orientation applied, white behind transparency, 16 bits scaled to 8, CMYK and
palettes converted, and only the first frame of an animation. A TIFF with several pages raises an error, unless one of
the pages from `pages_of` is given. A scan of a page whose lines are known may be larger than a line image; a large scan
is loaded in grey.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, TypeVar

import numpy as np
from PIL import ExifTags, Image

from .frames import TIFF, PicturePage, find_pages, what_is_left_out
from .textfiles import IS_POINTER, POINTER

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".jp2")
MIN_SIDE = 4  # pixels
MAX_ASPECT = 100  # long side / short side: more than any line of text
MAX_PIXELS = 89_000_000  # Pillow's own limit for pictures that unpack to far more than their file
MOST_CHANNELS = 4  # of an array
MAX_SCAN_BYTES = 1_100_000_000  # for decoding a picture, so that the whole process stays below 2 GB
# Bytes per pixel for decoding a large scan and converting it to grey, by Pillow's modes; DECODING: in addition
GREY_COST = {"1": 3, "L": 2, "P": 3, "I;16": 5, "I;16B": 5, "I": 9, "F": 9}
OTHER_COST = 6
DECODING = {"JPEG2000": 16, "WEBP": 8}
PROGRESSIVE = 6  # in addition for a progressive JPEG
STRIP = 16_000_000  # pixels of a large scan that are converted at once
ImageSource = Image.Image | PicturePage | str | Path | bytes | dict[str, Any] | np.ndarray
Name = TypeVar("Name", str, Path)
_opening = Lock()  # Pillow's limit is a global variable, shared by all threads


class ImageError(ValueError):
    """An image that cannot be read as a line; the message names it and says what to do."""


def source_name(source: ImageSource) -> str:
    """Return the name of an image for messages."""
    if isinstance(source, dict):
        return str(source.get("path") or "image without a name")
    if isinstance(source, str | Path | PicturePage):
        return str(source)
    return str(getattr(source, "filename", "") or "image without a name")


@dataclass(frozen=True)
class Header:
    """Properties of an image that are known before it is decoded.

    Attributes:
        size: width and height in pixels, as returned by `load_image`.
        orientation: EXIF orientation, 1 to 8; 1 means that the stored image is upright.
        unread: a note about other images in the file; None if there are none.
    """

    size: tuple[int, int]
    orientation: int = 1
    unread: str | None = None


def read_header(source: ImageSource, name: str | None = None, is_scan: bool = False) -> Header:
    """Read the header of an image without decoding it.

    Args: as `load_image`.

    Raises:
        ImageError: as `load_image`, except for damage after the header.
    """
    with _opened(source, name or source_name(source), is_scan) as image:
        orientation = _orientation(image)
        width, height = image.size
        # of a TIFF, Pillow gives the size after the rotation
        is_rotated = orientation in (5, 6, 7, 8) and image.format != "TIFF"
        size = (height, width) if is_rotated else (width, height)
        is_single = image is source or image.format != "TIFF"  # the pages of a TIFF file are read one by one
        return Header(size, orientation, _left_out(image) if is_single else None)


def image_size(source: ImageSource, name: str | None = None) -> tuple[int, int]:
    """Return width and height in pixels, as `load_image` would, reading only the header.

    Raises:
        ImageError: as `load_image`, except for damage after the header.
    """
    return read_header(source, name).size


def pages_of(path: Name) -> list[Name | PicturePage]:
    """Return the pages of an image file, for `load_image` and `LineReader.read`.

    For most files this is the file itself. A file that cannot be opened is returned too, and `load_image` raises the
    error.
    """
    if not os.path.isfile(path):  # to open a named pipe would wait for ever
        return [path]
    try:
        with Path(path).open("rb") as file:
            if file.read(4) not in TIFF:
                return [path]
        with unlimited(Image.open, path) as image:
            count = len(find_pages(image))
    except Exception:  # decoders raise errors of all types
        return [path]
    return [path] if count == 1 else [PicturePage(path, number) for number in range(1, count + 1)]


def load_image(source: ImageSource, name: str | None = None, is_scan: bool = False) -> Image.Image:
    """Load an image in mode "L" or "RGB".

    Args:
        source: an image, a file, its bytes, {"bytes": …, "path": …} as in `datasets`, a page from `pages_of`, or an
            array as for `trocr_gsa.model.pictures.as_picture`.
        name: name of the image in error messages; by default its path.
        is_scan: the image is a scan of a page whose lines are known; it may have more pixels.

    Raises:
        ImageError: if it is missing, empty, damaged, not an image, has several pages, or is too small, too large or far
            too long for a line.
    """
    # imported here because it imports transformers, which is not needed to list files
    from trocr_gsa.model.pictures import PictureError, as_picture

    name = name or source_name(source)
    with _opened(source, name, is_scan) as image:
        try:
            if image.width * image.height > MAX_PIXELS:
                return _large_scan(image, name)
            return as_picture(image, name)
        except PictureError as error:
            raise ImageError(str(error)) from error
        except MemoryError as error:
            raise ImageError(f"{name}: too little memory for {image.width} × {image.height} pixels.") from error
        except Exception as error:  # decoders raise errors of all types for damaged files, even SyntaxError
            raise ImageError(f"{name}: the picture is damaged ({error}). Save it again, or leave it out.") from error


def paper(image: Image.Image) -> tuple[int, ...]:
    """Return the colour of the paper, one number per channel: the median over the image's edge."""
    values = np.asarray(image)
    values = values.reshape(*values.shape[:2], -1)
    edge = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    return tuple(np.median(edge, axis=0).astype(int).tolist())


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode the whole image to look for EXIF data at its end
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # `load_image` raises the error of a damaged file
        return 1


def _left_out(image: Image.Image) -> str | None:
    try:
        return what_is_left_out(image)
    except Exception:  # as above: an image may be closed
        return None


@contextmanager
def _opened(source: ImageSource, name: str, is_scan: bool = False) -> Iterator[Image.Image]:
    """Open an image without decoding it, at the given page, and check its size; close it if it was opened here."""
    if isinstance(source, Image.Image):
        _check_size(source, name, is_scan)
        yield source
        return
    if not isinstance(source, str | Path | PicturePage | bytes | dict):
        yield _from_array(source, name, is_scan)
        return
    with _stream(source.path if isinstance(source, PicturePage) else source, name) as stream:
        try:
            image = unlimited(Image.open, stream)
        except Exception as error:  # as above: a damaged header may raise any error
            stream.seek(0)
            if stream.read(len(POINTER)) == POINTER.encode():
                raise ImageError(f"{name}: {IS_POINTER}") from error
            raise ImageError(f"{name}: not a picture that Pillow can read. Convert it to PNG, JPEG or TIFF.") from error
        with image:
            _show_page(image, source, name)
            _check_size(image, name, is_scan)
            yield image


def _from_array(source: Any, name: str, is_scan: bool) -> Image.Image:
    from trocr_gsa.model.pictures import PictureError, as_picture

    if isinstance(source, np.ndarray) and source.size > MOST_CHANNELS * MAX_PIXELS:
        raise ImageError(f"{name}: more than {MAX_PIXELS:,} pixels. Cut the page into lines first.")
    try:
        image = as_picture(source, name)
    except PictureError as error:
        raise ImageError(str(error)) from error
    _check_size(image, name, is_scan)
    return image


def unlimited(open_image: Any, *args: Any) -> Any:
    """Open without Pillow's limit on pixels; `_check_size` has our own limits."""
    with _opening:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return open_image(*args)
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _stream(source: str | Path | bytes | dict[str, Any], name: str) -> BinaryIO:
    """Return a stream of the file or of the bytes, after checking that it is not empty.

    Pillow gets no path: it would map the pixels of an uncompressed TIFF into memory, with width and height exchanged if
    the TIFF is to be rotated, which scrambles the picture.
    """
    content: Any = source
    if isinstance(source, dict):
        content = source["bytes"] if source.get("bytes") is not None else source.get("path") or b""
    if not isinstance(content, str | Path | bytes):
        raise ImageError(f"{name}: expected a path or the bytes of a picture, got a {type(content).__name__}.")
    if not (len(content) if isinstance(content, bytes) else _size_of_file(content, name)):
        raise ImageError(f"{name}: the file is empty (0 bytes). Copy it again, or leave it out.")
    try:
        return io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")
    except OSError as error:
        raise ImageError(f"{name}: cannot be opened ({error}). Check the path.") from error


def _size_of_file(path: Any, name: str) -> int:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(f"{name}: no such file. Check the path.") from error
    except (OSError, TypeError, ValueError) as error:  # a name that is too long, missing permissions, or a NUL
        raise ImageError(f"{name}: cannot be opened ({error}). Check the path.") from error
    if stat.S_ISDIR(found.st_mode):
        raise ImageError(f"{name}: is a folder, expected a picture. Give the pictures in it.")
    if not stat.S_ISREG(found.st_mode):
        raise ImageError(f"{name}: is not a regular file, expected a picture. Check the path.")
    return found.st_size


def _show_page(image: Image.Image, source: ImageSource, name: str) -> None:
    """Seek the given page of a TIFF."""
    if image.format != "TIFF":
        return
    try:
        pages = unlimited(find_pages, image)
    except ValueError as error:
        raise ImageError(f"{name}: {error}") from error
    number = source.number if isinstance(source, PicturePage) else 1
    if number > len(pages):
        raise ImageError(f"{name}: the file has {len(pages)} pages, not {number}. Was the file changed?")
    if len(pages) > 1 and not isinstance(source, PicturePage):
        raise ImageError(
            f"{name}: has {len(pages)} pages, expected one picture. Read it with `trocr-gsa read`, or in Python read "
            "the pages that `trocr_gsa.data.pages_of` returns; or save each page as a file."
        )
    try:
        unlimited(image.seek, pages[number - 1])
    except Exception as error:  # as above
        raise ImageError(f"{name}: the page is damaged ({error}). Save it again, or leave it out.") from error


def _check_size(image: Image.Image, name: str, is_scan: bool) -> None:
    """Raise an error for sizes that a line of text cannot have, and for scans that do not fit into memory."""
    short, long = sorted(image.size)
    what = f"{name}: {image.width} × {image.height} pixels is"
    if short < MIN_SIDE:
        raise ImageError(f"{what} too small to hold text; expected {MIN_SIDE} or more each way.")
    if short * long > MAX_PIXELS and not is_scan:
        raise ImageError(f"{name}: more than {MAX_PIXELS:,} pixels when unpacked. Cut the page into lines first.")
    if short * long * _bytes_per_pixel(image) > MAX_SCAN_BYTES:
        raise ImageError(f"{what} more than can be unpacked in memory. Save it in grey, or smaller, or in parts.")
    if long > MAX_ASPECT * short:
        raise ImageError(f"{what} more than {MAX_ASPECT} times as long as high. Cut it into lines.")


def _bytes_per_pixel(image: Image.Image) -> int:
    """Return the number of bytes per pixel for decoding a large scan and converting it to grey."""
    if image.format == "JPEG" and image.mode in ("L", "RGB"):  # decoded directly in grey
        return GREY_COST["L"] + PROGRESSIVE * ("progression" in image.info)
    cost = GREY_COST.get(image.mode, OTHER_COST) + DECODING.get(image.format or "", 0)
    return 2 * cost if image.format == "TIFF" and _orientation(image) != 1 else cost  # loading rotates a TIFF


def _large_scan(image: Image.Image, name: str) -> Image.Image:
    """Load a large scan in mode "L", with little more memory than the image itself needs."""
    from trocr_gsa.model.pictures import as_picture, eight_bit, opaque

    image.draft("L", image.size)
    unlimited(image.load)
    deep = eight_bit(image, name)
    if deep.mode == "L":
        return as_picture(deep, name)
    grey = Image.new("L", deep.size)
    height = max(1, STRIP // deep.width)
    for top in range(0, deep.height, height):
        rows = deep.crop((0, top, deep.width, min(top + height, deep.height)))
        grey.paste(opaque(rows).convert("L"), (0, top))
    grey.getexif()[ExifTags.Base.Orientation] = _orientation(deep)
    return as_picture(grey, name)
