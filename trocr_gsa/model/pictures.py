"""Conversion of any image or array to an upright, opaque image with 8 bits per level, or one clear error.

What is unusual: readers and processors both use this file, so that an image has the same pixels in both. The scale of
an array or a 16-bit image is recognised by the range of its numbers; an ambiguous range raises an error.
"""

from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms, ImageOps

DEEP_MODES = ("I", "F")  # first letters of Pillow's modes with more than 8 bits per level
WHITE_8, WHITE_16 = 255, 65535  # white in 8 and in 16 bits
MIN_WHITE_FLOAT = 16  # floats in [0, 255] whose maximum is below this would be almost black: the scale is ambiguous
MIN_WHITE_16 = 4112  # the same for 16 bits; levels of 12 bits stay below it
MIN_SIDE = 2  # pixels
TOLERANCE = 1e-4  # share of white by which floats may exceed their range
CHANNELS = (1, 3, 4)
FORMATS = ("channels_first", "channels_last")  # as transformers names them
ROWS = 256  # rows of a 16-bit or transparent image that are converted at once


class PictureError(ValueError):
    """An object that is not an image, or an image with an unknown scale; the message names it and says what to do."""


def as_picture(image: Any, name: str, data_format: str | None = None) -> Image.Image:
    """Return an image of mode "L" or "RGB" as a viewer shows it: EXIF orientation applied, transparent parts white.

    Args:
        image: a Pillow image of any mode, or an array or tensor (height, width), (height, width, 1, 3 or 4) or
            (1, 3 or 4, height, width), of bool, integers in [0, 255] or [0, 65535], or floats in [0, 1] or [0, 255].
            Integers of 0 and 1 alone are refused.
        name: name of the image in error messages.
        data_format: "channels_first" or "channels_last" for an array with channels; None: last, unless the shape fits
            only the first.

    Raises:
        PictureError: if it is not an image, or its numbers are in none of these ranges.
        ValueError: if there is no such `data_format`.
    """
    if data_format not in (None, *FORMATS):
        raise ValueError(f"`input_data_format` must be one of {', '.join(FORMATS)}, or None, got {data_format!r}.")
    picture = image if isinstance(image, Image.Image) else _from_array(image, name, data_format)
    if min(picture.size) < MIN_SIDE:
        raise _too_small(name, *picture.size)
    return opaque(_upright(eight_bit(picture, name)))


def pixel_levels(picture: Image.Image, num_channels: int) -> np.ndarray:
    """Return the pixels of an image from `as_picture`, (channel, height, width) float64, black 0 and white 255.

    They are float64 because a resize in float32 rounds the two ends of a long line differently, so that a line and its
    rotated copy would no longer be equal.

    Args:
        picture: an image of mode "L" or "RGB".
        num_channels: 1 for grey, 3 for colour.
    """
    pixels = np.asarray(picture.convert("L" if num_channels == 1 else "RGB"), dtype=np.float64)
    return pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)


def eight_bit(image: Image.Image, name: str) -> Image.Image:
    """Scale an image of 16 or 32 bits to 8 bits according to the range of its levels; return others unchanged.

    Raises:
        PictureError: if the range is none of those that `as_picture` accepts.
    """
    image.load()
    if not image.mode.startswith(DEEP_MODES):
        return image
    values = np.asarray(image)
    scaled = Image.fromarray(_as_bytes(values, _white(values, name)))
    scaled.info = {key: value for key, value in image.info.items() if key != "transparency"}  # a 16-bit level
    return scaled


