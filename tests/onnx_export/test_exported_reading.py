"""What is exported reads as the model does."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny_checkpoint import draw_line
from typer.testing import CliRunner

from trocr_gsa import TrOCRGSAModel
from trocr_gsa.cli.app import app
from trocr_gsa.onnx import OnnxModel, round_weights
from trocr_gsa.reader import LineReader


def told(lines) -> list:
    """All that is told of lines, confidences rounded."""
    return [
        replace(
            line,
            confidence=round(line.confidence, 4),
            character_confidences=tuple(round(share, 3) for share in line.character_confidences),
        )
        for line in lines
    ]


@pytest.mark.parametrize("orientation", ["any", "upright", {0.0: 0.7, 180.0: 0.3}])
def test_every_line_is_told_as_pytorch_tells_it(torch_reader, onnx_reader, pictures, orientation):
    found = onnx_reader.read(pictures, orientation)
    assert told(found) == told(torch_reader.read(pictures, orientation))
    assert len({line.text for line in found}) > 2
    assert all(line.adapter is not None for line in found)


def test_another_adapter_is_told_apart(model_folder, onnx_reader, pictures):
    """The control: the same comparison, of the model without the adapter that was exported."""
    alone = LineReader.from_pretrained(model_folder, device="cpu").read(pictures)
    assert [line.text for line in alone] != [line.text for line in onnx_reader.read(pictures)]


def test_lines_in_doubt_are_looked_at_from_other_sides_too(onnx_reader, pictures, monkeypatch):
    looks = []
    encoder = onnx_reader.model.encoder
    monkeypatch.setattr(onnx_reader.model, "encoder", Watched(encoder, looks))
    onnx_reader.read(pictures)
    assert len(looks) > 1


class Watched:
    def __init__(self, encoder, looks):
        self.encoder, self.looks, self.group = encoder, looks, encoder.group

    def __call__(self, *args, **inputs):
        self.looks.append(inputs)
        return self.encoder(*args, **inputs)


def test_a_line_reads_the_same_alone_and_among_others(onnx_reader, pictures):
    together = onnx_reader.read(pictures)
    alone = [line for picture in pictures[:4] for line in onnx_reader.read([picture])]
    assert [line.text for line in alone] == [line.text for line in together[:4]]


def test_a_bad_picture_costs_itself_alone(onnx_reader, tmp_path):
    (tmp_path / "empty.png").touch()
    lines = onnx_reader.read([draw_line("ab"), tmp_path / "empty.png", np.zeros((20, 50), dtype=np.uint8)])
    assert [line.error is None for line in lines] == [True, False, True]
    assert "empty.png" in lines[1].error


def test_a_text_without_an_end_stops_at_the_longest(onnx_reader):
    (line,) = onnx_reader.read([Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 120), np.uint8))])
    assert len(line.text.encode()) <= onnx_reader.model.config.decoder.max_position_embeddings


def test_the_command_reads_with_what_it_exported(export_folder, torch_reader, pictures, tmp_path):
    for place, picture in enumerate(pictures):
        picture.save(tmp_path / f"{place:02}.png")
    result = CliRunner().invoke(app, ["read", str(tmp_path), "--model", str(export_folder)])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split("\n")[:-1] == [line.text for line in torch_reader.read(pictures)]


def test_rounded_weights_are_smaller_and_still_read(export_folder, pictures, tmp_path):
    folder = shutil.copytree(export_folder, tmp_path / "rounded")
    round_weights(folder)
    for name in ("encoder.onnx", "decoder.onnx"):
        assert (folder / name).stat().st_size < (export_folder / name).stat().st_size
    assert all(line.text and line.error is None for line in LineReader.from_pretrained(folder).read(pictures))


def test_a_folder_is_recognised_by_its_files(export_folder, model_folder):
    assert isinstance(LineReader.from_pretrained(export_folder).model, OnnxModel)
    assert isinstance(LineReader.from_pretrained(model_folder).model, TrOCRGSAModel)


def test_no_weights_nor_code_of_pytorch_are_in_the_folder(export_folder):
    assert {path.suffix for path in export_folder.iterdir()} == {".json", ".onnx"}
