"""Any picture a user may have → an upright, opaque 8-bit picture, or one clear error that names it.

What comes out is "L" or "RGB": the camera's orientation applied, transparency laid over white, 16 bits scaled to 8,
CMYK and palettes converted, the first frame of an animation.
"""

from __future__ import annotations

import io
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".jp2")
MIN_SIDE = 4  # pixels
MAX_ASPECT = 100  # long side / short side: more than any line of text
MAX_PIXELS = 89_000_000  # Pillow's own limit for pictures that unpack to far more than their file
ImageSource = Image.Image | str | Path | bytes | dict[str, Any]


class ImageError(ValueError):
    """A picture that cannot be read as a line; the message names it and says what to do."""


def source_name(source: ImageSource) -> str:
    """What to call the picture in a message."""
    if isinstance(source, dict):
        return str(source.get("path") or "image without a name")
    if isinstance(source, Image.Image):
        return str(getattr(source, "filename", "") or "image without a name")
    return "image without a name" if isinstance(source, bytes) else str(source)


def image_size(source: ImageSource, name: str | None = None) -> tuple[int, int]:
    """Width and height in pixels as `load_image` will give them, read from the header alone.

    Raises:
        ImageError: as `load_image`, but for damage behind the header.
    """
    name = name or source_name(source)
    with _open(source, name) as image:
        _judge(image.size, name)
        return (image.height, image.width) if _stands(image) else image.size


def _stands(image: Image.Image) -> bool:
    """Whether the camera's orientation exchanges width and height."""
    if image.format == "PNG" and "exif" not in image.info:
        return False  # Pillow would decode the whole picture to look for it at the end
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except Exception:  # damage is for `load_image` to tell
        return False


def load_image(source: ImageSource, name: str | None = None) -> Image.Image:
    """Read a picture into mode "L" or "RGB".

    Args:
        source: a picture, a file, its bytes, or {"bytes": …, "path": …} as `datasets` stores it.
        name: what to call it in a message; by default its path.

    Raises:
        ImageError: if it is missing, empty, damaged, no picture, too small, too large or far too long to be a line.
    """
    name = name or source_name(source)
    with _open(source, name) as image:
        _judge(image.size, name)
        try:
            return _opaque(ImageOps.exif_transpose(_eight_bit(image)))
        except Exception as error:  # decoders raise anything on damaged files, from SyntaxError to struct.error
            raise ImageError(f"{name}: the picture is damaged ({error}). Save it again, or leave it out.") from error


def _open(source: ImageSource, name: str) -> AbstractContextManager[Image.Image]:
    """Open without decoding; closes what it opened itself."""
    if isinstance(source, Image.Image):
        return nullcontext(source)
    stream = _stream(source, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(stream)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ImageError(_too_large(name)) from error
    except Exception as error:  # as above: a damaged header may raise anything
        raise ImageError(f"{name}: not a picture that Pillow can read. Convert it to PNG, JPEG or TIFF.") from error


def _stream(source: str | Path | bytes | dict[str, Any], name: str) -> Path | io.BytesIO:
    """The file, or the bytes, once they are known to hold something."""
    content: Any = source
    if isinstance(source, dict):
        content = source["bytes"] if source.get("bytes") is not None else source.get("path") or b""
    path = None if isinstance(content, bytes) else Path(content)
    if path is not None and path.is_dir():
        raise ImageError(f"{name}: is a folder, expected a picture. Name the pictures in it.")
    if path is not None and not path.is_file():
        raise ImageError(f"{name}: no such file. Check the path.")
    if not (len(content) if path is None else path.stat().st_size):
        raise ImageError(f"{name}: the file is empty (0 bytes). Copy it again, or leave it out.")
    return path or io.BytesIO(content)


def _judge(size: tuple[int, int], name: str) -> None:
    """Refuse sizes that no line of text has."""
    short, long = sorted(size)
    what = f"{name}: {size[0]} × {size[1]} pixels is"
    if short < MIN_SIDE:
        raise ImageError(f"{what} too small to hold text; expected {MIN_SIDE} or more each way.")
    if short * long > MAX_PIXELS:
        raise ImageError(_too_large(name))
    if long > MAX_ASPECT * short:
        raise ImageError(f"{what} more than {MAX_ASPECT} times as long as high. Cut it into lines.")


def _too_large(name: str) -> str:
    return f"{name}: more than {MAX_PIXELS:,} pixels when unpacked. Cut the page into lines first."


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale pictures of 16 or 32 bits to 8: by 65535 where values are integers, by 1 or 255 where they are floats."""
    if not image.mode.startswith(("I", "F")):
        image.load()
        return image
    values = np.asarray(image, dtype=np.float64)
    top = values.max(initial=0)
    full = next((limit for limit in ((1, 255) if image.mode == "F" else (255, 65535)) if top <= limit), top)
    if image.mode.startswith("I;16"):
        full = 65535
    scaled = Image.fromarray((np.clip(values / full, 0, 1) * 255).round().astype(np.uint8))
    scaled.info = dict(image.info)
    return scaled


def _opaque(image: Image.Image) -> Image.Image:
    """Lay transparency over white; keep grey pictures grey."""
    if image.has_transparency_data:
        colour = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colour.size, "white"), colour).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")


def paper(image: Image.Image) -> tuple[int, ...]:
    """The colour of the ground, a number a channel: the median of the picture's edge."""
    values = np.asarray(image)
    values = values.reshape(*values.shape[:2], -1)
    edge = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    return tuple(np.median(edge, axis=0).astype(int).tolist())
