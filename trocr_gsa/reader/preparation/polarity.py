"""Light writing on a dark background, such as negatives and slates, is inverted: readers are trained on dark ink."""

from __future__ import annotations

from PIL import Image, ImageOps

from .grey import LEVELS, ground, histogram, stands_out

MOST_INK = 0.3  # a larger light share of the image is not writing but paper in a black frame


def dark_on_light(image: Image.Image) -> Image.Image:
    """Invert an image with a dark background and light writing. This commutes with rotations.

    Args:
        image: an image of one line, mode "L" or "RGB".
    """
    counts = histogram(image.convert("L"))
    middle = ground(counts)
    if middle >= 128:
        return image
    ink, shares = stands_out(counts), counts / counts.sum()
    light, dark = shares[ink & (middle < LEVELS)].sum(), shares[ink & (middle > LEVELS)].sum()
    return ImageOps.invert(image) if 2 * dark < light < MOST_INK else image
