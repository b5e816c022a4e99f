"""The training state of a run: everything that it needs to continue, with a checksum."""

import hashlib
import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from torch import Tensor

from trocr_gsa.model.weight_files import is_out_of_memory

STATE_FILE, SUM_FILE = "training_state.pt", "training_state.sha256"
PARTS = {"run", "weights", "optimizer", "average"}


class DamagedStateError(ValueError):
    """A training state that is damaged, or has other content; the message names the file."""


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
    if sum_file.is_file() and sum_file.read_bytes().strip() != _sum_of(path).encode():
        raise DamagedStateError(f"`resume`: {path} is damaged: its SHA-256 is not that in {sum_file.name}.")
    try:
        if not sum_file.is_file():  # of version 0.1.0; torch does not look at the checksums inside of the file
            with zipfile.ZipFile(path) as parts:
                if parts.testzip() is not None:
                    raise zipfile.BadZipFile
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and pickle raise errors of all types for damaged files
        if is_out_of_memory(error):
            raise
        raise DamagedStateError(f"`resume`: {path} is damaged ({type(error).__name__}).") from error
    _check_parts(state, path)
    return state


def _check_parts(state: Any, path: Path) -> None:
    """Raise DamagedStateError if this is not what `save_state` is given."""
    if not isinstance(state, dict) or not state.keys() >= PARTS:
        raise DamagedStateError(f"`resume`: {path} is not the state of a run.")
    for part, is_valid in (("run", _is_run), ("weights", _are_weights), ("average", _is_average)):
        if not is_valid(state[part]):
            raise DamagedStateError(f"`resume`: {path} is not the state of a run: its `{part}` cannot be used.")


def _is_run(values: Any) -> bool:
    """Whether these are the numbers of a run, such as its step and its best error rate."""
    if not isinstance(values, dict) or not all(type(value) in (int, float, NoneType) for value in values.values()):
        return False
    step, seconds = values.get("step"), values.get("seconds", 0.0)
    return type(step) is int and step >= 0 and seconds is not None and math.isfinite(seconds)


def _are_weights(weights: Any) -> bool:
    return isinstance(weights, dict) and _are_finite(weights.values())


def _is_average(average: Any) -> bool:
    if average is None:
        return True
    return isinstance(average, dict) and isinstance(average.get("average"), list) and _are_finite(average["average"])


def _are_finite(weights: Iterable[Any]) -> bool:
    """Whether these are tensors of finite numbers, as a run never saves others."""
    return all(isinstance(weight, Tensor) and bool(weight.isfinite().all()) for weight in weights)


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
