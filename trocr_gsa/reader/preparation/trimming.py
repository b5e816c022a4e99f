"""Lines in too much room: people cut them in many ways, and a line in more room is a smaller line.

What is unusual: it commutes with quarter turns exactly; and a line is only touched where it fills less of its picture
than readers are trained on, so that every other stays as it is, bit for bit.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from .levelling import ink_places

FILLS = 0.65  # a line is cut out where its ink takes less than this share of the picture's height
LEFT = 0.75  # share that it takes afterwards
LONG = 6.0  # only lines are cut out that are so many times as long as high: a letter or two do not tell their size
LYING = 1.5  # and pictures of lines: a dash is long too, but its picture is not
OUTLIERS = 500  # one dot of ink in so many, at either edge, does not count as part of the line


def trimming_box(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Return the box of a picture, as Pillow's `crop` takes it, without most of the room around its line; None: all.

    What is cut away is room above and below the line, and as much before and behind it; turning the picture by quarter
    turns turns the box.

    Args:
        image: of one line, mode "L" or "RGB".
    """
    ink = ink_places(image)
    if not len(ink):
        return None
    ends = np.sort(ink, axis=0)
    few = len(ink) // OUTLIERS
    low, high = ends[few], ends[-1 - few]  # of the ink's places, in order: nothing is rounded
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
    """Return the box around places, x right and y up from the middle, that lies inside of the picture."""
    left, top = (math.floor(round(start, 6)) for start in (middle[0] + low[0], middle[1] - high[1]))
    right, bottom = (math.ceil(round(end, 6)) + 1 for end in (middle[0] + high[0], middle[1] - low[1]))
    return max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
