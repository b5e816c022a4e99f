"""What configs/accelerate/ ships is accepted by accelerate, and starts trainings and readings where there is no GPU."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.utils import DistributedType
from safetensors.torch import load_file

from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune, make_accelerator

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "trocr_gsa" / "configs" / "accelerate"
CONFIGS = sorted(FOLDER.glob("*.yaml"))
LAUNCHER = [sys.executable, "-m", "accelerate.commands.launch"]


def test_there_are_configs():
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_file_is_one_of_accelerates_and_shards_as_the_loop_can_put_together(path):
    config = load_config_from_file(str(path))
    assert isinstance(config, ClusterConfig)
    assert config.distributed_type in (DistributedType.MULTI_GPU, DistributedType.FSDP)
    assert config.distributed_type == DistributedType.MULTI_GPU or config.fsdp_config["fsdp_version"] == 2
    assert config.num_processes % config.num_machines == 0


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_file_opens_with_purpose_and_command(path):
    opening = path.read_text(encoding="utf-8").splitlines()
    assert opening[0].startswith("# ")
    shown = f"#   accelerate launch --config_file trocr_gsa/configs/accelerate/{path.name}"
    assert any(line.startswith(shown) for line in opening)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as waiting:
        waiting.bind(("127.0.0.1", 0))
        return waiting.getsockname()[1]


def launch(config: str, *words: object) -> subprocess.Popen:
    launcher = [*LAUNCHER, "--config_file", FOLDER / config, "--num_processes", 2]
    return subprocess.Popen(
        list(map(str, [*launcher, *words])),
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_train_as_the_file_for_one_machine_says(tmp_path, source, checkpoint):
    values = {"train": source, "model": checkpoint, "max_steps": 1, "device": "cpu", "output": tmp_path / "run"}
    words = [f"{key}={value}" for key, value in values.items()]
    training = launch("gpus.yaml", "--main_process_port", 0, ROOT / "scripts" / "finetune.py", *words)
    printed = training.communicate(timeout=300)[0]
    assert training.returncode == 0, printed
    assert printed.count("1 steps in") == 2


@pytest.mark.slow
def test_two_launchers_read_as_the_file_for_two_machines_says(tmp_path, source, checkpoint, unused_port):
    output = tmp_path / "read.jsonl"
    words = ["-m", "trocr_gsa", "read", source, "--model", checkpoint, "--format", "jsonl", "--output", output]
    here = ["--main_process_port", unused_port, "--machine_rank"]
    machines = [launch("machines.yaml", *here, rank, *words) for rank in (0, 1)]
    for machine in machines:
        printed = machine.communicate(timeout=300)[0]
        assert machine.returncode == 0, printed
    assert len(output.read_text(encoding="utf-8").splitlines()) == len(list(Path(source).rglob("*.png")))


@pytest.mark.slow
def test_two_processes_train_in_shards_what_one_trains_with_twice_the_batch(tmp_path, source, checkpoint):
    values = {"train": source, "model": checkpoint, "max_steps": 3, "warmup_steps": 0, "device": "cpu", "ema": 0.9}
    finetune(TrainingArguments.from_dict(values | {"output": str(tmp_path / "one"), "batch_patches": 160}))
    shards = values | {"output": tmp_path / "shards", "batch_patches": 80}
    scripts = [ROOT / "tests" / "train" / "sharded_on_cpu.py", ROOT / "scripts" / "finetune.py"]
    training = launch(
        "fsdp.yaml", "--main_process_port", 0, *scripts, *(f"{key}={value}" for key, value in shards.items())
    )
    printed = training.communicate(timeout=300)[0]
    assert training.returncode == 0, printed
    expected, found = (load_file(tmp_path / run / "last" / "adapter_model.safetensors") for run in ("one", "shards"))
    assert any(weight.abs().max() > 1e-3 for name, weight in found.items() if "lora_B" in name)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("shards", "version"), [(DistributedType.DEEPSPEED, 2), (DistributedType.FSDP, 1)])
def test_shards_that_cannot_be_put_together_are_refused(monkeypatch, shards, version):
    monkeypatch.setattr(Accelerator, "distributed_type", shards)
    monkeypatch.setattr(Accelerator, "is_fsdp2", version == 2)
    with pytest.raises(ValueError, match=f"`distributed_type` {shards.value} must be MULTI_GPU, or FSDP with"):
        make_accelerator(TrainingArguments.from_dict({"train": "lines", "device": "cpu"}))
