"""Tilted lines: measuring the tilt, and rotating the image back (deskewing).

The model's group handles multiples of 90°; the angles in between are handled here.

What is unusual: levelling commutes with quarter turns, so the reader stays equivariant; and a line is only changed if
that makes it flatter, so a level line stays the same, bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from trocr_gsa.data.images import paper

from .grey import histogram, stands_out
from .placement import UNMOVED, Placement

FLATTER = 0.95  # a line is levelled if this reduces its height to less than this share
LONG = 6.0  # minimum ratio of length and height of a line to be levelled: a single word may slope by itself
LEAST = 0.6  # degrees; smaller tilts cannot be told from the natural slope of writing
MARGIN = 0.08  # margin around the ink, as a share of the line's height: the same as in the training lines
OUTLIERS = 0.2  # percent of the ink at each edge that is ignored
STEP, REACH = 0.25, 4.0  # degrees: step and range of the search around the main axis of the ink
MOST_PIXELS = 1_000_000  # larger images are scaled down for the measurement


@dataclass(frozen=True)
class LevelledLine:
    """A level line, and its former tilt.

    Attributes:
        image: the line, parallel to one side of the image.
        tilt: degrees counter-clockwise by which the line was tilted from this side, in [−45, 45); 0: unchanged.
        placement: maps points of this image to the given one.
    """

    image: Image.Image
    tilt: float
    placement: Placement = UNMOVED


def level(image: Image.Image) -> LevelledLine:
    """Rotate a tilted line back by less than 45°. Its orientation in multiples of 90° is not changed.

    level(r · image) = r · level(image) for every quarter turn r, up to rounding.

    Args:
        image: an image of one line, mode "L" or "RGB".
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
    """Return the positions of ink, (pixel, 2), x right and y up from the centre of the image, in its pixels."""
    grey = image.convert("L")
    factor = max(1, math.ceil(math.sqrt(grey.width * grey.height / MOST_PIXELS)))
    if factor > 1:
        small = (max(1, grey.width // factor), max(1, grey.height // factor))
        grey = grey.resize(small, Image.Resampling.BOX)
    y, x = np.nonzero(stands_out(histogram(grey))[np.asarray(grey)])
    centre = (np.array(grey.size) - 1) / 2
    return np.stack((x - centre[0], centre[1] - y), axis=1) * (np.array(image.size) / grey.size)


def _main_axis(ink: np.ndarray) -> float:
    """Return the principal axis of the ink, in degrees counter-clockwise from x, in [−90, 90]."""
    (xx, xy), (_, yy) = np.cov(ink.T)
    return math.degrees(math.atan2(2 * xy, xx - yy)) / 2


def _axis_of_writing(ink: np.ndarray, main: float, size: tuple[int, int]) -> float:
    """Return the axis near `main` for which the ink concentrates in the fewest rows: Σ rows² is largest.

    Rows begin between pixels, both for even and odd image heights, so that rounding has no effect.
    """
    tried = round(main / STEP) * STEP + np.arange(-REACH, REACH + STEP / 2, STEP)
    pixels_across = size[1] if abs(_off_axis(main) - main) < 45 else size[0]
    begin = 0.5 * (pixels_across % 2)
    return float(max(tried, key=lambda angle: _concentration(_across(ink, angle) + begin)))


def _off_axis(angle: float) -> float:
    """Return the difference between an angle and the nearest quarter turn, in [−45, 45) degrees."""
    return (angle + 45) % 90 - 45


def _across(ink: np.ndarray, axis: float) -> np.ndarray:
    """Return the distance of the ink to the left of an axis through the centre, in pixels."""
    angle = math.radians(axis)
    return ink[:, 1] * math.cos(angle) - ink[:, 0] * math.sin(angle)


def _concentration(places: np.ndarray) -> int:
    rows = np.floor(places).astype(int)
    return int((np.bincount(rows - rows.min()) ** 2).sum())


def _extent(places: np.ndarray) -> float:
    low, high = np.percentile(places, [OUTLIERS, 100 - OUTLIERS])
    return float(high - low) + 1


def _box_of_ink(image: Image.Image, margin: float) -> tuple[int, int, int, int]:
    """Return the box of the image without the paper that the rotation added around the line."""
    ink = ink_places(image)
    if not len(ink):
        return 0, 0, *image.size
    low, high = np.percentile(ink, [OUTLIERS, 100 - OUTLIERS], axis=0)
    centre = (np.array(image.size) - 1) / 2
    left, right = centre[0] + low[0] - margin, centre[0] + high[0] + margin
    top, bottom = centre[1] - high[1] - margin, centre[1] - low[1] + margin
    right, bottom = min(math.ceil(right) + 1, image.width), min(math.ceil(bottom) + 1, image.height)
    return max(math.floor(left), 0), max(math.floor(top), 0), right, bottom