def _upright(image: Image.Image) -> Image.Image:
    """Turn a picture as its camera says; one whose camera says nothing that can be understood stays as it is."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF is read by code that raises anything on damage
        image.info = {key: value for key, value in image.info.items() if key != "exif"}
        return image


def opaque(image: Image.Image) -> Image.Image:
    """Put a white background behind transparent parts; keep grey images grey, and convert all others to RGB."""
    if image.mode == "La":  # Pillow converts this mode only to "LA"
        image = image.convert("LA")
    if image.has_transparency_data:
        composed = Image.new("RGB", image.size)
        for top in range(0, image.height, ROWS):  # all rows at once would take four times the image's memory
            rows = image.crop((0, top, image.width, min(top + ROWS, image.height))).convert("RGBA")
            composed.paste(Image.alpha_composite(Image.new("RGBA", rows.size, "white"), rows).convert("RGB"), (0, top))
        return composed
    if image.mode == "LAB":  # Pillow converts this mode only with colour profiles
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return cast(Image.Image, ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB"))
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")


def _from_array(image: Any, name: str, data_format: str | None) -> Image.Image:
    try:
        array = np.asarray(image)
    except MemoryError:
        raise
    except Exception as error:  # a tensor on a GPU or with a gradient, a ragged list, any object's own `__array__`
        reason = " ".join(str(error).split())
        raise _no_picture(name, f"a {type(image).__name__} that is not an array ({reason})") from error
    found = type(image).__name__ if not array.ndim else f"{array.dtype} of shape {array.shape}"
    if array.ndim == 3 and _is_channels_first(array, data_format):
        array = np.moveaxis(array, 0, -1)
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype.kind not in "biuf" or array.ndim not in (2, 3) or channels not in CHANNELS:
        raise _no_picture(name, found)
    if not array.size:
        raise _too_small(name, array.shape[1], array.shape[0])
    if array.dtype.kind in "iu" and array.max() == 1:  # a mask, or a picture that is almost black
        raise _unknown_scale(name, "integers of 0 and 1 may be a mask, which has the type bool")
    pixels = array if array.dtype == np.uint8 else _as_bytes(array, _white(array, name))
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if array.ndim == 3 and channels == 1 else pixels))


def _is_channels_first(array: np.ndarray, data_format: str | None) -> bool:
    if data_format is not None:
        return data_format == FORMATS[0]
    return array.shape[0] in CHANNELS and array.shape[2] not in CHANNELS


def _no_picture(name: str, found: str) -> PictureError:
    return PictureError(
        f"{name} must be a PIL image or an array (height, width), optionally with 1, 3 or 4 channels first or last, of "
        f"bool, integers or floats; got {found}."
    )


def _too_small(name: str, width: int, height: int) -> PictureError:
    return PictureError(f"{name} must be at least {MIN_SIDE} pixels high and wide, got {width}×{height}.")


def _white(values: np.ndarray, name: str) -> int:
    """Return the value of white on the scale of these levels: 1, 255 or 65535.

    Raises:
        PictureError: if the scale is unknown.
    """
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind != "f":
        if values.dtype.kind == "b":
            return 1
        for white, least in ((WHITE_8, 0), (WHITE_16, MIN_WHITE_16)):
            if low >= 0 and least <= high <= white:
                return white
        raise _unknown_scale(name, f"integers must lie in 0 … {WHITE_8} or fill 0 … {WHITE_16}, got {low:g} … {high:g}")
    if not np.isfinite((low, high)).all():
        raise PictureError(f"{name} must hold finite numbers, got NaN or infinity.")
    for white, least in ((1, 0), (WHITE_8, MIN_WHITE_FLOAT)):
        if low >= -TOLERANCE * white and least <= high <= (1 + TOLERANCE) * white:
            return white
    raise _unknown_scale(name, f"floats must lie in [0, 1] or fill [0, {WHITE_8}], got {low:g} … {high:g}")


def _unknown_scale(name: str, found: str) -> PictureError:
    return PictureError(f"{name}: {found}. Scale the picture so that black is 0 and white {WHITE_8}.")


def _as_bytes(values: np.ndarray, white: int) -> np.ndarray:
    levels = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), ROWS):  # all rows at once would take eight times their memory and more
        rows = values[top : top + ROWS].astype(np.float64)
        levels[top : top + ROWS] = (rows * (WHITE_8 / white)).round().clip(0, WHITE_8)
    return levels
