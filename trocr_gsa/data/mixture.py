"""Mixes several sources in fixed proportions.

In every epoch each source contributes exactly its share of the lines (up to one line). A source goes through all of its
lines in random order before it repeats any. So a small source is repeated, and a large one is spread over epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .samples import LineDataset, LineSample


def shares(weights: Sequence[float], size: int) -> list[int]:
    """Return integers that sum to `size`, in proportion to `weights` (largest remainder method)."""
    exact = np.array(weights) / np.sum(weights) * size
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: size - counts.sum()]] += 1
    return counts.tolist()


@lru_cache(maxsize=64)
def shuffled(size: int, *seed: int) -> np.ndarray:
    """Return a permutation of the numbers below `size` that depends only on the seed."""
    return np.random.default_rng(seed).permutation(size)


class Mixture(LineDataset):
    """Lines of several datasets in proportion to their weights.

    Args:
        datasets: the sources.
        weights: one positive number per source; by default their lengths.
        size: number of lines in an epoch; by default the sum of the lengths.
        seed: any integer ≥ 0, for the order within each source.

    Raises:
        ValueError: if there is no source, or the weights are not one positive number per source.
    """

    def __init__(
        self,
        datasets: Sequence[LineDataset],
        weights: Sequence[float] | None = None,
        size: int | None = None,
        seed: int = 0,
    ) -> None:
        """Compute how many lines each source contributes to an epoch."""
        weights = [len(d) for d in datasets] if weights is None else weights
        if not datasets or len(weights) != len(datasets) or min(weights) <= 0:
            raise ValueError(
                f"`weights` must be {len(datasets)} positive numbers, one for each source, got {list(weights)}."
            )
        self.datasets, self.seed = list(datasets), seed
        self.lines = sum(map(len, datasets)) if size is None else size
        if self.lines < len(datasets):
            raise ValueError(
                f"`size` must be at least one line for each of the {len(datasets)} sources, got {self.lines}."
            )
        self.counts = shares(weights, self.lines)
        self.ends = np.cumsum(self.counts)
        self.problems = [problem for d in datasets for problem in d.problems]

    def __len__(self) -> int:
        """Number of lines in an epoch."""
        return self.lines

    def locate(self, index: int) -> tuple[int, int]:
        """Return the source of line `index`, and its index in this source."""
        epoch, item = divmod(index, self.lines)
        source = int(np.searchsorted(self.ends, item, side="right"))
        count, length = self.counts[source], len(self.datasets[source])
        walked = epoch * count + item - int(self.ends[source]) + count
        turn, place = divmod(walked, length)
        return source, turn * length + int(shuffled(length, self.seed, source, turn)[place])

    def __getitem__(self, index: int) -> LineSample:
        """The line from its source."""
        source, inner = self.locate(index)
        return self.datasets[source][inner]

    def text(self, index: int) -> str:
        """The text from its source."""
        source, inner = self.locate(index)
        return self.datasets[source].text(inner)

    def size(self, index: int) -> tuple[int, int]:
        """The size from its source."""
        source, inner = self.locate(index)
        return self.datasets[source].size(inner)
