import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from tiny_checkpoint import draw_line, save_checkpoint
from typer.testing import CliRunner

from trocr_gsa.cli.app import app

TEXTS = {"one": "abc", "two": "defghijk", "three": "noon"}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint"), sure=True)


@pytest.fixture(autouse=True)
def _packaged(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trocr_gsa.checkpoints.models.PACKAGED_CHECKPOINT", checkpoint)


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """An imagefolder of three lines."""
    folder = tmp_path / "lines"
    folder.mkdir()
    rows = []
    for name, text in TEXTS.items():
        draw_line(text, 20 + 10 * len(text)).save(folder / f"{name}.png")
        rows.append(json.dumps({"file_name": f"{name}.png", "text": text, "document": "book"}) + "\n")
    (folder / "metadata.jsonl").write_text("".join(rows))
    return folder


@pytest.fixture
def call() -> Callable[..., Result]:
    """Run `trocr-gsa` with the given arguments; unexpected exceptions are raised."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)

    return run
