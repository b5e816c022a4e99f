"""Checkpoints that a full disk or a killed process cannot spoil.

A checkpoint is a folder. It is written beside its place, flushed to disk, and renamed; whatever fails before the rename
leaves the previous one as it was, and what fails between the two renames is put right by the next `recover`.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

STATE_FILE = "training_state.pt"


def write_atomically(folder: Path, write: Callable[[Path], None]) -> None:
    """Replace `folder` by what `write` puts into an empty one.

    Raises:
        OSError: if writing fails, on a full disk for instance; the previous folder is then untouched.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    recover(folder)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fresh.chmod(0o755)  # mkdtemp's 0700 would hide the checkpoint from everybody else
        write(fresh)
        _flush(fresh)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    previous = _previous(folder)
    if folder.exists():
        folder.rename(previous)
    fresh.rename(folder)
    _flush_folder(folder.parent)
    shutil.rmtree(previous, ignore_errors=True)


def recover(folder: Path) -> None:
    """Finish a replacement that was cut between its two renames."""
    previous = _previous(folder)
    if not previous.exists():
        return
    if folder.exists():
        shutil.rmtree(previous)
    else:
        previous.rename(folder)


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


def _previous(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
