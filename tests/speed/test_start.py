"""A light start: what is imported, and when. Each claim is looked at in a process that has imported nothing."""

import json
import subprocess
import sys

import pytest
from tiny_checkpoint import draw_line

HELP = """
import sys
from trocr_gsa.cli.app import app
try:
    app(["--help"])
except SystemExit:
    pass
"""
READ = """
from trocr_gsa.cli.app import app
try:
    app(["read", {line!r}])
except SystemExit:
    pass
"""
KNOWN = """
from transformers import VisionEncoderDecoderModel, AutoConfig, AutoModel
from trocr_gsa import GSANetConfig, GSANetModel
assert AutoConfig.for_model("trocr-gsa").model_type == "trocr-gsa"
assert AutoModel._model_mapping[GSANetConfig] is GSANetModel
"""
UNKNOWN = """
from transformers import AutoConfig
try:
    AutoConfig.for_model("trocr-gsa")
except ValueError:
    pass
else:
    raise SystemExit("known without the package")
"""
TELL = "\nimport json, sys; print(); print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
NOT_FOR_PICTURES = {"peft", "pyarrow", "pandas", "datasets", "evaluate", "sacrebleu", "gradio", "onnxruntime"}


def imported_by(program: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", program + TELL], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_commands_help_imports_neither_torch_nor_transformers():
    assert not {"torch", "transformers", "numpy", "PIL"} & imported_by(HELP)


def test_reading_a_picture_imports_nothing_that_pictures_do_not_need(tmp_path):
    draw_line("light").save(tmp_path / "line.png")
    imported = imported_by(READ.format(line=str(tmp_path / "line.png")))
    assert "torch" in imported
    assert not NOT_FOR_PICTURES & imported


@pytest.mark.slow
def test_transformers_knows_the_models_when_it_is_imported_after_them():
    assert "torch" in imported_by("import trocr_gsa" + KNOWN)


@pytest.mark.slow
def test_transformers_knows_the_models_when_it_was_there_before_and_not_without_them():
    assert "torch" in imported_by(UNKNOWN + KNOWN)


def test_a_name_that_there_is_not_is_no_attribute():
    import trocr_gsa

    assert set(trocr_gsa.__all__) <= set(dir(trocr_gsa))
    with pytest.raises(AttributeError, match="no attribute 'LineWriter'"):
        trocr_gsa.LineWriter  # noqa: B018
