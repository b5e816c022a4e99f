"""Any picture a user may have → an upright, opaque 8-bit picture, or one clear error that names it.

What comes out is "L" or "RGB": the camera's orientation applied, transparency laid over white, 16 bits scaled to 8,
CMYK and palettes converted, the first frame of an animation.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

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
    image = _open(source, name or source_name(source))
    turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (image.height, image.width) if turned else image.size


def load_image(source: ImageSource, name: str | None = None) -> Image.Image:
    """Read a picture into mode "L" or "RGB".

    Args:
        source: a picture, a file, its bytes, or {"bytes": …, "path": …} as `datasets` stores it.
        name: what to call it in a message; by default its path.

    Raises:
        ImageError: if it is missing, empty, damaged, no picture, too small, too large or far too long to be a line.
    """
    name = name or source_name(source)
    image = _open(source, name)
    try:
        return _opaque(ImageOps.exif_transpose(_eight_bit(image)))
    except Exception as error:  # decoders raise anything on damaged files, from SyntaxError to struct.error
        raise ImageError(f"{name}: the picture is damaged ({error}). Save it again, or leave it out.") from error


def _open(source: ImageSource, name: str) -> Image.Image:
    """Open without decoding, and judge what the header says."""
    if isinstance(source, Image.Image):
        image = source
    else:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(_stream(source, name))
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise ImageError(_too_large(name)) from error
        except ImageError:
            raise
        except FileNotFoundError as error:
            raise ImageError(f"{name}: no such file. Check the path.") from error
        except IsADirectoryError as error:
            raise ImageError(f"{name}: is a folder, expected a picture. Name the pictures in it.") from error
        except Exception as error:  # as above: a damaged header may raise anything
            raise ImageError(f"{name}: not a picture that Pillow can read. Convert it to PNG, JPEG or TIFF.") from error
    short, long = sorted(image.size)
    if short < MIN_SIDE:
        raise ImageError(
            f"{name}: {image.width} × {image.height} pixels is too small to hold text; expected {MIN_SIDE} or more."
        )
    if short * long > MAX_PIXELS:
        raise ImageError(_too_large(name))
    if long > MAX_ASPECT * short:
        raise ImageError(
            f"{name}: {image.width} × {image.height} pixels is more than {MAX_ASPECT} times as long as high. Cut it into lines."
        )
    return image


def _too_large(name: str) -> str:
    return f"{name}: more than {MAX_PIXELS:,} pixels when unpacked. Cut the page into lines first."


def _stream(source: str | Path | bytes | dict[str, Any], name: str) -> str | Path | io.BytesIO:
    if isinstance(source, dict):
        if source.get("bytes") is None and not source.get("path"):
            raise ImageError(f"{name}: neither bytes nor a path is given.")
        source = source["bytes"] if source.get("bytes") is not None else source["path"]
    if isinstance(source, bytes):
        if not source:
            raise ImageError(f"{name}: the file is empty (0 bytes). Copy it again, or leave it out.")
        return io.BytesIO(source)
    if Path(source).is_file() and Path(source).stat().st_size == 0:
        raise ImageError(f"{name}: the file is empty (0 bytes). Copy it again, or leave it out.")
    return source


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and float pictures to 8 bits: by 65535 where values are integers, by 1 or 255 where they are floats."""
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
