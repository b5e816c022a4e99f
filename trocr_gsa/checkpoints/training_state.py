"""The state of a run beside its weights: all that it needs to continue."""

from pathlib import Path
from typing import Any

import torch

from trocr_gsa.atomic import recover

STATE_FILE = "training_state.pt"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write the state of a run into a checkpoint being written."""
    torch.save(state, folder / STATE_FILE)


def load_state(folder: Path) -> dict[str, Any]:
    """Read the state of a run.

    Raises:
        ValueError: if the folder holds no run to continue.
    """
    recover(folder)
    path = folder / STATE_FILE
    if not path.exists():
        raise ValueError(f"`resume`: there is no run to continue in {folder}. Leave `resume` out to start one.")
    return torch.load(path, map_location="cpu", weights_only=True)
