"""A picture in any form a user may hand over: refused in one clear error if it is none, and its levels on one scale."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def as_picture(image: Any, index: int) -> Image.Image:
    """Return a PIL image.

    Args:
        image: a PIL image, or an array: (height, width) of uint8, uint16 or floats in [0, 255], or (height, width, 3)
            of uint8.
        index: its place in the batch, for the error.

    Raises:
        ValueError: naming the image, if it is none, or less than 2 pixels high or wide.
    """
    picture = image if isinstance(image, Image.Image) else _from_array(np.asarray(image), index)
    if min(picture.size) < 2:
        raise ValueError(
            f"`images[{index}]` must be at least 2 pixels high and wide, got {picture.width}×{picture.height}."
        )
    return picture


def pixel_levels(picture: Image.Image, num_channels: int, index: int) -> Tensor:
    """Return a picture's pixels (channel, height, width), black 0 and white 255, float64, however many bits it has.

    In float64, as a resize in float32 rounds the ends of a long line differently: a turned line were no longer equal.

    Args:
        picture: of any mode.
        num_channels: 1 for grey, 3 for colour.
        index: its place in the batch, for the error.

    Raises:
        ValueError: naming the image, if a pixel is no finite number.
    """
    if picture.mode[0] in "IF":  # more than 8 bits, which convert() would clip
        grey = torch.tensor(np.asarray(picture, dtype=np.float64)) / (1 if picture.mode == "F" else 257)
        if not grey.isfinite().all():
            raise ValueError(f"`images[{index}]` must hold finite numbers, got NaN or infinity.")
        return grey.expand(num_channels, -1, -1)
    pixels = np.array(picture.convert("L" if num_channels == 1 else "RGB"), dtype=np.float64)
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1)


def _from_array(array: np.ndarray, index: int) -> Image.Image:
    try:
        return Image.fromarray(array)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"`images[{index}]` must be a PIL image or an array, (height, width) of uint8, uint16 or floats, or "
            f"(height, width, 3) of uint8; got {array.dtype} of shape {array.shape}."
        ) from error
