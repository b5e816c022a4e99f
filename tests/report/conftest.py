import json
from pathlib import Path

import pytest
from PIL import Image
from tiny_checkpoint import draw_line, save_checkpoint

TEXTS = {"one": "abc", "two": "defghijk", "three": "noon"}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """An imagefolder of three lines, for validation and test."""
    for split in ("validation", "test"):
        folder = tmp_path / "lines" / split
        folder.mkdir(parents=True)
        rows = []
        for name, text in TEXTS.items():
            draw_line(text, 20 + 10 * len(text)).save(folder / f"{name}.png")
            rows.append(json.dumps({"file_name": f"{name}.png", "text": text, "document": "book"}) + "\n")
        (folder / "metadata.jsonl").write_text("".join(rows))
    return tmp_path / "lines"


@pytest.fixture
def line_picture() -> Image.Image:
    return draw_line("abc", 50)
