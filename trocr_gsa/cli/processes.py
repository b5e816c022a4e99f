"""The processes that share one command: `accelerate launch`, `torchrun` or another launcher started them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from accelerate import PartialState

Item = TypeVar("Item")
LONGEST_WAIT = timedelta(days=30)  # of the first that is done for the last; torch by itself gives up after half an hour


@dataclass(frozen=True)
class Processes:
    """This process among those that share a command.

    Args:
        rank: this one, from 0.
        count: of all.
        device: that this one reads on; None: whichever there is.
        state: accelerate's; None: there is one process.
    """

    rank: int = 0
    count: int = 1
    device: str | None = None
    state: "PartialState | None" = None

    @property
    def is_first(self) -> bool:
        """Whether this one speaks and acts for all."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return every `count`-th item, from the `rank`-th on: shares as even as can be, of like pictures."""
        return items[self.rank :: self.count]

    def wait(self) -> None:
        """Wait until all are here."""
        if self.state is not None:
            self.state.wait_for_everyone()


def are_several() -> bool:
    """Whether a launcher says that there are more processes than this one."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def joined(device: str | None) -> Iterator[Processes]:
    """Join the other processes, if there are any.

    What is unusual: they talk by gloo on GPUs too. All they have to say is that they are done, and NCCL would refuse
    two processes on one GPU.

    Args:
        device: as the user names it; None, and cuda where there is some, becomes the GPU of this process.
    """
    if not are_several():
        yield Processes(device=device)
        return
    import torch
    from accelerate import PartialState

    on_cpu = device == "cpu" or not torch.cuda.is_available()
    state = PartialState(cpu=on_cpu, backend="gloo", timeout=LONGEST_WAIT)
    own = str(state.device) if device is None or (device == "cuda" and not on_cpu) else device
    try:
        yield Processes(state.process_index, state.num_processes, own, state)
    finally:
        state.destroy_process_group()
