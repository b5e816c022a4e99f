"""Which levels of grey are ink, told from a picture's histogram alone: that costs little, and no turn changes it."""

from __future__ import annotations

import numpy as np
from PIL import Image

LEVELS = np.arange(256)
DARK, FAINTEST = 0.4, 25  # ink differs from paper by that share of the strongest difference, and by so many levels
STRONGEST = 0.995  # quantile of the differences that counts as the strongest


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
