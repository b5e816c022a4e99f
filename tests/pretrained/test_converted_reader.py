"""From a stock TrOCR's folder to text: convert, load, read, as a user does."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from slow_cases import others_slow
from stock_processors import make_stock_processor
from stock_trocr import load_stock, make_stock_model
from transformers import TrOCRProcessor
from typer.testing import CliRunner

from trocr_gsa import LineReader, PointGroup
from trocr_gsa.cli.app import app

SIZES = [(180, 30), (65, 40), (301, 22)]


@pytest.fixture(
    scope="module", params=others_slow(["small-printed", "base-handwritten", "large-stage1"], "small-printed")
)
def stock(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    every_token_once = {"no_repeat_ngram_size": 1}  # random weights stammer, and one token would tell little
    return make_stock_processor(make_stock_model(folder, request.param, **every_token_once), request.param)


@pytest.fixture(scope="module")
def converted(stock):
    result = CliRunner().invoke(app, ["convert", str(stock), str(stock / "converted"), "--group", "D4"])
    assert result.exit_code == 0, result.output
    return LineReader.from_pretrained(stock / "converted", device="cpu")


def lines():
    """Words on paper of different colours, which no squashing levels out."""
    lines = []
    for size, word, paper in zip(SIZES, ("whale", "of", "Nantucket"), ("#e8d8a0", "#a8c8f0", "#f0b0b0"), strict=True):
        line = Image.new("RGB", size, paper)
        ImageDraw.Draw(line).text((6, 4), word, fill="black", font=ImageFont.load_default(18))
        lines.append(line)
    return lines


def texts(read):
    return [line.text for line in read]


def test_upright_it_reads_what_the_stock_model_and_processor_read(stock, converted):
    processor = TrOCRProcessor.from_pretrained(stock)
    pixels = processor(images=lines(), return_tensors="pt")["pixel_values"]
    longest = converted.model.config.decoder.max_position_embeddings
    expected = processor.batch_decode(
        load_stock(stock).generate(pixels, max_length=longest, num_beams=1), skip_special_tokens=True
    )
    assert len(set(expected)) == len(SIZES)
    assert texts(converted.read(lines(), orientation="upright")) == expected


def test_turned_pictures_read_the_same_and_say_how_they_are_turned(converted, monkeypatch):
    monkeypatch.setattr("trocr_gsa.reader.decoding.DOUBT", 1.0)  # an untrained pose head would have every pose read
    upright = converted.read(lines())
    for angle in (90, 180, 270):
        turned = converted.read([line.rotate(angle, expand=True) for line in lines()])
        assert texts(turned) == texts(upright)
        for before, after in zip(upright, turned, strict=True):
            assert after.orientation == (before.orientation + angle) % 360
            assert after.confidence == pytest.approx(before.confidence, abs=1e-4)


def test_pictures_reach_the_model_turned_and_nothing_else(converted):
    group = PointGroup.from_name("D4")
    for line in lines():
        upright = converted.processor(images=line)["pixel_values"]
        for element in range(group.order):
            pixels = group.transform_image(torch.from_numpy(np.array(line)).permute(2, 0, 1), element)
            turned = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
            found = converted.processor(images=turned)["pixel_values"]
            assert torch.equal(found, group.transform_image(upright, element))


def test_the_stock_model_reads_turned_pictures_otherwise(stock):
    """The control."""
    processor, model = TrOCRProcessor.from_pretrained(stock), load_stock(stock)
    read = []
    for pictures in (lines(), [line.rotate(90, expand=True) for line in lines()]):
        pixels = processor(images=pictures, return_tensors="pt")["pixel_values"]
        read.append(model.generate(pixels, max_length=30).tolist())
    assert read[0] != read[1]
