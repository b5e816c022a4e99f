"""Several processes of one command, started by `accelerate launch`, `torchrun` or another launcher."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from accelerate import PartialState

Item = TypeVar("Item")
MAX_WAIT = timedelta(days=30)  # from the first process that is done to the last; torch's own limit is half an hour


@dataclass(frozen=True)
class Processes:
    """This process and its part of the work.

    Args:
        rank: of this process, from 0.
        count: number of processes.
        device: of this process; None: the default device.
        state: accelerate's state; None if there is one process.
    """

    rank: int = 0
    count: int = 1
    device: str | None = None
    state: "PartialState | None" = None

    @property
    def is_first(self) -> bool:
        """Whether this process prints and writes for all."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return every `count`-th item, from the `rank`-th on: similar shares, as neighbours are similar images."""
        return items[self.rank :: self.count]

    def wait(self) -> None:
        """Wait until all processes have called this."""
        if self.state is not None:
            self.state.wait_for_everyone()


def are_several() -> bool:
    """Whether a launcher started more than one process."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def join_processes(device: str | None) -> Iterator[Processes]:
    """Context manager that connects this process with the others, if there are any.

    What is unusual: the backend is gloo also on GPUs. The processes only wait for each other, and NCCL refuses two
    processes on one GPU.

    Args:
        device: as the user names it; None or "cuda", if available, becomes the GPU of this process.
    """
    if not are_several():
        yield Processes(device=device)
        return
    import torch
    from accelerate import PartialState

    on_cpu = device == "cpu" or not torch.cuda.is_available()
    state = PartialState(cpu=on_cpu, backend="gloo", timeout=MAX_WAIT)
    own = str(state.device) if device is None or (device == "cuda" and not on_cpu) else device
    try:
        yield Processes(state.process_index, state.num_processes, own, state)
    finally:
        state.destroy_process_group()
