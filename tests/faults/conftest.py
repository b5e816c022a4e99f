"""Folders to be damaged: the smallest reader, and an adapter of it."""

import json
from pathlib import Path

import pytest
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def adapter(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(checkpoint, tmp_path_factory.mktemp("adapter"), rank=4)


@pytest.fixture(scope="session")
def lines_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An imagefolder of three lines."""
    folder = tmp_path_factory.mktemp("lines")
    rows = []
    for name, text in {"one": "abc", "two": "defghijk", "three": "noon"}.items():
        draw_line(text, 20 + 10 * len(text)).save(folder / f"{name}.png")
        rows.append(json.dumps({"file_name": f"{name}.png", "text": text}) + "\n")
    (folder / "metadata.jsonl").write_text("".join(rows))
    return folder
