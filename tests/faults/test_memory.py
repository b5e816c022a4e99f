"""Too little memory is called what it is, and never a damaged file or picture."""

import pytest
import torch
from typer.testing import CliRunner

from trocr_gsa.cli.app import app
from trocr_gsa.reader import LineReader

OUT = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried …"),
]


def fail_with(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize("error", OUT, ids=["Python", "CUDA", "CPU"])
@pytest.mark.parametrize(
    "place",
    [
        "trocr_gsa.checkpoints.models.TrOCRGSAModel.from_pretrained",
        "trocr_gsa.checkpoints.models.AutoProcessor.from_pretrained",
        "peft.PeftModel.__init__",
        "peft.tuners.lora.config.LoraConfig.__post_init__",
        "trocr_gsa.checkpoints.adapter_files.load_file",
    ],
)
def test_too_little_memory_is_not_taken_for_a_damaged_file(checkpoint, adapter, monkeypatch, place, error):
    monkeypatch.setattr(place, fail_with(error))
    with pytest.raises(type(error)) as raised:
        LineReader.from_pretrained(checkpoint, adapter, device="cpu")
    assert raised.value is error


@pytest.mark.parametrize("error", OUT, ids=["Python", "CUDA", "CPU"])
def test_too_little_memory_while_reading_is_one_line_and_not_a_damaged_picture(
    checkpoint, lines_folder, monkeypatch, error
):
    monkeypatch.setattr("trocr_gsa.model.modeling_trocr_gsa.TrOCRGSAModel.encode", fail_with(error))
    words = ["read", str(lines_folder), "--model", str(checkpoint), "--device", "cpu"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "too little memory" in result.stderr
    assert "damaged" not in result.stderr
    assert len(result.stderr.splitlines()) == 1
