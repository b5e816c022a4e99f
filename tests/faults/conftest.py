"""Folders for the tests to damage: a tiny reader, an adapter, lines and pages."""

import json
from pathlib import Path

import pytest
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint

PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
  <Page imageFilename="{name}.png" imageWidth="200" imageHeight="120"><TextRegion id="r">
    <Coords points="0,0 200,0 200,120 0,120"/>{lines}
  </TextRegion></Page>
</PcGts>
"""
LINE = '<TextLine id="l{n}"><Coords points="{x},{y} {r},{y} {r},{b} {x},{b}"/></TextLine>'


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("model"), sure=True)


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


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(40):
        draw_line("abcdefghijkl"[: 3 + number % 9], 30 + number).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Twelve pages of four lines each."""
    folder = tmp_path_factory.mktemp("pages")
    for number in range(12):
        picture = draw_line("abc", 200).resize((200, 120))
        picture.save(folder / f"{number:02}.png")
        boxes = (LINE.format(n=n, x=4, r=120 + 5 * n + number, y=4 + 28 * n, b=26 + 28 * n) for n in range(4))
        (folder / f"{number:02}.xml").write_text(PAGE.format(name=f"{number:02}", lines="\n".join(boxes)))
    return folder
