from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from tiny_checkpoint import save_checkpoint
from typer.testing import CliRunner

from trocr_gsa.cli.app import app
from trocr_gsa.reader import LineReader


@pytest.fixture(scope="session")
def page_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint"), sure=True)


@pytest.fixture(scope="session")
def page_reader(page_checkpoint: Path) -> LineReader:
    return LineReader.from_pretrained(page_checkpoint)


@pytest.fixture
def call(page_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `trocr-gsa` with the given arguments; unexpected exceptions are raised."""
    monkeypatch.setattr("trocr_gsa.checkpoints.models.PACKAGED_CHECKPOINT", page_checkpoint)

    def run(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)

    return run
