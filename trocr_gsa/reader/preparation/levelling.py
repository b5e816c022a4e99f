"""Tilted lines: by how much they are tilted, and the same line levelled.

A group of quarter turns sees to multiples of 90°; what is left between them is a matter of pictures, not of the model.

What is unusual: it commutes with quarter turns, so that a reader behind it is as equivariant as without it; and a line
is only touched where that makes it flatter, so that one which was cut level stays as it is, bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from trocr_gsa.data.images import paper

from .grey import histogram, stands_out
from .placement import UNMOVED, Placement

FLATTER = 0.95  # a line is levelled if it then takes less than this share of its height
LONG = 6.0  # lines are levelled that are so many times as long as high: a word or a number may lean by itself
LEAST = 0.6  # degrees; less is lost in how writing runs: the search goes by steps of a quarter
MARGIN = 0.08  # blank kept around the ink, in the line's height: as much as lines have that readers are trained on
OUTLIERS = 0.2  # percent of the ink, at either edge, that does not count as part of the line
STEP, REACH = 0.25, 4.0  # degrees: of the search around the ink's main axis
MOST_PIXELS = 1_000_000  # more are made fewer before they are looked at


@dataclass(frozen=True)
class LevelledLine:
    """A line, and how it had been tilted.

    Attributes:
        image: the line, running along one side of the picture.
        tilt: degrees counter-clockwise by which the line was tilted out of that side, in [−45, 45); 0: not touched.
        placement: of this picture on the one that was given.
    """

    image: Image.Image
    tilt: float
    placement: Placement = UNMOVED


def level(image: Image.Image) -> LevelledLine:
    """Turn a tilted line back by less than an eighth turn; whether it lies, stands or is upside down stays.

    level(turn image) = turn level(image) for every quarter turn, but for rounding.

    Args:
        image: of one line, mode "L" or "RGB".
    """
    ink = ink_places(image)
    if len(ink) < 2 or not ink.std(0).all():
        return LevelledLine(image, 0.0)
    main = _main_axis(ink)
    if abs(_off_axis(main)) < LEAST / 2:
        return LevelledLine(image, 0.0)
    axis = _axis_of_writing(ink, main, image.size)
    tilt = _off_axis(axis)
    flat, length = _extent(_across(ink, axis)), _extent(_across(ink, axis + 90))
    if abs(tilt) < LEAST or length < LONG * flat or flat >= FLATTER * min(_extent(ink[:, 0]), _extent(ink[:, 1])):
        return LevelledLine(image, 0.0)
    turned = image.rotate(-tilt, Image.Resampling.BICUBIC, expand=True, fillcolor=paper(image))
    box = _box_of_ink(turned, MARGIN * flat)
    return LevelledLine(turned.crop(box), tilt, Placement.turned(-tilt, image.size, turned.size).cut(box[0], box[1]))


def ink_places(image: Image.Image) -> np.ndarray:
    """Return where there is ink, (pixel, 2), x right and y up from the picture's centre, in its pixels."""
    grey = image.convert("L")
    factor = max(1, math.ceil(math.sqrt(grey.width * grey.height / MOST_PIXELS)))
    if factor > 1:
        small = (max(1, grey.width // factor), max(1, grey.height // factor))
        grey = grey.resize(small, Image.Resampling.BOX)
    y, x = np.nonzero(stands_out(histogram(grey))[np.asarray(grey)])
    centre = (np.array(grey.size) - 1) / 2
    return np.stack((x - centre[0], centre[1] - y), axis=1) * (np.array(image.size) / grey.size)


def _main_axis(ink: np.ndarray) -> float:
    """Return the main axis of the ink's second moments, degrees counter-clockwise from x, in [−90, 90]."""
    (xx, xy), (_, yy) = np.cov(ink.T)
    return math.degrees(math.atan2(2 * xy, xx - yy)) / 2


def _axis_of_writing(ink: np.ndarray, main: float, size: tuple[int, int]) -> float:
    """Return the axis near `main` across which ink lies in the fewest rows: Σ rows² is largest.

    Rows begin between pixels, whether their centres are at whole numbers or half way: rounding decides nothing.
    """
    tried = round(main / STEP) * STEP + np.arange(-REACH, REACH + STEP / 2, STEP)
    pixels_across = size[1] if abs(_off_axis(main) - main) < 45 else size[0]
    begin = 0.5 * (pixels_across % 2)
    return float(max(tried, key=lambda angle: _concentration(_across(ink, angle) + begin)))


def _off_axis(angle: float) -> float:
    """Return what is left of an angle beside quarter turns, in [−45, 45) degrees."""
    return (angle + 45) % 90 - 45


def _across(ink: np.ndarray, axis: float) -> np.ndarray:
    """Return how far ink lies to the left of an axis through the centre, in pixels."""
    angle = math.radians(axis)
    return ink[:, 1] * math.cos(angle) - ink[:, 0] * math.sin(angle)


def _concentration(places: np.ndarray) -> int:
    rows = np.floor(places).astype(int)
    return int((np.bincount(rows - rows.min()) ** 2).sum())


def _extent(places: np.ndarray) -> float:
    low, high = np.percentile(places, [OUTLIERS, 100 - OUTLIERS])
    return float(high - low) + 1


def _box_of_ink(image: Image.Image, margin: float) -> tuple[int, int, int, int]:
    """Return the box of the picture without the paper that turning has put around its line."""
    ink = ink_places(image)
    if not len(ink):
        return 0, 0, *image.size
    low, high = np.percentile(ink, [OUTLIERS, 100 - OUTLIERS], axis=0)
    centre = (np.array(image.size) - 1) / 2
    left, right = centre[0] + low[0] - margin, centre[0] + high[0] + margin
    top, bottom = centre[1] - high[1] - margin, centre[1] - low[1] + margin
    right, bottom = min(math.ceil(right) + 1, image.width), min(math.ceil(bottom) + 1, image.height)
    return max(math.floor(left), 0), max(math.floor(top), 0), right, bottom
