"""`trocr-gsa doctor`: it says "well" of the package as it is, and names what is wrong with any other."""

import json
import shutil
from importlib import metadata
from pathlib import Path

import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import trocr_gsa
from trocr_gsa.cli import doctor
from trocr_gsa.cli.app import app
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel

PACKAGED = Path(trocr_gsa.__file__).parent / "checkpoint"


@pytest.fixture(autouse=True)
def _as_installed(_packaged, monkeypatch):
    """The real checkpoint: the other tests' is a tiny one."""
    monkeypatch.setattr("trocr_gsa.checkpoints.models.PACKAGED_CHECKPOINT", PACKAGED)


@pytest.fixture
def doctor_lines(tmp_path, monkeypatch):
    """A copy of the packaged lines that may be changed."""
    folder = Path(shutil.copytree(doctor.LINES, tmp_path / "lines"))
    monkeypatch.setattr(doctor, "LINES", folder)
    return folder


@pytest.fixture
def known(doctor_lines):
    """Write the packaged expectations for one of the lines, with changes."""

    def write(file, **changes):
        values = json.loads((doctor_lines / "expected.json").read_text())
        values["lines"] = [line | changes for line in values["lines"] if line["file"] == file]
        (doctor_lines / "expected.json").write_text(json.dumps(values))

    return write


@pytest.fixture(scope="module")
def healthy():
    """What the command says of the package as it is."""
    return CliRunner().invoke(app, ["doctor", "--device", "cpu"], catch_exceptions=False)


def last_line(result) -> str:
    return result.stdout.splitlines()[-1]


def required(monkeypatch, *requirements):
    monkeypatch.setattr(metadata, "requires", lambda name: list(requirements))


def test_the_package_as_it_is_is_well(healthy):
    """If a new checkpoint or a change of the reading fails here: python scripts/doctor_lines.py"""
    assert last_line(healthy) == "well: all lines are read as expected at 0°, 90°, 180°, 270°"
    assert healthy.exit_code == 0


def test_it_tells_versions_device_threads_and_extras(healthy):
    told = dict(line.split(maxsplit=1) for line in healthy.stdout.splitlines())
    assert told["transformers"].startswith(transformers.__version__)
    assert told["torch"].startswith(torch.__version__.split("+")[0])  # a CUDA build says so in one place only
    assert told["device"] == "cpu"
    assert told["threads"].startswith(str(torch.get_num_threads()))
    assert {"trocr-gsa", "Python", "peft", "Pillow", "extras"} <= told.keys()


def test_an_attention_that_ignores_the_cache_is_named_with_the_version(call, monkeypatch):
    monkeypatch.setattr("trocr_gsa.model.fused_decoder.CACHE", "name_of_another_version")
    result = call("doctor", "--device", "cpu")
    assert result.exit_code == 1
    assert last_line(result).startswith("broken: ")
    assert f"transformers {transformers.__version__} does not use a decoder's cache" in last_line(result)


def test_a_cache_that_is_used_wrongly_is_seen_by_the_text(call, known, monkeypatch):
    """What no check of lengths can see: the decoder hears of one position again and again."""
    known("question.png")
    decode = TrOCRGSAModel._decode
    monkeypatch.setattr(TrOCRGSAModel, "_decode", lambda *args, **inputs: _without_past(decode, *args, **inputs))
    result = call("doctor", "--device", "cpu")
    assert result.exit_code == 1
    assert "of 8 readings are not as expected; the first: " in last_line(result)
    assert "expected 'Which way up does this line hang?' with confidence 0." in last_line(result)


def _without_past(decode, model, encoded, cache, **inputs):
    """Decode, and then forget what the letters were."""
    output = decode(model, encoded, cache, **inputs)
    for layer in cache.self_attention_cache.layers:
        layer.keys.zero_()
    return output


def test_weights_of_another_release_are_named(call, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(PACKAGED, tmp_path / "checkpoint"))
    weights = load_file(folder / "model.safetensors")
    weights["encoder.pose_layers.0.attention.q_proj.weight"].mul_(-1)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    monkeypatch.setattr("trocr_gsa.checkpoints.models.PACKAGED_CHECKPOINT", folder)
    result = call("doctor")
    assert result.exit_code == 1
    assert f"broken: the weights in {folder} are not those of this release" in last_line(result)


@pytest.mark.parametrize("damage", ["truncated", "gone"])
def test_damaged_weights_are_named(call, tmp_path, monkeypatch, damage):
    folder = Path(shutil.copytree(PACKAGED, tmp_path / "checkpoint"))
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000]) if damage == "truncated" else file.unlink()
    monkeypatch.setattr("trocr_gsa.checkpoints.models.PACKAGED_CHECKPOINT", folder)
    result = call("doctor")
    assert result.exit_code == 1
    assert str(folder) in last_line(result)


@pytest.mark.parametrize(
    ("change", "complaint"), [({"confidence": 0.5}, "confidence 0.500"), ({"text": "nein"}, "expected 'nein'")]
)
def test_text_and_confidence_are_both_compared(call, known, change, complaint):
    known("short.png", **change)
    result = call("doctor", "--device", "cpu")
    assert result.exit_code == 1
    assert "broken: 8 of 8 readings are not as expected" in last_line(result)
    assert complaint in last_line(result)


def test_a_picture_that_lies_otherwise_is_misread(call, doctor_lines, known):
    """The control of the angles."""
    known("short.png")
    file = doctor_lines / "short.png"
    Image.open(file).transpose(Image.Transpose.ROTATE_180).save(file)
    result = call("doctor", "--device", "cpu")
    assert result.exit_code == 1
    assert "the first: short.png turned by 0°" in last_line(result)
    assert "at 180°" in last_line(result)


def test_a_version_that_was_not_tested_is_told_and_blamed_only_where_something_is_wrong(call, known, monkeypatch):
    known("short.png")
    required(monkeypatch, "transformers<5", "torch>=2.13")
    well = call("doctor", "--device", "cpu")
    remark = f"{transformers.__version__} was not tested: pip install 'transformers<5'"
    assert remark in well.stdout
    assert well.exit_code == 0
    monkeypatch.setattr("trocr_gsa.model.fused_decoder.CACHE", "name_of_another_version")
    broken = call("doctor", "--device", "cpu")
    assert last_line(broken).endswith(f"| transformers {remark}")
    assert broken.exit_code == 1


def test_a_library_that_is_missing_is_named(call, monkeypatch):
    required(monkeypatch, "no-such-library>=1", "torch>=2.13", 'no-such-extra; extra == "demo"')
    result = call("doctor")
    assert result.exit_code == 1
    assert last_line(result) == "broken: no-such-library not installed; install trocr-gsa again"
    assert "demo" in next(line for line in result.stdout.splitlines() if line.startswith("extras not here"))


def test_a_device_that_is_not_here_is_one_line(call):
    result = call("doctor", "--device", "cuda:99")
    assert result.exit_code == 1
    assert "`device` cuda:99 is not available here" in last_line(result)
    assert "Traceback" not in result.output
