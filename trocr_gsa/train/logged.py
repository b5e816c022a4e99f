"""Mean losses between two lines of the log."""

from collections.abc import Mapping
from typing import Any, cast

from accelerate import Accelerator
from torch import Tensor


class LoggedLosses:
    """Sums losses over steps, and over processes when the means are computed.

    Args:
        accelerator: its processes.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.totals: dict[str, Tensor] = {}
        self.steps = 0

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Add the losses of a step, by name."""
        self.steps += 1
        for name, loss in losses.items():
            self.totals[name] = self.totals.get(name, 0) + loss

    def take_means(self) -> dict[str, float]:
        """Return the means over the steps since the last call; every process must call this."""
        means = {f"{name}_loss": float(total) / self.steps for name, total in self._of_all_processes().items()}
        self.totals, self.steps = {}, 0
        return means

    def state_dict(self) -> dict[str, Any]:
        """Return the state for `load_state_dict`; every process must call this."""
        return {"totals": self._of_all_processes(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Restore the sums, if there are any; every process must call this and gets its share of them."""
        if state is None:  # a checkpoint of version 0.1.0
            return
        share, place = self.accelerator.num_processes, self.accelerator.device
        self.totals = {name: total.to(place) / share for name, total in state["totals"].items()}
        self.steps = state["steps"]

    def _of_all_processes(self) -> dict[str, Tensor]:
        return cast(dict[str, Tensor], self.accelerator.reduce(self.totals, reduction="sum"))
