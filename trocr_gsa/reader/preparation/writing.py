"""Whether an image contains writing at all: a reader also "finds" text on blank paper, in noise and between rules.

What is unusual: the result is exactly the same for every quarter turn of an image. Most images with writing are
recognised by counts of ink pixels and edges. The others are searched for strokes; if there are some, the result is
"doubtful", and the reader's confidence decides.

A stroke differs from its surroundings and from the paper, is a few pixels long, and is not part of a straight line
across the image. The limits are chosen on validation lines, none of which may be lost here, and on generated papers
without writing (experiments/picture_limits.py).
"""

from __future__ import annotations

from enum import Enum, auto

import numpy as np
from PIL import Image

from .grey import LEVELS, ground, in_few_blocks, line_in_blocks, stands_out

MOST_PIXELS = 3_000_000  # that are looked at: no picture of a line has more in blocks
LINES = 3  # so few can be looked at as one
# Ink that is evidently writing, in the picture's middle:
MIDDLE = 4  # heights of the picture
SHARE = (0.05, 0.33)  # of the pixels that are ink
OTHER_WAY = 0.03  # lighter than paper for each that is darker, or the other way round
LENGTH = (2.2, 0.2)  # mean length of ink along x, and along y: least in pixels, most in heights
FULLEST = 0.8  # share of ink in any row or column
SHARP = 0.15  # step at the ink's edges, in its mean difference from the paper: stains are soft
# Strokes:
AROUND = 8  # the share of the height, to every side, that a pixel is compared with; and that a stroke is long
SHORTEST = 4  # pixels: the least of either
STRONGEST, FAINTEST = 0.005, 20  # the share of differences that count as the strongest, and the least, in levels
OF_STRONGEST = 0.4  # the share of it by which a stroke differs
ABOVE_NOISE = 3  # how often the noise the strongest is
LEAST = 0.01  # pixels of strokes for a square as high as the picture
FREE_OF_SPECKS = 0.2  # the share of strokes that are long enough
BOTH_WAYS = 0.005  # least pixels, as a share of height², of strokes along the lines, and of strokes across them
NEAR = 8  # strokes are counted within 1/8 of the height to every side,
TOGETHER = 0.008  # where at least this share of height² must be strokes: dust lies apart
MARK = 0.005  # least pixels of a single mark, as a share of height²,
MARK_SIDE = 10  # within 1/10 of the height to every side
MARK_ROOM = 4  # most strokes of a single mark lie within 1/4 of the longer side, and within the height,
MOSTLY = 0.6  # that is, at least this share of them
SMALLEST = 6  # pixels of a mark
WHOLE, ACROSS = 0.9, 1.5  # of a picture's one side, or its other: a straight line is as long as the smaller of them
TILTS = (-3, -2, -1, 0, 1, 2, 3)  # degrees of straight lines that are looked for
GROWN, BETWEEN = 8, 0.6  # what is so near to a straight line, as a share of the height, and strokes of so many heights


class Writing(Enum):
    """Whether an image contains writing."""

    NONE = auto()
    DOUBTFUL = auto()
    EVIDENT = auto()


