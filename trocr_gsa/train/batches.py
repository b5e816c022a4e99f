"""Training batches: which lines, for which process, after which interruption.

What is unusual: a batch is formed for all processes together and then dealt out, so that n processes see exactly what
one process with n times the budget sees. An index names epoch and line, and all that is random about a line follows
from it, so a resumed run continues by skipping batches, without any saved generator state.
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from torch.utils.data import DataLoader, Sampler

from trocr_gsa.data.samples import LineDataset, LineSample


class EpochBatches(Protocol):
    """Batches of indices that change with the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration yields."""
        ...

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of that epoch."""
        ...


class DealtBatches(Sampler[list[int]]):
    """One process's share of every batch, epoch after epoch without end.

    Args:
        batches: of all processes together.
        rank: this process, from 0.
        processes: how many share a batch; process r takes every `processes`-th line, from the r-th on.
        start: batches to skip, because an interrupted run has had them.
    """

    def __init__(self, batches: EpochBatches, rank: int, processes: int, start: int = 0) -> None:
        self.batches, self.rank, self.processes, self.start = batches, rank, processes, start

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this process's indices.

        Raises:
            ValueError: if no batch of an epoch has a line for every process.
        """
        epoch = seen = 0
        while True:
            self.batches.set_epoch(epoch)
            before = seen
            for batch in self.batches:
                if len(batch) < self.processes:
                    continue
                seen += 1
                if seen > self.start:
                    yield batch[self.rank :: self.processes]
            if seen == before:
                raise ValueError(
                    f"`batch_patches` leaves no batch with a line for each of {self.processes} processes: "
                    "raise it, or give more lines."
                )
            epoch += 1


def endless_batches(
    lines: LineDataset, batches: DealtBatches, collate: Callable[[list[LineSample]], dict[str, Any]], num_workers: int
) -> Iterator[dict[str, Any]]:
    """Return an endless iterator over collated batches, prepared ahead by `num_workers` processes."""
    loader = DataLoader(
        lines,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=num_workers,
        prefetch_factor=4 if num_workers else None,
    )
    return iter(loader)
