"""What a reader takes for a picture, and what it calls it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from trocr_gsa.data.frames import PicturePage
from trocr_gsa.data.images import ImageError, load_image, source_name

from .preparation.several import count_lines

Picture = Image.Image | PicturePage | str | Path | bytes | np.ndarray


def picture_name(image: Picture, index: int) -> str:
    """Return the file's name, or the place in the list."""
    if isinstance(image, str | Path | PicturePage) or getattr(image, "filename", ""):
        return source_name(image)
    return f"images[{index}]"


def load_line(image: Picture, name: str, is_cut: bool) -> Image.Image:
    """Decode the picture of a line.

    Args:
        image: the picture.
        name: what to call it in a message.
        is_cut: it was cut out of its page along a line, and is not looked at for more of them.

    Raises:
        ImageError: if it cannot be decoded, or seems to hold several lines.
    """
    picture = load_image(image, name)
    if not is_cut and (count := count_lines(picture)) > 1:
        raise ImageError(
            f"{name}: looks like {count} lines of text, expected one. Find its lines with `trocr-gsa read --segment`, "
            "in Python with `trocr_gsa.data.pages.segmented_pages`, or cut it into pictures of one line."
        )
    return picture
