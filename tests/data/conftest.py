from pathlib import Path

import pytest
from line_makers import BUILTIN, picture, write_imagefolder

from trocr_gsa.data import Corpus, LineRenderer


@pytest.fixture(scope="session")
def renderer() -> LineRenderer:
    return LineRenderer([BUILTIN], Corpus(dictionaries="/no/word/lists"))


@pytest.fixture
def imagefolder(tmp_path: Path) -> Path:
    rows = [{"file_name": f"{i}.png", "text": f"line {i}", "document": f"book {i % 2}"} for i in range(6)]
    return write_imagefolder(tmp_path / "lines" / "train", rows, {f"{i}.png": picture(seed=i) for i in range(6)}).parent
