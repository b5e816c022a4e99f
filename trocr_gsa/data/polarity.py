"""Light writing on dark ground, as negatives and slates have it: readers learn from ink on paper, so it is inverted."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from .levelling import stands_out

MOST_INK = 0.3  # share of a picture: more that is light is not writing, but paper amid a black frame


def dark_on_light(image: Image.Image) -> Image.Image:
    """Invert a picture whose ground is dark and whose writing is light; turning it first changes nothing.

    Args:
        image: of one line, mode "L" or "RGB".
    """
    levels = np.asarray(image.convert("L"), dtype=float)
    ground = np.median(levels)
    if ground >= 128:
        return image
    ink = stands_out(levels)
    light, dark = float(np.mean(ink & (levels > ground))), float(np.mean(ink & (levels < ground)))
    return ImageOps.invert(image) if 2 * dark < light < MOST_INK else image
