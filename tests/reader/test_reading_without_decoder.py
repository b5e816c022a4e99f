"""Reading with the CTC head alone: what it sees, whichever way up, and a word where there is none."""

import pytest
import torch
from tiny_checkpoint import draw_line, save_checkpoint
from typer.testing import CliRunner

from trocr_gsa import LineReader
from trocr_gsa.cli.app import app

PICTURES = [draw_line(text, width) for text, width in {"abc": 40, "defghijk": 90, "a longer line": 120}.items()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("columns"), torch.float64, ctc_steps_per_patch=2)


@pytest.fixture(scope="module")
def reader(folder):
    return LineReader.from_pretrained(folder, device="cpu")


def test_the_text_is_the_heads_and_the_decoder_is_not_asked(reader, monkeypatch):
    monkeypatch.setattr("trocr_gsa.reader.decoding.DOUBT", 1.0)
    model, processor = reader.model, reader.processor
    monkeypatch.setattr(model.decoder, "forward", None)
    with torch.inference_mode():
        encoded = model.encode(**processor(images=PICTURES))
        seen = model.ctc_head(encoded.pose_hidden_state, encoded.pose_positions, encoded.pose_mask)
    expected = processor.batch_decode(model.ctc_head.read(*seen), skip_special_tokens=True)
    lines = reader.read(PICTURES, num_beams=0)
    assert [line.text for line in lines] == expected
    assert len(set(expected)) == 3
    assert all(0 < line.confidence < 1 for line in lines)


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_it_is_the_same_at_every_quarter_turn(reader, angle):
    upright = reader.read(PICTURES, num_beams=0)
    turned = reader.read([picture.rotate(angle, expand=True) for picture in PICTURES], num_beams=0)
    assert [line.text for line in turned] == [line.text for line in upright]
    assert [line.orientation for line in turned] == [(line.orientation + angle) % 360 for line in upright]
    assert [line.confidence for line in turned] == pytest.approx([line.confidence for line in upright], rel=1e-6)


def test_a_reader_without_a_head_says_so(tmp_path):
    reader = LineReader.from_pretrained(save_checkpoint(tmp_path / "no head"), device="cpu")
    with pytest.raises(ValueError, match="`num_beams` must be at least 1 for a reader without a CTC head"):
        reader.read(PICTURES, num_beams=0)


def test_the_command_reads_so(reader, folder, tmp_path):
    for place, picture in enumerate(PICTURES):
        picture.save(tmp_path / f"{place}.png")
    result = CliRunner().invoke(app, ["read", str(tmp_path), "--model", str(folder), "--beams", "0"])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [line.text for line in reader.read(PICTURES, num_beams=0)]
