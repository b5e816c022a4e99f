"""The one loader of pictures, whoever hands them over: upright, opaque, 8 bits a level; or one clear error.

What is unusual: readers and processors both come here, so that a picture has the same pixels in either; and what the
numbers of an array or a deep picture mean is recognised by their range, and refused where it is in doubt.
"""

from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms, ImageOps

DEEP = ("I", "F")  # first letters of Pillow's modes that hold more than 8 bits a level
BYTE, WORD = 255, 65535  # what white is
BLACK = 16  # floats that reach beyond 1 and not up to this are next to black in [0, 255]: surely meant otherwise
DARK_WORD = 4112  # the same of 16 bits, which 12 bits do not reach
SMALLEST = 2  # pixels each way
ROUNDING = 1e-4  # share of white by which floats may be out of their range
CHANNELS = (1, 3, 4)
FORMATS = ("channels_first", "channels_last")  # as transformers names them
ROWS = 256  # of a deep or transparent picture that are converted at once


class PictureError(ValueError):
    """What is no picture, or one whose levels mean nothing; the message names it and says what to do."""


def as_picture(image: Any, name: str, data_format: str | None = None) -> Image.Image:
    """Return a picture of mode "L" or "RGB", as a viewer shows it: the camera's orientation applied, clear parts white.

    Args:
        image: a Pillow image of any mode, or an array or tensor (height, width), (height, width, 1, 3 or 4) or
            (1, 3 or 4, height, width), of bool, integers in [0, 255] or [0, 65535], or floats in [0, 1] or [0, 255].
        name: what to call it in a message.
        data_format: "channels_first" or "channels_last" where an array has channels; None: last, unless only the first
            can be meant.

    Raises:
        PictureError: if it is none, or its numbers lie in none of these ranges.
        ValueError: if there is no such `data_format`.
    """
    if data_format not in (None, *FORMATS):
        raise ValueError(f"`input_data_format` must be one of {', '.join(FORMATS)}, or None, got {data_format!r}.")
    picture = image if isinstance(image, Image.Image) else _from_array(image, name, data_format)
    if min(picture.size) < SMALLEST:
        raise _too_small(name, *picture.size)
    return opaque(ImageOps.exif_transpose(eight_bit(picture, name)))


def pixel_levels(picture: Image.Image, num_channels: int) -> np.ndarray:
    """Return the pixels of what `as_picture` returned, (channel, height, width), black 0 and white 255, float64.

    In float64, as a resize in float32 rounds the ends of a long line differently: a turned line were no longer equal.

    Args:
        picture: of mode "L" or "RGB".
        num_channels: 1 for grey, 3 for colour.
    """
    pixels = np.asarray(picture.convert("L" if num_channels == 1 else "RGB"), dtype=np.float64)
    return pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)


def eight_bit(image: Image.Image, name: str) -> Image.Image:
    """Scale a picture of 16 or 32 bits to 8, by the range that its levels lie in; leave every other as it is.

    Raises:
        PictureError: if it is none of the ranges that `as_picture` knows.
    """
    image.load()
    if not image.mode.startswith(DEEP):
        return image
    white = _white(np.asarray(image), name)
    scaled = Image.new("L", image.size)
    for top in range(0, image.height, ROWS):
        rows = np.asarray(image.crop((0, top, image.width, min(top + ROWS, image.height))))
        scaled.paste(Image.fromarray(_as_bytes(rows, white)), (0, top))
    scaled.info = {key: value for key, value in image.info.items() if key != "transparency"}  # a level of 16 bits
    return scaled


def opaque(image: Image.Image) -> Image.Image:
    """Lay transparency over white; keep grey pictures grey, and make every other "RGB"."""
    if image.mode == "La":  # which Pillow converts to nothing else
        image = image.convert("LA")
    if image.has_transparency_data:
        laid = Image.new("RGB", image.size)
        for top in range(0, image.height, ROWS):  # at once, it would take four times the picture's memory
            rows = image.crop((0, top, image.width, min(top + ROWS, image.height))).convert("RGBA")
            laid.paste(Image.alpha_composite(Image.new("RGBA", rows.size, "white"), rows).convert("RGB"), (0, top))
        return laid
    if image.mode == "LAB":  # which Pillow converts by way of profiles alone
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return cast(Image.Image, ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB"))
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")


def _from_array(image: Any, name: str, data_format: str | None) -> Image.Image:
    try:
        array = np.asarray(image)
    except (RuntimeError, TypeError, ValueError) as error:  # tensors elsewhere, or with a gradient; ragged lists
        raise _no_picture(name, f"a {type(image).__name__} that is no array ({error})") from error
    found = type(image).__name__ if not array.ndim else f"{array.dtype} of shape {array.shape}"
    if array.ndim == 3 and _is_channels_first(array, data_format):
        array = np.moveaxis(array, 0, -1)
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype.kind not in "biuf" or array.ndim not in (2, 3) or channels not in CHANNELS:
        raise _no_picture(name, found)
    if not array.size:
        raise _too_small(name, array.shape[1], array.shape[0])
    pixels = array if array.dtype == np.uint8 else _as_bytes(array, _white(array, name))
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if array.ndim == 3 and channels == 1 else pixels))


def _is_channels_first(array: np.ndarray, data_format: str | None) -> bool:
    if data_format is not None:
        return data_format == FORMATS[0]
    return array.shape[0] in CHANNELS and array.shape[2] not in CHANNELS


def _no_picture(name: str, found: str) -> PictureError:
    return PictureError(
        f"{name} must be a PIL image or an array, (height, width), or with 1, 3 or 4 channels in front or behind, of "
        f"bool, integers or floats; got {found}."
    )


def _too_small(name: str, width: int, height: int) -> PictureError:
    return PictureError(f"{name} must be at least {SMALLEST} pixels high and wide, got {width}×{height}.")


def _white(values: np.ndarray, name: str) -> int:
    """Return what white is on the scale that levels are measured on: 1, 255 or 65535.

    Raises:
        PictureError: if they lie on no such scale.
    """
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind != "f":
        if values.dtype.kind == "b":
            return 1
        for white, reach in ((BYTE, 0), (WORD, DARK_WORD)):
            if low >= 0 and reach <= high <= white:
                return white
        raise _off_scale(name, f"integers must lie in 0 … {BYTE} or fill 0 … {WORD}, got {low:g} … {high:g}")
    if not np.isfinite((low, high)).all():
        raise PictureError(f"{name} must hold finite numbers, got NaN or infinity.")
    for white, reach in ((1, 0), (BYTE, BLACK)):
        if low >= -ROUNDING * white and reach <= high <= (1 + ROUNDING) * white:
            return white
    raise _off_scale(name, f"floats must lie in [0, 1] or fill [0, {BYTE}], got {low:g} … {high:g}")


def _off_scale(name: str, found: str) -> PictureError:
    return PictureError(f"{name}: {found}. Scale the picture so that black is 0 and white {BYTE}.")


def _as_bytes(values: np.ndarray, white: int) -> np.ndarray:
    return (values.astype(np.float64) * (BYTE / white)).round().clip(0, BYTE).astype(np.uint8)
