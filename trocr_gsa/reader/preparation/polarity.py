"""Light writing on dark ground, as negatives and slates have it: readers learn from ink on paper, so it is inverted."""

from __future__ import annotations

from PIL import Image, ImageOps

from .grey import LEVELS, ground, histogram, stands_out

MOST_INK = 0.3  # share of a picture: more that is light is not writing, but paper amid a black frame


def dark_on_light(image: Image.Image) -> Image.Image:
    """Invert a picture whose ground is dark and whose writing is light; turning it first changes nothing.

    Args:
        image: of one line, mode "L" or "RGB".
    """
    counts = histogram(image.convert("L"))
    middle = ground(counts)
    if middle >= 128:
        return image
    ink, shares = stands_out(counts), counts / counts.sum()
    light, dark = shares[ink & (middle < LEVELS)].sum(), shares[ink & (middle > LEVELS)].sum()
    return ImageOps.invert(image) if 2 * dark < light < MOST_INK else image
