"""What a reader takes for a picture, and what it calls it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from trocr_gsa.data.frames import PicturePage
from trocr_gsa.data.images import source_name

Picture = Image.Image | PicturePage | str | Path | bytes | np.ndarray


def picture_name(image: Picture, index: int) -> str:
    """Return the file's name, or the place in the list."""
    if isinstance(image, str | Path | PicturePage) or getattr(image, "filename", ""):
        return source_name(image)
    return f"images[{index}]"
