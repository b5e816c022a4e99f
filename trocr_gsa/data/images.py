"""Any picture a user may have → an upright, opaque 8-bit picture, or one clear error that names it.

What comes out is "L" or "RGB": the camera's orientation applied, transparency laid over white, 16 bits scaled to 8,
CMYK and palettes converted, the first picture of an animation. A TIFF of several pages is refused unless one of them is
asked for (`pages_of`). A scan whose lines are known may be larger than the picture of a line, and is then grey.
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
from typing import Any, TypeVar

import numpy as np
from PIL import ExifTags, Image

from .frames import TIFF, PicturePage, find_pages, what_is_left_out

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".jp2")
MIN_SIDE = 4  # pixels
MAX_ASPECT = 100  # long side / short side: more than any line of text
MAX_PIXELS = 89_000_000  # Pillow's own limit for pictures that unpack to far more than their file
MAX_SCAN_BYTES = 1_100_000_000  # that unpacking may take: with all else that a process needs, it stays below 2 GB
# Bytes a pixel to decode a large scan and make it grey, by Pillow's modes; what some decoders need beside that.
GREY_COST = {"1": 3, "L": 2, "P": 3, "I;16": 5, "I;16B": 5, "I": 9, "F": 9}
OTHER_COST = 6
DECODING = {"JPEG2000": 16, "WEBP": 8}
PROGRESSIVE = 6  # of a JPEG that is stored in several passes
STRIP = 16_000_000  # pixels of a large scan that are converted at once
ImageSource = Image.Image | PicturePage | str | Path | bytes | dict[str, Any] | np.ndarray
Name = TypeVar("Name", str, Path)
_opening = Lock()  # Pillow's limit is one for all threads


class ImageError(ValueError):
    """A picture that cannot be read as a line; the message names it and says what to do."""


def source_name(source: ImageSource) -> str:
    """What to call the picture in a message."""
    if isinstance(source, dict):
        return str(source.get("path") or "image without a name")
    if isinstance(source, str | Path | PicturePage):
        return str(source)
    return str(getattr(source, "filename", "") or "image without a name")


@dataclass(frozen=True)
class Header:
    """What is known of a picture before it is decoded.

    Attributes:
        size: width and height in pixels, as `load_image` will give them.
        orientation: EXIF's number, 1 to 8, of how a viewer turns what is stored; 1 is not at all.
        unread: what to say of other pictures in the file; None if there are none.
    """

    size: tuple[int, int]
    orientation: int = 1
    unread: str | None = None


def read_header(source: ImageSource, name: str | None = None, is_scan: bool = False) -> Header:
    """Look at a picture without decoding it.

    Args: as `load_image`.

    Raises:
        ImageError: as `load_image`, but for damage behind the header.
    """
    with _opened(source, name or source_name(source), is_scan) as image:
        orientation = _orientation(image)
        width, height = image.size
        stands = orientation in (5, 6, 7, 8) and image.format != "TIFF"  # whose size Pillow gives as it is shown
        size = (height, width) if stands else (width, height)
        own = image is source or image.format != "TIFF"  # pages of files are read one by one
        return Header(size, orientation, what_is_left_out(image) if own else None)


def image_size(source: ImageSource, name: str | None = None) -> tuple[int, int]:
    """Width and height in pixels as `load_image` will give them, read from the header alone.

    Raises:
        ImageError: as `load_image`, but for damage behind the header.
    """
    return read_header(source, name).size


def pages_of(path: Name) -> list[Name | PicturePage]:
    """Return the pages of a file, each of which `load_image` and `LineReader.read` take: mostly the file itself.

    What cannot be opened is one page, for `load_image` to tell what is wrong.
    """
    try:
        with Path(path).open("rb") as file:
            if file.read(4) not in TIFF:
                return [path]
        with _unlimited(Image.open, path) as image:
            count = len(find_pages(image))
    except Exception:  # decoders raise anything
        return [path]
    return [path] if count == 1 else [PicturePage(path, number) for number in range(1, count + 1)]


def load_image(source: ImageSource, name: str | None = None, is_scan: bool = False) -> Image.Image:
    """Read a picture into mode "L" or "RGB".

    Args:
        source: a picture, a file, its bytes, {"bytes": …, "path": …} as `datasets` stores it, a page that `pages_of`
            lists, or an array as `trocr_gsa.model.pictures.as_picture` takes it.
        name: what to call it in a message; by default its path.
        is_scan: it is of a page, and its lines are known: more pixels are allowed.

    Raises:
        ImageError: if it is missing, empty, damaged, no picture, of several pages, too small, too large or far too long
            to be a line.
    """
    from trocr_gsa.model.pictures import PictureError, as_picture  # which brings transformers, not needed to list files

    name = name or source_name(source)
    with _opened(source, name, is_scan) as image:
        try:
            if image.width * image.height > MAX_PIXELS:
                return _large_scan(image, name)
            return as_picture(image, name)
        except PictureError as error:
            raise ImageError(str(error)) from error
        except MemoryError as error:
            raise ImageError(f"{name}: memory is too small for {image.width} × {image.height} pixels.") from error
        except Exception as error:  # decoders raise anything on damaged files, from SyntaxError to struct.error
            raise ImageError(f"{name}: the picture is damaged ({error}). Save it again, or leave it out.") from error


def paper(image: Image.Image) -> tuple[int, ...]:
    """The colour of the ground, a number a channel: the median of the picture's edge."""
    values = np.asarray(image)
    values = values.reshape(*values.shape[:2], -1)
    edge = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    return tuple(np.median(edge, axis=0).astype(int).tolist())


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode the whole picture to look for it at the end
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damage is for `load_image` to tell
        return 1


