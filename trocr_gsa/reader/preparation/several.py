"""The number of text lines in an image: a line reader would read several lines as one, and return nonsense.

What is unusual: the direction of the lines is unknown, so both are tried; and the result is exactly the same for every
quarter turn of an image.

A line of text is a band in the ink profile across the lines: long compared with the distance of lines, with gaps
between letters, and about as thick as the others. The limits are chosen on validation lines, so that fewer than 1 in
1000 of them are taken for several, although parts of neighbouring lines are often visible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from PIL import Image

from .grey import histogram, in_few_blocks, line_in_blocks, stands_out

# Degrees of the lines against the picture's sides: few in a long picture, where any more would lead out of it, and
# across it, where they make little difference.
TILTS, ALONG, ACROSS_IT = np.arange(-4.0, 4.5), np.arange(-1.0, 1.5), np.arange(-3.0, 3.5, 3)
# (share, bands): between two bands there is less ink than this share of a typical row's, and of either band's; at least
# so many bands are then several lines. A large share splits short lines, a small one joins crowded ones.
GAPS = ((0.05, 2), (0.15, 2), (0.4, 3))
LEAST_INK = 0.1  # of the band with most ink: less is dirt
LEAST_THICKNESS = 0.6  # of the same band's: less is a rule or an accent
AT_THE_EDGE = 0.75  # the same for bands that the picture's edge cuts: less is a neighbour that peeps in
SMALLEST_PITCH = 12  # pixels: lines nearer to each other cannot be read
HEAVY = 3  # at most so many rules may have more ink than every line
SOLID, PIECES = 0.8, 3  # a band in fewer pieces, whose densest rows are as full as this, is a rule
# How often as long as their pitch lines are at least: in a long picture, along it; in a square one; across a long one,
# where letters of a single line look like short lines. Fewer will do where there are many lines at one distance.
LONG, SQUARE, ACROSS, REGULAR = 6.0, 7.5, 12.0, 4.5
MANY, EVEN, MOSTLY = 5, 0.25, 0.8  # so many lines, most of whose distances differ by less from the median
LINE = 4.0  # times as long as high: a picture's blocks are then those of a line, as few lines have room in it
STRIPS = 24  # that a picture is cut into, and moved by, to level its lines; an even number
MOST_PIXELS = 1_500_000  # any other picture that is larger is looked at in blocks, too


def count_lines(image: Image.Image) -> int:
    """Return the estimated number of text lines: 1 unless there are clearly more.

    Args:
        image: mode "L" or "RGB", in any orientation, tilted by at most 5 degrees.
    """
    return min((count for count in count_each_way(image) if count > 1), default=1)


def count_each_way(image: Image.Image) -> tuple[int, int]:
    """Return the estimated number of lines along either side, as `count_lines`; both are several in a table."""
    grey = image.convert("L")
    small, pixel = line_in_blocks(grey) if max(grey.size) >= LINE * min(grey.size) else in_few_blocks(grey, MOST_PIXELS)
    ink = stands_out(histogram(small))[np.asarray(small)]
    return _count(ink, pixel), _count(np.rot90(ink), pixel)


def _count(ink: np.ndarray, pixel: int) -> int:
    """Return the number of lines that run along x; 1 if there are not clearly several.

    Args:
        ink: (row, column) bool, the ink, rotated so that lines would run along x.
        pixel: the width of one of its pixels in the original image.
    """
    rows, columns = ink.shape
    if columns * pixel < REGULAR * SMALLEST_PITCH or not ink.any():
        return 1
    strips = _Strips.cut(ink)
    angles = ALONG if columns >= ACROSS * rows else ACROSS_IT if rows >= LINE * columns else TILTS
    levelled = (strips.levelled(angle) for angle in angles)
    profile, shifts = max(levelled, key=lambda found: int((found[0] ** 2).sum()))
    return max(_count_bands(strips, profile, shifts, pixel, gap, fewest) for gap, fewest in GAPS)


@dataclass(frozen=True, eq=False)
class _Strips:
    """Ink in vertical strips, which are shifted up and down to level lines.

    Attributes:
        ink: (row, column) bool.
        edges: the first column of each strip, and the end; symmetric about the middle.
        counts: the ink pixels in each row of each strip: (strip, row).
    """

    ink: np.ndarray
    edges: np.ndarray
    counts: np.ndarray

    @classmethod
    def cut(cls, ink: np.ndarray) -> _Strips:
        columns = ink.shape[1]
        half = np.arange(STRIPS // 2 + 1) * columns // STRIPS
        edges = np.unique(np.concatenate((half, columns - half)))
        counts = [np.count_nonzero(ink[:, first:last], axis=1) for first, last in pairwise(edges)]
        return cls(ink, edges, np.array(counts))

    def levelled(self, degrees: float) -> tuple[np.ndarray, np.ndarray]:
        """Level lines that slope down by some degrees.

        Returns: the ink of each row, with additional rows above and below; and the new index of the first row of each
            strip.
        """
        middle = (self.edges[1:] + self.edges[:-1] - self.edges[-1]) / 2
        shifts = np.rint(-middle * math.tan(math.radians(degrees))).astype(int)
        shifts += shifts.max()  # symmetric, so this makes the smallest zero
        profile = np.zeros(len(self.ink) + shifts.max(), dtype=int)
        for count, shift in zip(self.counts, shifts, strict=True):
            profile[shift : shift + len(count)] += count
        return profile, shifts

    def columns(self, shifts: np.ndarray, start: int, end: int) -> np.ndarray:
        """Return the columns with ink between two rows of the levelled image."""
        found = np.zeros(self.edges[-1], dtype=bool)
        for (first, last), shift in zip(pairwise(self.edges), shifts, strict=True):
            self.ink[max(0, start - shift) : max(0, end - shift), first:last].any(0, out=found[first:last])
        return found


def _count_bands(strips: _Strips, profile: np.ndarray, shifts: np.ndarray, pixel: int, gap: float, fewest: int) -> int:
    """Return the number of bands in the profile that look like text; 1 if they are fewer than `fewest` or too short."""
    rows, columns = strips.ink.shape
    if columns < rows:
        fewest = max(fewest, 3)  # two may be two words or letters of a vertical line
    beyond = shifts.max() // 2  # rows that levelling added at either edge
    densest = np.convolve(profile, (1, 1, 1), "same")
    starts, ends = _runs(densest > 3 * gap * _typical(profile))
    if len(starts) < fewest or np.median(np.diff(starts)) * REGULAR > columns:
        return 1
    so_far = np.concatenate(([0], profile.cumsum()))
    mass, peak = so_far[ends] - so_far[starts], np.maximum.reduceat(densest, starts)

    @cache
    def is_rule(band: int) -> bool:
        """Whether a band is a rule or an edge of the paper: solid, in few pieces."""
        inked = strips.columns(shifts, starts[band], ends[band])
        pieces = int(inked[0]) + int((inked[1:] & ~inked[:-1]).sum())
        return pieces < PIECES and peak[band] >= SOLID * min(3 * int(inked.sum()), mass[band])

    main = next((band for band in np.lexsort((peak, mass))[: -HEAVY - 1 : -1] if not is_rule(band)), None)
    if main is None:
        return 1
    cut = np.zeros(len(mass), dtype=bool)
    cut[0], cut[-1] = starts[0] < beyond + 2, ends[-1] > rows + beyond - 2
    least = np.where(cut, AT_THE_EDGE, LEAST_THICKNESS) * mass[main] / peak[main]
    likely = (mass >= LEAST_INK * mass[main]) & (mass <= mass[main]) & (mass / peak >= least)
    if likely.sum() < fewest:
        return 1
    lines = np.array([band for band in np.flatnonzero(likely) if not is_rule(band)])
    between = [densest[ends[one] : starts[other]].min() for one, other in pairwise(lines)]
    apart = 1 + int((between <= gap * np.minimum(peak[lines[:-1]], peak[lines[1:]])).sum())
    if apart < fewest:
        return 1
    length = int(np.ptp(np.flatnonzero(strips.ink.any(0)))) + 1
    return len(lines) if _are_lines(np.diff((starts + ends)[lines] / 2), length, columns / rows, pixel) else 1


def _are_lines(distances: np.ndarray, length: int, aspect: float, pixel: int) -> bool:
    """Whether lines at these distances are long enough to be text."""
    pitch = float(np.median(distances))
    if pitch * pixel < SMALLEST_PITCH:
        return False
    is_regular = len(distances) >= MANY - 1 and np.mean(abs(distances - pitch) < EVEN * pitch) >= MOSTLY
    needed = LONG if aspect >= 2 else SQUARE if 2 * aspect > 1 else ACROSS
    return length >= needed * pitch or bool(is_regular and length >= REGULAR * pitch)


def _typical(profile: np.ndarray) -> int:
    """Return the ink of a typical row: half of all ink is in rows with at least as much."""
    levels = np.sort(profile)
    mass = levels.cumsum()
    return int(levels[np.searchsorted(2 * mass, mass[-1])])


def _runs(above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the beginnings and ends of runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], above, [False])).astype(int)))
    return edges[::2], edges[1::2]
