"""The training state of a run: everything that it needs to continue, with a checksum."""

import hashlib
from pathlib import Path
from typing import Any

import torch

from trocr_gsa.model.weight_files import is_out_of_memory

STATE_FILE, SUM_FILE = "training_state.pt", "training_state.sha256"
PARTS = {"run", "weights", "optimizer", "average"}


class DamagedStateError(ValueError):
    """A training state that is damaged; the message names the file."""


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write the state of a run, and its SHA-256, into the folder of a checkpoint."""
    with (folder / STATE_FILE).open("wb") as file:  # given a path, torch would not report a full disk
        torch.save(state, file)
    (folder / SUM_FILE).write_text(_sum_of(folder / STATE_FILE) + "\n")


def load_state(folder: Path) -> dict[str, Any]:
    """Read the state of a run.

    Raises:
        ValueError: if there is no run to continue.
        DamagedStateError: if the state is missing, damaged, or has other content.
    """
    path, sum_file = folder / STATE_FILE, folder / SUM_FILE
    if not folder.is_dir():
        raise ValueError(f"`resume`: there is no run to continue in {folder}. Leave `resume` out to start one.")
    if not path.is_file():
        raise DamagedStateError(f"`resume`: {path} is missing.")
    # checkpoints of version 0.1.0 have no checksum; for them, only the checks below apply
    if sum_file.exists() and sum_file.read_bytes().strip() != _sum_of(path).encode():
        raise DamagedStateError(f"`resume`: {path} is damaged: its SHA-256 is not that in {sum_file.name}.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and pickle raise errors of all types for damaged files
        if is_out_of_memory(error):
            raise
        raise DamagedStateError(f"`resume`: {path} is damaged ({type(error).__name__}).") from error
    if not isinstance(state, dict) or not state.keys() >= PARTS:
        raise DamagedStateError(f"`resume`: {path} is not the state of a run.")
    return state


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
