"""Batches in parallel, each on one thread: a small model uses the cores better than with one batch on all of them."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from .backend import Backend, computes_on_cpu_in_torch

Batch = TypeVar("Batch")
Found = TypeVar("Found")
PADDING = 1.1  # factor by which padding may enlarge a batch


def side_by_side(work: Callable[[Batch], Found], batches: Sequence[Batch], model: Backend) -> Iterator[Found]:
    """Yield the result of `work` for each batch, in their order.

    If the model computes in PyTorch on the CPU, torch's threads compute one batch each. Otherwise there is one batch at
    a time.

    Args:
        work: a function that may be called from several threads.
        batches: the largest should come first, so that no long one is left at the end.
        model: the model that computes.
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
    """Return a batch size of at most `most` that gives all threads the same amount of work.

    Args:
        total: size of all batches together.
        most: maximum size of a batch.
    """
    threads = torch.get_num_threads()
    turns = math.ceil(total / (threads * most))
    return min(most, math.ceil(PADDING * total / (threads * max(1, turns))))