@contextmanager
def _opened(source: ImageSource, name: str, is_scan: bool = False) -> Iterator[Image.Image]:
    """Open without decoding, show the page that is meant, and refuse sizes that cannot be; closes what it opened."""
    if isinstance(source, Image.Image):
        _judge(source, name, is_scan)
        yield source
        return
    if not isinstance(source, str | Path | PicturePage | bytes | dict):
        yield _from_array(source, name, is_scan)
        return
    stream = _stream(source.path if isinstance(source, PicturePage) else source, name)
    try:
        image = _unlimited(Image.open, stream)
    except Exception as error:  # as above: a damaged header may raise anything
        raise ImageError(f"{name}: not a picture that Pillow can read. Convert it to PNG, JPEG or TIFF.") from error
    with image:
        _show_page(image, source, name)
        _judge(image, name, is_scan)
        yield image


def _from_array(source: Any, name: str, is_scan: bool) -> Image.Image:
    from trocr_gsa.model.pictures import PictureError, as_picture

    try:
        image = as_picture(source, name)
    except PictureError as error:
        raise ImageError(str(error)) from error
    _judge(image, name, is_scan)
    return image


def _unlimited(open_image: Any, *args: Any) -> Any:
    """Open without Pillow's limit of pixels, in whose place `_judge` is."""
    with _opening:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return open_image(*args)
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _stream(source: str | Path | bytes | dict[str, Any], name: str) -> Path | io.BytesIO:
    """The file, or the bytes, once they are known to hold something."""
    content: Any = source
    if isinstance(source, dict):
        content = source["bytes"] if source.get("bytes") is not None else source.get("path") or b""
    if isinstance(content, bytes):
        size, stream = len(content), io.BytesIO(content)
    else:
        size, stream = _size_of_file(content, name), Path(content)
    if not size:
        raise ImageError(f"{name}: the file is empty (0 bytes). Copy it again, or leave it out.")
    return stream


def _size_of_file(path: Any, name: str) -> int:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(f"{name}: no such file. Check the path.") from error
    except (OSError, TypeError, ValueError) as error:  # a name too long, a folder nobody may look into, a NUL
        raise ImageError(f"{name}: cannot be opened ({error}). Check the path.") from error
    if stat.S_ISDIR(found.st_mode):
        raise ImageError(f"{name}: is a folder, expected a picture. Name the pictures in it.")
    if not stat.S_ISREG(found.st_mode):
        raise ImageError(f"{name}: is no file, expected a picture. Check the path.")
    return found.st_size


def _show_page(image: Image.Image, source: ImageSource, name: str) -> None:
    """Have a TIFF show the page that is meant."""
    if image.format != "TIFF":
        return
    try:
        pages = _unlimited(find_pages, image)
    except ValueError as error:
        raise ImageError(f"{name}: {error}") from error
    number = source.number if isinstance(source, PicturePage) else 1
    if number > len(pages):
        raise ImageError(f"{name}: the file has {len(pages)} pages, and this is none of them. Was it changed?")
    if len(pages) > 1 and not isinstance(source, PicturePage):
        raise ImageError(
            f"{name}: holds {len(pages)} pages, expected one picture. Read its pages, as `trocr-gsa read` does, or in "
            "Python as `trocr_gsa.data.pages_of` lists them; or save each as a file."
        )
    try:
        _unlimited(image.seek, pages[number - 1])
    except Exception as error:  # as above
        raise ImageError(f"{name}: the page is damaged ({error}). Save it again, or leave it out.") from error


def _judge(image: Image.Image, name: str, is_scan: bool) -> None:
    """Refuse sizes that no line of text has, or no page that memory holds."""
    short, long = sorted(image.size)
    what = f"{name}: {image.width} × {image.height} pixels is"
    if short < MIN_SIDE:
        raise ImageError(f"{what} too small to hold text; expected {MIN_SIDE} or more each way.")
    if short * long > MAX_PIXELS and not is_scan:
        raise ImageError(f"{name}: more than {MAX_PIXELS:,} pixels when unpacked. Cut the page into lines first.")
    if short * long * _bytes_a_pixel(image) > MAX_SCAN_BYTES and short * long > MAX_PIXELS:
        raise ImageError(f"{what} more than can be unpacked in memory. Save it in grey, or smaller, or in parts.")
    if long > MAX_ASPECT * short:
        raise ImageError(f"{what} more than {MAX_ASPECT} times as long as high. Cut it into lines.")


def _bytes_a_pixel(image: Image.Image) -> int:
    """Return how many bytes it takes to decode a large scan and make it grey."""
    if image.format == "JPEG" and image.mode in ("L", "RGB"):  # which is decoded in grey
        return GREY_COST["L"] + PROGRESSIVE * ("progression" in image.info)
    cost = GREY_COST.get(image.mode, OTHER_COST) + DECODING.get(image.format or "", 0)
    return 2 * cost if image.format == "TIFF" and _orientation(image) != 1 else cost  # Pillow turns it right away


def _large_scan(image: Image.Image, name: str) -> Image.Image:
    """Read a scan into mode "L", in the memory that its picture takes and little more."""
    from trocr_gsa.model.pictures import as_picture, eight_bit, opaque

    image.draft("L", image.size)
    _unlimited(image.load)
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
