import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.runner import programs
from experiments import record


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A Markdown file with the marker comments of every section."""
    names = programs("experiments")
    page = tmp_path / "evidence.md"
    page.write_text("".join(f"<!-- {name}: written by experiments/{name}.py -->\n<!-- /{name} -->\n" for name in names))
    monkeypatch.setattr(record, "PAGE", page)
    monkeypatch.setattr(record, "FIGURES", tmp_path / "evidence")
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    return page


@pytest.fixture
def write_mnist():
    """Write the four files of MNIST, half of them uncompressed, with bars and squares as digits."""

    def write(folder: Path, train: int, test: int) -> Path:
        folder.mkdir(parents=True)
        for part, number in (("train", train), ("t10k", test)):
            labels = (np.arange(number) % 2).astype(np.uint8)
            images = np.zeros((number, 28, 28), np.uint8)
            images[labels == 0, 4:24, 13:15] = 255
            images[labels == 1, 10:18, 10:18] = 255
            (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(_idx(images)))
            (folder / f"{part}-labels-idx1-ubyte").write_bytes(_idx(labels))
        return folder

    return write


def _idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
