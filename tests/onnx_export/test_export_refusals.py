"""What cannot be exported, and what is no export, is refused in one clear error."""

import json
import shutil
import sys

import pytest
from tiny_checkpoint import draw_line, save_checkpoint
from transformers import GPT2Config, GPT2LMHeadModel
from typer.testing import CliRunner

from trocr_gsa.checkpoints.models import load_model
from trocr_gsa.cli.app import app
from trocr_gsa.onnx import export_reader, load_export
from trocr_gsa.reader import LineReader


@pytest.fixture
def copied(export_folder, tmp_path):
    """An export that may be spoilt."""
    return shutil.copytree(export_folder, tmp_path / "copied")


def test_a_folder_that_is_no_export_is_refused(model_folder):
    with pytest.raises(ValueError, match=r"`path`: .* holds no export\.json"):
        load_export(model_folder)


@pytest.mark.parametrize(
    "name", ["encoder.onnx", "decoder.onnx", "config.json", "generation_config.json", "processor_config.json"]
)
def test_a_missing_file_is_named(copied, name):
    (copied / name).unlink()
    with pytest.raises(ValueError, match=f"`path`: {name} is missing"):
        LineReader.from_pretrained(copied)


def test_a_processor_without_its_tokenizer_is_refused(copied):
    (copied / "tokenizer_config.json").unlink()
    with pytest.raises(ValueError, match=r"`path`: .*tokenizer"):
        LineReader.from_pretrained(copied)


def test_a_configuration_that_is_none_is_named(copied):
    (copied / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"`path`: .*config.json is not valid JSON"):
        LineReader.from_pretrained(copied)


BROKEN = {
    b"": "is empty",
    b"version https://git-lfs.github.com/spec/v1\n": "is a Git LFS pointer",
    b"no graph at all": "cannot be loaded",
    None: "cannot be loaded",
}


@pytest.mark.parametrize("rubbish", BROKEN)
def test_a_broken_graph_is_named(copied, rubbish):
    whole = (copied / "decoder.onnx").read_bytes()
    (copied / "decoder.onnx").write_bytes(whole[: len(whole) // 2] if rubbish is None else rubbish)
    with pytest.raises(ValueError, match=rf"`path`: .*decoder\.onnx {BROKEN[rubbish]}"):
        LineReader.from_pretrained(copied)


@pytest.mark.parametrize("settings", ["", "[]", "{}", '{"format": 1, "colour": "red"}'])
def test_settings_that_mean_nothing_are_refused(copied, settings):
    (copied / "export.json").write_text(settings)
    with pytest.raises(ValueError, match=r"`path`: .*(export\.json (is no|must|cannot)|of format None)"):
        LineReader.from_pretrained(copied)


def test_an_export_of_another_format_is_refused(copied):
    (copied / "export.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match="format 99"):
        LineReader.from_pretrained(copied)


def test_what_was_not_exported_is_refused(export_folder, onnx_reader):
    with pytest.raises(ValueError, match="`adapter`"):
        LineReader.from_pretrained(export_folder, "runs/fr")
    with pytest.raises(ValueError, match="`device`"):
        LineReader.from_pretrained(export_folder, device="cuda")
    with pytest.raises(ValueError, match="`num_beams`"):
        onnx_reader.read([draw_line("ab")], num_beams=2)
    with pytest.raises(ValueError, match="has no attention maps"):
        onnx_reader.letter_places(draw_line("ab"), "ab")
    with pytest.raises(ValueError, match="`adapter`"):
        onnx_reader.read([draw_line("ab")], adapter="fr")


@pytest.mark.parametrize("missing", ["onnxruntime", "onnx", "onnxscript"])
def test_a_missing_package_is_named_with_its_extra(torch_reader, tmp_path, monkeypatch, missing):
    for name in ("onnxruntime", "onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None if name == missing else sys)
    with pytest.raises(ValueError, match=rf"{missing}.*trocr-gsa\[onnx\]"):
        export_reader(torch_reader, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_reading_without_onnxruntime_says_what_to_install(export_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"onnxruntime.*trocr-gsa\[onnx\]"):
        LineReader.from_pretrained(export_folder)


def test_adapters_side_by_side_are_refused(onnx, model_folder, adapter_folder, tmp_path):
    reader = LineReader.from_pretrained(model_folder, {"fr": adapter_folder}, "cpu")
    with pytest.raises(ValueError, match=r"`adapter`: only one adapter .* got fr"):
        export_reader(reader, tmp_path / "out")


def test_an_export_is_not_exported_again(onnx_reader, export_folder, tmp_path):
    with pytest.raises(ValueError, match=r"`model`: .*out is already an export"):
        export_reader(onnx_reader, tmp_path / "out")
    with pytest.raises(ValueError, match=r"`model`: .* is an export, which is only for reading"):
        load_model(str(export_folder))


def test_a_decoder_that_is_no_trocr_is_refused(onnx, model_folder, tmp_path):
    reader = LineReader.from_pretrained(model_folder, device="cpu")
    reader.model.decoder = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=32, add_cross_attention=True))
    with pytest.raises(ValueError, match="`decoder` must be a TrOCR's"):
        export_reader(reader, tmp_path / "out")


@pytest.mark.parametrize(
    ("setting", "value", "told"), [("no_repeat_ngram_size", 3, "NoRepeatNGram"), ("do_sample", True, "sampling")]
)
def test_settings_of_generate_that_would_be_lost_are_refused(onnx, model_folder, tmp_path, setting, value, told):
    reader = LineReader.from_pretrained(model_folder, device="cpu")
    setattr(reader.model.generation_config, setting, value)
    with pytest.raises(ValueError, match=f"`generation_config` asks for {told}"):
        export_reader(reader, tmp_path / "out")


def test_the_command_overwrites_nothing(tmp_path):
    folder = save_checkpoint(tmp_path / "model")
    result = CliRunner().invoke(app, ["export", str(folder), str(folder)])
    assert result.exit_code == 2
    assert "`out`" in result.stderr
    result = CliRunner().invoke(app, ["export", str(tmp_path / "nowhere"), str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "`model`" in result.stderr
