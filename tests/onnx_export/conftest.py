import importlib.util
import json
import os
from pathlib import Path

import pytest
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint
from typer.testing import CliRunner

from trocr_gsa.cli.app import app
from trocr_gsa.reader import LineReader

NEEDED = ("onnx", "onnxruntime", "onnxscript")


@pytest.fixture(scope="session")
def onnx() -> None:
    """Skip tests that need the extra if it is not installed."""
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """A reader with a CTC head and a confidence temperature."""
    folder = save_checkpoint(tmp_path_factory.mktemp("model"), ctc_steps_per_patch=2)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"confidence_temperature": 1.5}))
    return folder


@pytest.fixture(scope="session")
def adapter_folder(model_folder, tmp_path_factory) -> Path:
    return save_adapter(model_folder, tmp_path_factory.mktemp("adapter"))


@pytest.fixture(scope="session")
def torch_reader(model_folder, adapter_folder) -> LineReader:
    return LineReader.from_pretrained(model_folder, str(adapter_folder), "cpu")


@pytest.fixture(scope="session")
def export_folder(onnx, model_folder, adapter_folder, tmp_path_factory) -> Path:
    """The reader with its adapter, exported by the command."""
    folder = tmp_path_factory.mktemp("export") / "out"
    words = ["export", str(model_folder), str(folder), "--adapter", os.path.relpath(adapter_folder)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    assert "differs from PyTorch by at most" in result.stdout
    return folder


@pytest.fixture(scope="session")
def onnx_reader(export_folder) -> LineReader:
    return LineReader.from_pretrained(export_folder)


@pytest.fixture(scope="session")
def pictures() -> list:
    """Lines of several lengths, at every quarter turn."""
    drawn = [draw_line(text, 20 + 9 * len(text)) for text in ("ab", "kkhd", "noon", "dlbtxyz")]
    return [line.rotate(angle, expand=True) for line in drawn for angle in (0, 90, 180, 270)]
