from pathlib import Path

import pytest
from tiny_checkpoint import save_checkpoint

from trocr_gsa.reader import LineReader


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint"), sure=True)


@pytest.fixture(scope="session")
def reader(checkpoint: Path) -> LineReader:
    return LineReader.from_pretrained(checkpoint, device="cpu")
