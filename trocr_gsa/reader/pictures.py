"""What a reader takes for a picture, and what it calls it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from trocr_gsa.data.images import ImageError, source_name

Picture = Image.Image | str | Path | bytes | np.ndarray


def picture_name(image: Picture, index: int) -> str:
    """Return the file's name, or the place in the list."""
    if isinstance(image, str | Path) or getattr(image, "filename", ""):
        return source_name(image)  # pyright: ignore[reportArgumentType]
    return f"images[{index}]"


def as_source(image: Picture, name: str) -> Image.Image | str | Path | bytes:
    """Make an array a picture; leave everything else as it is.

    Raises:
        ImageError: if an array is none of a picture.
    """
    if not isinstance(image, np.ndarray):
        return image
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))):
        raise ImageError(
            f"{name}: an array must be uint8 and (height, width) or (height, width, 3 or 4), got {image.dtype} "
            f"{image.shape}. Scale it to 0 … 255 and convert it."
        )
    return Image.fromarray(image)
