"""A model in shards on two processes: its checkpoints are whole, and its run goes on where it stopped."""

import os

import pytest
from forked_processes import run_together
from safetensors.torch import load_file
from sharded_on_cpu import shard_on_cpu
from torch.distributed.tensor import DTensor

from trocr_gsa.train import sharding
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune

FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_TRANSFORMER_CLS_TO_WRAP": "GSANetLayer,TrOCRDecoderLayer",
}


def in_shards(note):
    """What makes accelerate shard on a CPU, and writes down what it finds cut."""
    put_together = sharding.whole

    def whole(tensor):
        if isinstance(tensor, DTensor):
            note.write_text("cut")
        return put_together(tensor)

    def prepare(rank):
        os.environ |= FSDP
        shard_on_cpu()
        sharding.whole = whole

    return prepare


@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module .* returned a view")  # nothing here works in place
def test_a_run_in_shards_goes_on_as_one_in_one_piece(tmp_path, source, checkpoint):
    values = {
        "train": source, "validation": source, "model": checkpoint, "method": "full", "warmup_steps": 0,
        "device": "cpu", "ema": 0.9,
    }  # fmt: skip
    one, cut = values | {"output": str(tmp_path / "one"), "batch_patches": 160}, values | {"batch_patches": 80}
    for steps in (1, 2):
        going_on = {"max_steps": steps, "resume": steps > 1}
        finetune(TrainingArguments.from_dict(one | going_on))
        words = [f"{key}={value}" for key, value in (cut | going_on | {"output": tmp_path / "cut"}).items()]
        done = run_together(2, ["finetune", *words], tmp_path / f"{steps}", in_shards(tmp_path / "note"))
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "note").read_text() == "cut"
    expected, found = (load_file(tmp_path / run / "last" / "model.safetensors") for run in ("one", "cut"))
    before = load_file(f"{checkpoint}/model.safetensors")
    assert expected.keys() == found.keys() == before.keys()
    far, moved = (
        sum(float((weights[name] - weight).norm() ** 2) for name, weight in expected.items()) ** 0.5
        for weights in (found, before)
    )
    assert far < 0.01 * moved
