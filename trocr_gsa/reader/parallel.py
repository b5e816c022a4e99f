"""Batches side by side, each on one thread: so a small model keeps more cores busy than with one batch on all."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from .backend import Backend, computes_on_cpu_in_torch

Batch = TypeVar("Batch")
Found = TypeVar("Found")
PADDING = 1.1  # what padding may add to a batch


def side_by_side(work: Callable[[Batch], Found], batches: Sequence[Batch], model: Backend) -> Iterator[Found]:
    """Yield what work makes of each batch, in their order.

    Where the model computes on the CPU there are as many batches at a time as torch has threads, and torch has one for
    each of them until the last is done. Elsewhere there is one batch at a time.

    Args:
        work: may be called from several threads.
        batches: the largest should come first, or it is the last to end.
        model: that computes; one that is not PyTorch's sees to its threads itself.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(batches) == 1 or not computes_on_cpu_in_torch(model):
        yield from map(work, batches)
        return

    def alone(batch: Batch) -> Found:
        torch.set_num_threads(1)
        return work(batch)

    try:
        with ThreadPoolExecutor(threads) as pool:
            yield from pool.map(alone, batches)
    finally:
        torch.set_num_threads(threads)


def even_size(total: int, most: int) -> int:
    """Return how large batches should be, `most` at most, so that all threads have as much to do.

    Args:
        total: size of all batches together.
        most: of a batch.
    """
    threads = torch.get_num_threads()
    turns = math.ceil(total / (threads * most))
    return min(most, math.ceil(PADDING * total / (threads * max(1, turns))))
