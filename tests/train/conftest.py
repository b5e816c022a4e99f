"""A tiny reader, whose steps take milliseconds, and a few rendered lines."""

import json

import numpy as np
import pytest
import torch
from stock_processors import make_stock_processor
from stock_trocr import make_stock_model
from tiny_checkpoint import SIZES, draw_line

from trocr_gsa import TrOCRGSAModel, TrOCRGSAProcessor
from trocr_gsa.data.samples import LineSample
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.build import new_model

TINY = {name: size for name, size in SIZES.items() if name not in ("max_patches", "ctc_steps_per_patch")} | {
    "decoder_max_position_embeddings": 32
}


def make_line(text: str, document: str = "book", width: int = 64) -> LineSample:
    """Return a rendered line as a sample."""
    return LineSample(draw_line(text, width), text, name=f"{text}.png", document=document)


@pytest.fixture(autouse=True)
def _read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read each line in its most probable pose only: an untrained reader doubts all, and would look at four."""
    monkeypatch.setattr("trocr_gsa.reader.decoding.DOUBT", 1.0)


@pytest.fixture
def lines() -> list[LineSample]:
    """Eight lines of different lengths, from four documents."""
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list("abcdef"), size)) for size in (3, 4, 5, 6, 7, 8, 9, 10)]
    return [make_line(word, f"book {index % 4}", 40 + 8 * index) for index, word in enumerate(words)]


@pytest.fixture
def tiny_architecture() -> dict[str, object]:
    """The configuration keys of the tiny reader."""
    return dict(TINY)


@pytest.fixture
def tiny():
    """An untrained reader and its processor, always the same."""
    torch.manual_seed(0)
    return new_model(TrainingArguments.from_dict(TINY | {"train": "lines", "method": "full"}))


@pytest.fixture
def source(tmp_path, lines) -> str:
    """The lines as an imagefolder with the splits train and validation."""
    for split, chosen in (("train", lines), ("validation", lines[:3])):
        folder = tmp_path / "lines" / split
        folder.mkdir(parents=True)
        rows = []
        for line in chosen:
            line.image.save(folder / line.name)
            rows.append(json.dumps({"file_name": line.name, "text": line.text, "document": line.document}))
        (folder / "metadata.jsonl").write_text("\n".join(rows))
    return str(tmp_path / "lines")


@pytest.fixture
def checkpoint(tmp_path, tiny) -> str:
    """The untrained reader as a checkpoint folder."""
    model, processor = tiny
    model.save_pretrained(tmp_path / "base")
    processor.save_pretrained(tmp_path / "base")
    return str(tmp_path / "base")


@pytest.fixture
def stock_checkpoint(tmp_path) -> str:
    """A stock TrOCR with random weights, in the published files' layout."""
    make_stock_model(tmp_path / "stock", "base-printed")
    make_stock_processor(tmp_path / "stock", "base-printed")
    return str(tmp_path / "stock")


@pytest.fixture
def taken_over(tmp_path, stock_checkpoint) -> str:
    """The stock TrOCR converted to a reader, in a folder."""
    TrOCRGSAModel.from_trocr(stock_checkpoint).save_pretrained(tmp_path / "taken_over")
    TrOCRGSAProcessor.from_trocr(stock_checkpoint).save_pretrained(tmp_path / "taken_over")
    return str(tmp_path / "taken_over")
