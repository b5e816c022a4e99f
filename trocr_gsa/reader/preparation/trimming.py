"""Lines with wide margins: after scaling to the line height, their writing would be too small, so they are trimmed.

What is unusual: trimming commutes with quarter turns exactly; and a line is only trimmed if it fills less of its image
than the training lines do, so every other line stays the same, bit for bit.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from .levelling import ink_places

FILLS = 0.65  # a line is trimmed if its ink takes less than this share of the image height
LEFT = 0.75  # the share afterwards
LONG = 6.0  # minimum ratio of length and height of the ink: the size of a few letters is not reliable
LYING = 1.5  # minimum ratio of length and height of the image, because a single dash is long too
OUTLIERS = 500  # one in this many ink pixels is ignored at each edge


def trimming_box(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Return the box of the line without most of its margins, for Pillow's `crop`; None: no trimming.

    The margins above, below, before and after the line become equal. The box commutes with quarter turns.

    Args:
        image: an image of one line, mode "L" or "RGB".
    """
    ink = ink_places(image)
    if not len(ink):
        return None
    ends = np.sort(ink, axis=0)
    few = len(ink) // OUTLIERS
    low, high = ends[few], ends[-1 - few]  # order statistics instead of quantiles, which would be rounded
    extent = high - low + 1
    across = int(extent[1] <= extent[0])  # 1: the line runs along x, and y is across it
    height = extent[across]
    if extent.max() < LONG * height or height >= FILLS * image.size[across]:
        return None
    if image.size[1 - across] < LYING * image.size[across]:
        return None
    room = (1 / LEFT - 1) / 2 * height
    middle = (np.array(image.size) - 1) / 2
    return _inside(middle, low - room, high + room, image.size)


def _inside(middle: np.ndarray, low: np.ndarray, high: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the box of positions (x right, y up from the middle), limited to the image."""
    left, top = (math.floor(round(start, 6)) for start in (middle[0] + low[0], middle[1] - high[1]))
    right, bottom = (math.ceil(round(end, 6)) + 1 for end in (middle[0] + high[0], middle[1] - low[1]))
    return max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
