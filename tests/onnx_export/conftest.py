import importlib.util
from pathlib import Path

import pytest
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint

from trocr_gsa.exported import OnnxLineReader, export_reader
from trocr_gsa.reader import LineReader

NEEDED = ("onnx", "onnxruntime", "onnxscript")


@pytest.fixture(scope="session")
def onnx() -> None:
    """Skip what needs the extra where it is not."""
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """A reader with a CTC head, less sure of itself than it says."""
    return save_checkpoint(tmp_path_factory.mktemp("model"), ctc_steps_per_patch=2)


@pytest.fixture(scope="session")
def adapter_folder(model_folder, tmp_path_factory) -> Path:
    return save_adapter(model_folder, tmp_path_factory.mktemp("adapter"))


@pytest.fixture(scope="session")
def torch_reader(model_folder, adapter_folder) -> LineReader:
    reader = LineReader.from_pretrained(model_folder, str(adapter_folder), "cpu")
    reader.model.config.confidence_temperature = 1.5
    return reader


@pytest.fixture(scope="session")
def export_folder(onnx, torch_reader, tmp_path_factory) -> Path:
    """That reader with its adapter, exported."""
    folder = tmp_path_factory.mktemp("export") / "out"
    export_reader(torch_reader, folder)
    return folder


@pytest.fixture(scope="session")
def onnx_reader(export_folder) -> OnnxLineReader:
    return OnnxLineReader.from_pretrained(export_folder)


@pytest.fixture(scope="session")
def pictures() -> list:
    """Lines of several lengths, at every quarter turn."""
    drawn = [draw_line(text, 20 + 9 * len(text)) for text in ("ab", "kkhd", "noon", "dlbtxyz")]
    return [line.rotate(angle, expand=True) for line in drawn for angle in (0, 90, 180, 270)]
