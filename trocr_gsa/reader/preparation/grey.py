"""Which levels of grey are ink, told from a picture's histogram alone: that costs little, and no turn changes it."""

from __future__ import annotations

import numpy as np
from PIL import Image

LEVELS = np.arange(256)
DARK, FAINTEST = 0.4, 25  # ink differs from paper by that share of the strongest difference, and by so many levels
HEIGHT = 56  # pixels of a line's short side: with three times as many, or more, it is looked at in blocks
STRONGEST = 0.995  # quantile of the differences that counts as the strongest


def line_in_blocks(grey: Image.Image, lines: int = 1) -> tuple[Image.Image, int]:
    """Return a picture of mode "L" in blocks, HEIGHT of which or more are as high as a line; and a block's side.

    Args:
        grey: mode "L".
        lines: that stand above each other on the short side.
    """
    return in_blocks(grey, max(1, (min(grey.size) // lines // HEIGHT - 1) // 2 * 2 + 1))


def in_few_blocks(image: Image.Image, most: int) -> tuple[Image.Image, int]:
    """Return a picture as `in_blocks` of at most so many, and a block's side; it stays as it is if it is small."""
    block = 1
    while image.width * image.height > most * block**2:
        block += 2
    return in_blocks(image, block)


def in_blocks(image: Image.Image, block: int) -> tuple[Image.Image, int]:
    """Return a picture whose pixels are means of blocks of so many pixels a side, which must be odd.

    What is left over at the ends is cut off alike, so that turning the picture by quarters turns the blocks: odd blocks
    can be laid out alike from both ends of a side, whatever its length is.
    """
    if block == 1:
        return image, block
    left, top = (_cut_off(side, block) for side in image.size)
    return image.crop((left, top, image.width - left, image.height - top)).reduce(block), block


def _cut_off(side: int, block: int) -> int:
    """Return how much to cut off both ends of a side, so that whole blocks are left."""
    count = side // block
    return (side - block * (count - (side - block * count) % 2)) // 2


def histogram(grey: Image.Image) -> np.ndarray:
    """Return how many pixels of a picture of mode "L" have each level: (256,)."""
    return np.array(grey.histogram())


def ground(counts: np.ndarray) -> float:
    """Return the level of the paper, or of the slate: the median of a histogram (256,)."""
    return _quantile(LEVELS, counts, 0.5)


def stands_out(counts: np.ndarray) -> np.ndarray:
    """Return which levels of a histogram (256,) differ from the ground as ink does from paper, or chalk from slate."""
    strength = np.abs(LEVELS - ground(counts))
    order = np.argsort(strength, kind="stable")
    return strength > max(FAINTEST, DARK * _quantile(strength[order], counts[order], STRONGEST))


def _quantile(values: np.ndarray, counts: np.ndarray, share: float) -> float:
    """Return np.quantile of ascending values that occur so many times."""
    ends = counts.cumsum()
    place = share * (ends[-1] - 1)
    low, high = values[np.searchsorted(ends, [np.floor(place), np.ceil(place)], side="right")]
    return float(low + (high - low) * (place % 1))
