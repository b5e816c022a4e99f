"""Batches of lines of similar length, limited by a number of patches.

Lines are sorted by length with some jitter and cut into batches, and the batches are shuffled. Each line occurs exactly
once per epoch, and there is little padding. The batches depend only on seed and epoch, so that every process and every
resumed run sees the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from torch.utils.data import Sampler

from .samples import LineDataset

JITTER = 0.05  # relative noise on the lengths before sorting, so that batches differ between epochs


def cut_batches(order: np.ndarray, lengths: np.ndarray, budget: int, max_lines: int) -> list[list[int]]:
    """Cut `order` into batches whose padded size (lines × longest) is at most `budget`; a single line may exceed it."""
    batches: list[list[int]] = []
    batch: list[int] = []
    longest = 0
    for item in order.tolist():
        longest_then = max(longest, int(lengths[item]))
        if batch and (longest_then * (len(batch) + 1) > budget or len(batch) == max_lines):
            batches.append(batch)
            batch, longest_then = [], int(lengths[item])
        batch.append(item)
        longest = longest_then
    if batch:
        batches.append(batch)
    return batches


def cut_by_length(
    lengths: Sequence[int], budget: int, max_lines: int | None = None, places: Sequence[int] | None = None
) -> list[list[int]]:
    """Return batches of lines of like length, the shortest lines first.

    Args:
        lengths: of all lines, in patches.
        budget: patches in a padded batch, lines × longest; a single line may exceed it.
        max_lines: lines in a batch; None: any number.
        places: of the lines to take; None: all.

    Example:
        >>> cut_by_length([9, 3, 4, 8], budget=18)
        [[1, 2], [3, 0]]
    """
    sizes = np.asarray(lengths, dtype=int)
    chosen = np.arange(len(sizes)) if places is None else np.asarray(places, dtype=int)
    order = chosen[np.argsort(sizes[chosen], kind="stable")]
    return cut_batches(order, sizes, budget, len(order) if max_lines is None else max_lines)


class BucketBatchSampler(Sampler[list[int]]):
    """Yields batches of indices for a `DataLoader(batch_sampler=…)`; those of epoch e are e·len … e·len + len − 1.

    Args:
        dataset: the lines.
        num_patches: the image processor's `num_patches`, (width, height) in pixels → number of patches.
        budget: maximum number of patches in a padded batch, lines × longest.
        max_lines: maximum number of lines in a batch.
        shuffle: False sorts the longest lines first and makes every epoch the same.
        seed: any integer ≥ 0.

    Raises:
        ValueError: if `budget` or `max_lines` is below 1.
    """

    def __init__(
        self,
        dataset: LineDataset,
        num_patches: Callable[[int, int], int],
        budget: int,
        max_lines: int = 256,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        """Start at epoch 0."""
        if budget < 1 or max_lines < 1:
            raise ValueError(f"`budget` and `max_lines` must be at least 1, got {budget} and {max_lines}.")
        self.dataset, self.num_patches, self.budget, self.max_lines = dataset, num_patches, budget, max_lines
        self.shuffle, self.seed, self.epoch = shuffle, seed, 0
        self._batches = lru_cache(maxsize=1)(self._make_batches)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of batches of the epoch."""
        return len(self._batches(self.epoch))

    def __iter__(self) -> Iterator[list[int]]:
        """The epoch's batches."""
        start = self.epoch * len(self.dataset)
        for batch in self._batches(self.epoch):
            yield [start + item for item in batch]

    def __getstate__(self) -> dict[str, object]:
        """Return the state for another process, without the cache."""
        return {name: value for name, value in self.__dict__.items() if name != "_batches"}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Restore the state, with an empty cache."""
        self.__dict__.update(state)
        self._batches = lru_cache(maxsize=1)(self._make_batches)

    def _make_batches(self, epoch: int) -> list[list[int]]:
        lengths = np.array([self.num_patches(width, height) for width, height in self.dataset.sizes(epoch)])
        if not self.shuffle:
            order = np.argsort(-lengths, kind="stable")
            return cut_batches(order, lengths, self.budget, self.max_lines)
        rng = np.random.default_rng((self.seed, epoch))
        order = np.argsort(lengths * rng.uniform(1 - JITTER, 1 + JITTER, len(lengths)))
        batches = cut_batches(order, lengths, self.budget, self.max_lines)
        return [batches[i] for i in rng.permutation(len(batches))]
