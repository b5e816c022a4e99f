"""No folder's code runs unless `trust_remote_code` says so, and nobody is asked on the screen."""

import io
import json
import shutil

import pytest
from stock_processors import make_stock_processor
from stock_trocr import make_stock_model
from typer.testing import CliRunner

from trocr_gsa.cli.app import app
from trocr_gsa.reader import LineReader
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune

CODE = """
from pathlib import Path
from trocr_gsa import TrOCRGSAProcessor
from transformers import ByT5Tokenizer, TrOCRConfig, TrOCRForCausalLM

Path({marker!r}).touch()


class Foreign(TrOCRGSAProcessor):
    pass


class ForeignLetters(ByT5Tokenizer):
    pass


class ForeignConfig(TrOCRConfig):
    model_type = "foreign"


class ForeignDecoder(TrOCRForCausalLM):
    config_class = ForeignConfig
"""


def rewrite(path, change):
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def foreign_processor(folder):
    rewrite(
        folder / "processor_config.json",
        lambda values: values | {"processor_class": "Foreign", "auto_map": {"AutoProcessor": "foreign.Foreign"}},
    )


def foreign_letters(folder):
    mapped = {"tokenizer_class": "ForeignLetters", "auto_map": {"AutoTokenizer": ["foreign.ForeignLetters", None]}}
    rewrite(folder / "tokenizer_config.json", lambda values: values | mapped)


def foreign_model(folder):
    mapped = {"model_type": "foreign", "auto_map": {"AutoConfig": "foreign.ForeignConfig"}}
    rewrite(folder / "config.json", lambda values: values | mapped)


def foreign_decoder(folder):
    mapped = {
        "model_type": "foreign",
        "auto_map": {"AutoConfig": "foreign.ForeignConfig", "AutoModelForCausalLM": "foreign.ForeignDecoder"},
    }
    rewrite(folder / "config.json", lambda values: values | {"decoder": values["decoder"] | mapped})


def foreign_decoder_of_a_known_kind(folder):
    """Of a kind that transformers knows, and has no decoder for."""
    mapped = {"model_type": "vit", "auto_map": {"AutoModelForCausalLM": "foreign.ForeignDecoder"}}
    rewrite(folder / "config.json", lambda values: values | {"decoder": values["decoder"] | mapped})


WAYS = [foreign_processor, foreign_letters, foreign_model, foreign_decoder, foreign_decoder_of_a_known_kind]


@pytest.fixture(autouse=True)
def _yes(monkeypatch, tmp_path):
    """Somebody who says yes to everything, as `yes |` does; and a place for code that is trusted."""
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n" * 1000))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))


@pytest.fixture
def marker(tmp_path):
    """A file that is there once the code has run."""
    return tmp_path / "it ran"


def with_code(folder, target, marker, *ways):
    shutil.copytree(folder, target)
    (target / "foreign.py").write_text(CODE.format(marker=str(marker)))
    for way in ways:
        way(target)
    return target


@pytest.mark.parametrize("way", WAYS)
def test_code_in_a_models_folder_does_not_run(checkpoint, tmp_path, marker, way):
    folder = with_code(checkpoint, tmp_path / "folder", marker, way)
    with pytest.raises(ValueError, match=f"{folder}"):
        LineReader.from_pretrained(folder, device="cpu")
    assert not marker.exists()


@pytest.mark.parametrize("way", [foreign_processor, foreign_letters])
def test_code_that_a_processor_needs_runs_where_it_is_trusted(checkpoint, tmp_path, marker, way):
    folder = with_code(checkpoint, tmp_path / "folder", marker, way)
    with pytest.raises(ValueError, match=r"`trust_remote_code`: .* --trust-remote-code"):
        LineReader.from_pretrained(folder, device="cpu")
    assert not marker.exists()
    assert LineReader.from_pretrained(folder, device="cpu", trust_remote_code=True).processor.tokenizer is not None
    assert marker.exists()


def test_code_beside_a_model_that_needs_none_does_not_run_and_is_no_hindrance(checkpoint, tmp_path, marker):
    """Every model that `save_pretrained` writes has its code beside it, for those who have no trocr-gsa."""
    folder = with_code(checkpoint, tmp_path / "folder", marker)
    for path in folder.glob("*.py"):
        path.write_text(CODE.format(marker=str(marker)))
    for trusted in (False, True):
        LineReader.from_pretrained(folder, device="cpu", trust_remote_code=trusted)
        assert not marker.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["read", "PICTURE", "--model", "FOLDER"],
        ["evaluate", "LINES", "--model", "FOLDER"],
        ["adapters", "ADAPTER", "--model", "FOLDER"],
        ["check", "--model", "FOLDER"],
        ["export", "FOLDER", "OUT"],
        ["push", "FOLDER", "owner/name", "--dry-run", "OUT"],
        ["serve", "--model", "FOLDER"],
        ["finetune", "train=LINES", "model=FOLDER", "output=OUT", "device=cpu"],
        ["convert", "STOCK", "OUT"],
        ["finetune", "train=LINES", "pretrained_decoder=STOCK", "method=full", "encoder_group=C1", "output=OUT"],
    ],
    ids=lambda words: " ".join(words[:1] + words[-1:]),
)
def test_no_command_runs_code_that_it_was_not_told_to_trust(checkpoint, adapter, lines_folder, tmp_path, marker, words):
    pytest.importorskip("gradio" if words[0] == "serve" else "torch")
    stock = make_stock_processor(make_stock_model(tmp_path / "plain", "base-printed"), "base-printed")
    places = {
        "FOLDER": with_code(checkpoint, tmp_path / "folder", marker, foreign_processor),
        "STOCK": with_code(stock, tmp_path / "stock", marker, foreign_model),
        "ADAPTER": adapter,
        "LINES": lines_folder,
        "PICTURE": lines_folder / "one.png",
        "OUT": tmp_path / "out",
    }
    filled = []
    for word in words:
        key, _, place = word.rpartition("=")
        filled.append(f"{key}={places[place]}" if key and place in places else str(places.get(word, word)))
    result = CliRunner().invoke(app, filled, input="yes\n" * 100)
    assert result.exit_code == 2
    assert "`trust_remote_code`" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not marker.exists()


def test_a_training_may_be_told_to_trust(checkpoint, lines_folder, tmp_path, marker):
    folder = with_code(checkpoint, tmp_path / "folder", marker, foreign_processor)
    values = {"train": str(lines_folder), "model": str(folder), "output": str(tmp_path / "run"), "device": "cpu"}
    finetune(TrainingArguments.from_dict(values | {"max_steps": 1, "trust_remote_code": True}))
    assert marker.exists()
