"""Fewer bits: the same lines but for a letter or two, the same at four angles, and a word where it cannot be."""

import pytest
import torch
from PIL import Image
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint
from typer.testing import CliRunner

from trocr_gsa import LineReader
from trocr_gsa.cli.app import app
from trocr_gsa.cli.doctor import LINES

PICTURES = [draw_line(text, width) for text, width in {"abc": 40, "defghijk": 90, "a longer line": 120}.items()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("model"), ctc_steps_per_patch=2)


@pytest.fixture(scope="module")
def rounded(folder):
    return LineReader.from_pretrained(folder, device="cpu", precision="int8")


def test_rounded_weights_compute_nearly_the_same(folder, rounded):
    inputs = rounded.processor(images=PICTURES)
    with torch.inference_mode():
        found = rounded.model.encode(**inputs).pose_hidden_state
        expected = LineReader.from_pretrained(folder, device="cpu").model.encode(**inputs).pose_hidden_state
    assert 1e-4 < (found - expected).norm() / expected.norm() < 0.2


def test_the_packaged_reader_reads_the_same_at_every_quarter_turn_if_it_is_rounded():
    """Trained, because rounding changes what an untrained reader reads."""
    rounded = LineReader.from_pretrained(device="cpu", precision="int8")
    pictures = [Image.open(LINES / name) for name in ("german.png", "question.png", "short.png")]
    upright = rounded.read(pictures)
    assert len({line.text for line in upright}) == len(pictures)
    for angle in (90, 180, 270):
        turned = rounded.read([picture.rotate(angle, expand=True) for picture in pictures])
        assert [line.text for line in turned] == [line.text for line in upright]
        assert [line.orientation for line in turned] == [(line.orientation + angle) % 360 for line in upright]


def test_one_adapter_is_rounded_with_its_model_and_several_are_refused(folder, tmp_path):
    adapter = save_adapter(folder, tmp_path / "adapter")
    merged = LineReader.from_pretrained(folder, adapter, "cpu", "int8")
    assert {line.adapter for line in merged.read(PICTURES)} == {str(adapter)}
    with pytest.raises(ValueError, match="`precision` int8 needs a merged adapter"):
        LineReader.from_pretrained(folder, {"one": adapter}, "cpu", "int8")


def test_bf16_is_refused_where_it_would_be_slow_and_computed_in_elsewhere(folder, monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    with pytest.raises(ValueError, match="`precision` bf16 is not supported by cpu"):
        LineReader.from_pretrained(folder, device="cpu", precision="bf16")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    reader, seen = LineReader.from_pretrained(folder, device="cpu", precision="bf16"), []
    reader.model.encoder.layers[0].mlp.fc1.register_forward_hook(lambda module, words, out: seen.append(out.dtype))
    assert all(line.error is None for line in reader.read(PICTURES))
    assert set(seen) == {torch.bfloat16}


def test_other_precisions_are_refused_by_name(folder, tmp_path):
    with pytest.raises(ValueError, match="`precision` must be one of"):
        LineReader.from_pretrained(folder, precision="fp8")
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(ValueError, match=r"`precision`: .* is an export, got int8"):
        LineReader.from_pretrained(tmp_path, precision="int8")


def test_the_command_reads_in_the_precision_that_it_is_told(folder, rounded, tmp_path):
    for place, picture in enumerate(PICTURES):
        picture.save(tmp_path / f"{place}.png")
    words = ["read", str(tmp_path), "--model", str(folder), "--device", "cpu", "--precision", "int8"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [line.text for line in rounded.read(PICTURES)]