def find_writing(image: Image.Image, lines: int = 1) -> Writing:
    """Return whether an image contains writing.

    Args:
        image: mode "L" or "RGB".
        lines: the number of lines, as `count_lines` estimates it.
    """
    at_once = max(1, lines // LINES)
    grey, _ = in_few_blocks(line_in_blocks(image.convert("L"), at_once)[0], MOST_PIXELS)
    levels, height = np.asarray(grey), max(1, min(grey.size) // at_once)
    if _is_evident(_middle(levels, MIDDLE * height), height):
        return Writing.EVIDENT
    levels, paper = levels.astype(np.int32), float(np.median(levels))
    some = (_middle(levels, 2 * MIDDLE * height), levels)
    return Writing.DOUBTFUL if any(_has_strokes(part, height, paper) for part in some) else Writing.NONE


def _is_evident(middle: np.ndarray, height: int) -> bool:
    """Whether the middle looks like writing: a moderate share of ink, in short pieces along x and y."""
    counts = np.bincount(middle.ravel(), minlength=len(LEVELS))
    out = stands_out(counts)
    ways = out & (ground(counts) > LEVELS), out & (ground(counts) < LEVELS)
    other, most = sorted(int(counts[way].sum()) for way in ways)
    if not SHARE[0] * middle.size < most < SHARE[1] * middle.size or other >= OTHER_WAY * most:
        return False
    ink = max(ways, key=lambda way: int(counts[way].sum()))[middle]
    if max(ink.mean(0).max(), ink.mean(1).max()) >= FULLEST:
        return False
    steps = np.diff(middle.astype(np.int16)), np.diff(middle.astype(np.int16), axis=0)
    edges = ink[:, 1:] != ink[:, :-1], ink[1:] != ink[:-1]
    changes = [max(1, int(np.count_nonzero(edge))) for edge in edges]
    contrast = np.abs(LEVELS - ground(counts))[middle[ink]].mean()
    sharpness = sum(int(np.abs(step[edge]).sum()) for step, edge in zip(steps, edges, strict=True)) / sum(changes)
    lengths = [2 * most / change for change in changes]
    return sharpness > SHARP * contrast and min(lengths) > LENGTH[0] and max(lengths) < LENGTH[1] * height


def _has_strokes(levels: np.ndarray, height: int, paper: float) -> bool:
    """Whether there are enough strokes close to each other."""
    mark = round(max(SMALLEST, MARK * height**2))
    found = _strokes(levels, height, paper, mark)
    if found is not None and _is_one_mark(found[0] | found[1], height, mark):
        return True
    found = _strokes(levels, height, paper, round(STRONGEST * levels.size))
    if found is None:
        return False
    curved = [strokes & ~_lines(strokes, height) for strokes in found]
    strokes, along = max(((each, _long(each, height)) for each in curved), key=lambda way: int(way[1].any(0).sum()))
    written = np.logical_or.reduce(along)
    count = int(written.sum())
    return bool(
        count >= LEAST * height**2
        and count >= FREE_OF_SPECKS * strokes.sum()
        and _sums(written.astype(np.int32), max(1, height // NEAR)).max() >= TOGETHER * height**2
        and min((written & ~one).sum() for one in along[:2]) >= BOTH_WAYS * height**2
    )


def _strokes(levels: np.ndarray, height: int, paper: float, count: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the pixels darker and those lighter than their surroundings; None if too few differ from the noise.

    All sums are of integers, so that their order has no effect.
    """
    reach = max(SHORTEST, round(height / AROUND))
    few, many = 9, (2 * reach + 1) ** 2
    near = _sums(levels, 1)
    difference = near * many - _sums(levels, reach) * few  # in units of level / (few · many)
    place = max(0, difference.size - 1 - count)
    strongest = float(np.partition(np.abs(difference), place, axis=None)[place]) / (few * many)
    noise = 1 + float(np.median(np.abs(levels * few - near))) / few
    if strongest < max(FAINTEST, ABOVE_NOISE * noise):
        return None
    least = OF_STRONGEST * strongest
    dark = (difference < -least * few * many) & (near < (paper - least / 2) * few) & _several(levels < paper - least)
    light = (difference > least * few * many) & (near > (paper + least / 2) * few) & _several(levels > paper + least)
    return dark, light


def _several(pixels: np.ndarray) -> np.ndarray:
    """Return the pixels with more than two set pixels among nine: this removes specks of one or two."""
    return _sums(pixels.astype(np.int32), 1) > 2


def _is_one_mark(strokes: np.ndarray, height: int, least: int) -> bool:
    """Whether most strokes are in one place away from the edges: a full stop, or a letter with wide margins."""
    if strokes[[0, -1]].any() or strokes[:, [0, -1]].any():
        return False
    strokes = strokes.astype(np.int32)
    room = min(height, max(strokes.shape) // MARK_ROOM)
    in_room, nearby = (int(_sums(strokes, max(1, reach)).max()) for reach in (room, height // MARK_SIDE))
    return nearby >= least and in_room >= MOSTLY * int(strokes.sum())


def _lines(strokes: np.ndarray, height: int) -> np.ndarray:
    """Return straight lines among the strokes, their surroundings, and long strokes parallel to a side."""
    lines = _straight(strokes) | _straight(strokes.T).T
    if lines.any():
        lines = _sums(lines.astype(np.int32), max(1, height // GROWN)) > 0
    length = max(2 * SHORTEST, round(BETWEEN * height))
    return lines | _runs(_thick(strokes), length) | _runs(_thick(strokes.T), length).T


def _long(strokes: np.ndarray, height: int) -> np.ndarray:
    """Return the strokes that are long enough along a row, a column and a diagonal: (3, y, x)."""
    length = max(SHORTEST, round(height / AROUND))
    slanting = round(0.75 * length)
    diagonal = _runs(strokes, slanting, 1.0) | _runs(strokes, slanting, -1.0)
    return np.stack([_runs(strokes, length), _runs(strokes.T, length).T, diagonal])


def _straight(strokes: np.ndarray) -> np.ndarray:
    """Return the strokes on straight lines that are nearly parallel to x."""
    rows, columns = strokes.shape
    length = max(2 * SHORTEST, round(min(WHOLE * columns, ACROSS * rows)))
    thick = _thick(strokes)
    return np.logical_or.reduce([_runs(thick, length, np.tan(np.radians(tilt))) for tilt in TILTS])


def _runs(strokes: np.ndarray, length: int, slope: float = 0.0) -> np.ndarray:
    """Return the strokes in runs of at least `length` pixels, which go down by `slope` per pixel to the right.

    This is a morphological opening. Long runs are composed of shorter ones, which each step doubles.
    """
    steps, reach = [], 1
    while reach < length:
        steps.append(min(reach, length - reach))
        reach += steps[-1]
    moves = [(round(slope * step), step) for step in steps]
    if min(strokes.shape[0] - sum(abs(down) for down, _ in moves), strokes.shape[1] - length) < 0:
        return np.zeros_like(strokes)
    found = strokes
    for move in moves:
        here, there = _moved(found.shape, *move)
        found = found[here] & found[there]
    if not found.any():
        return np.zeros_like(strokes)
    for down, along in moves[::-1]:
        grown = np.zeros((found.shape[0] + abs(down), found.shape[1] + along), dtype=bool)
        here, there = _moved(grown.shape, down, along)
        grown[here] = found
        grown[there] |= found
        found = grown
    return found


def _moved(shape: tuple[int, ...], down: int, along: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the slices of an array before and after a shift, limited to the array."""
    rows, columns = shape
    here = slice(max(0, -down), rows - max(0, down)), slice(columns - along)
    there = slice(max(0, down), rows - max(0, -down)), slice(along, columns)
    return here, there


def _thick(strokes: np.ndarray) -> np.ndarray:
    """Return strokes with one more pixel above and below, so that a slightly tilted line becomes one run."""
    thick = strokes.copy()
    thick[1:] |= strokes[:-1]
    thick[:-1] |= strokes[1:]
    return thick


def _middle(levels: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` rows and columns, or one more, from the middle."""
    down, along = (max(0, side - most) // 2 for side in levels.shape)
    return levels[down : levels.shape[0] - down, along : levels.shape[1] - along]


def _sums(levels: np.ndarray, reach: int) -> np.ndarray:
    """Return the sums over the square of `reach` pixels around each pixel; the edge pixels are repeated."""
    total = np.pad(np.pad(levels, reach, mode="edge"), ((1, 0), (1, 0))).cumsum(0, np.int32).cumsum(1, np.int32)
    side = 2 * reach + 1
    return total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
