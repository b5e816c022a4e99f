"""Which grey levels are ink, from the histogram alone: this is fast, and no rotation changes it."""

from __future__ import annotations

import numpy as np
from PIL import Image

LEVELS = np.arange(256)
DARK, FAINTEST = 0.4, 25  # ink differs from paper by this share of the strongest difference, and by this many levels
HEIGHT = 56  # pixels of a line's short side; a line that is at least three times as high is reduced to blocks
STRONGEST = 0.995  # quantile of the differences that counts as the strongest


def line_in_blocks(grey: Image.Image, lines: int = 1) -> tuple[Image.Image, int]:
    """Return an image of mode "L" reduced to blocks, at least HEIGHT of them per line height, and the side of a block.

    Args:
        grey: mode "L".
        lines: number of lines along the short side.
    """
    return in_blocks(grey, max(1, (min(grey.size) // lines // HEIGHT - 1) // 2 * 2 + 1))


def in_few_blocks(image: Image.Image, most: int) -> tuple[Image.Image, int]:
    """Return an image reduced to at most `most` blocks, and the side of a block; small images are unchanged."""
    block = 1
    while image.width * image.height > most * block**2:
        block += 2
    return in_blocks(image, block)


def in_blocks(image: Image.Image, block: int) -> tuple[Image.Image, int]:
    """Return an image whose pixels are means of square blocks with an odd side.

    The rest of each side is cut off equally at both ends, so that the result commutes with quarter turns. With odd
    blocks this is possible for every length of a side.
    """
    if block == 1:
        return image, block
    left, top = (_cut_off(side, block) for side in image.size)
    return image.crop((left, top, image.width - left, image.height - top)).reduce(block), block


def _cut_off(side: int, block: int) -> int:
    """Return how many pixels to cut off at each end of a side, so that whole blocks remain."""
    count = side // block
    return (side - block * (count - (side - block * count) % 2)) // 2


def histogram(grey: Image.Image) -> np.ndarray:
    """Return the number of pixels of each level in an image of mode "L": (256,)."""
    return np.array(grey.histogram())


def ground(counts: np.ndarray) -> float:
    """Return the level of the background: the median of a histogram (256,)."""
    return _quantile(LEVELS, counts, 0.5)


def stands_out(counts: np.ndarray) -> np.ndarray:
    """Return which levels of a histogram (256,) differ from the background as much as ink or chalk does."""
    strength = np.abs(LEVELS - ground(counts))
    order = np.argsort(strength, kind="stable")
    return strength > max(FAINTEST, DARK * _quantile(strength[order], counts[order], STRONGEST))


def _quantile(values: np.ndarray, counts: np.ndarray, share: float) -> float:
    """Return np.quantile of ascending values with the given counts."""
    ends = counts.cumsum()
    place = share * (ends[-1] - 1)
    low, high = values[np.searchsorted(ends, [np.floor(place), np.ceil(place)], side="right")]
    return float(low + (high - low) * (place % 1))
