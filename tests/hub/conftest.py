import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from measured_row import ROW
from standin_hub import StandInHub, hub_on_this_machine
from tiny_adapters import save_adapter
from tiny_checkpoint import save_checkpoint
from typer.testing import CliRunner

from trocr_gsa.cli.app import app


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def adapter(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the checkpoint, with the checkpoint's folder as the name of its base."""
    return save_adapter(checkpoint, tmp_path_factory.mktemp("adapter"), rank=4, alpha=12)


@pytest.fixture
def trained(checkpoint: Path, tmp_path: Path) -> Path:
    """The checkpoint as after a run, with results and training state."""
    folder = shutil.copytree(checkpoint, tmp_path / "best")
    results = {
        "base": "/home/me/runs/base/best",
        "base_sha256": "0" * 64,
        "train": ["/home/me/lines:0.7", "owner/dataset:0.3"],
        "settings": {"train": ["/home/me/lines:0.7"], "output": "/home/me/runs", "learning_rate": 0.002, "rank": 4},
        "steps": 1200,
        "minutes": 11.25,
        "rows": [ROW],
    }
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "training_state.pt").write_bytes(b"a pickle")
    return folder


@pytest.fixture
def evaluation(tmp_path: Path) -> Callable[..., Path]:
    """Write a file like those of `trocr-gsa evaluate --json`."""

    def write(**numbers: Any) -> Path:
        path = tmp_path / "numbers.json"
        path.write_text(json.dumps({"rows": [ROW]} | numbers))
        return path

    return write


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    """A stand-in Hub on this machine that receives all requests."""
    with hub_on_this_machine(monkeypatch) as server:
        yield server


@pytest.fixture
def call() -> Callable[..., Result]:
    """Run `trocr-gsa` with the given arguments; unexpected exceptions are raised."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)

    return run
