"""What configs/accelerate/ ships is accepted by accelerate, and starts trainings and readings where there is no GPU."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from accelerate import Accelerator
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.utils import DistributedType

from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import make_accelerator

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs" / "accelerate").glob("*.yaml"))
LAUNCHER = [sys.executable, "-m", "accelerate.commands.launch"]


def test_there_are_configs():
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_file_is_one_of_accelerates_and_holds_the_whole_model_in_each_process(path):
    config = load_config_from_file(str(path))
    assert isinstance(config, ClusterConfig)
    assert config.distributed_type == DistributedType.MULTI_GPU
    assert config.num_processes % config.num_machines == 0


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_file_opens_with_purpose_and_command(path):
    opening = path.read_text(encoding="utf-8").splitlines()
    assert opening[0].startswith("# ")
    assert any(
        line.startswith("#   accelerate launch") and f"configs/accelerate/{path.name}" in line for line in opening
    )


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as waiting:
        waiting.bind(("127.0.0.1", 0))
        return waiting.getsockname()[1]


def launch(config: str, *words: object) -> subprocess.Popen:
    launcher = [*LAUNCHER, "--config_file", ROOT / "configs" / "accelerate" / config, "--num_processes", 2]
    return subprocess.Popen(
        list(map(str, [*launcher, *words])),
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_processes_train_as_the_file_for_one_machine_says(tmp_path, source, checkpoint):
    values = {"train": source, "model": checkpoint, "max_steps": 1, "device": "cpu", "output": tmp_path / "run"}
    words = [f"{key}={value}" for key, value in values.items()]
    training = launch("gpus.yaml", "--main_process_port", 0, ROOT / "scripts" / "finetune.py", *words)
    printed = training.communicate(timeout=300)[0]
    assert training.returncode == 0, printed
    assert printed.count("1 steps in") == 2


def test_two_launchers_read_as_the_file_for_two_machines_says(tmp_path, source, checkpoint, unused_port):
    output = tmp_path / "read.jsonl"
    words = ["-m", "trocr_gsa", "read", source, "--model", checkpoint, "--format", "jsonl", "--output", output]
    here = ["--main_process_port", unused_port, "--machine_rank"]
    machines = [launch("machines.yaml", *here, rank, *words) for rank in (0, 1)]
    for machine in machines:
        printed = machine.communicate(timeout=300)[0]
        assert machine.returncode == 0, printed
    assert len(output.read_text(encoding="utf-8").splitlines()) == len(list(Path(source).rglob("*.png")))


def test_a_launcher_that_would_shard_the_model_is_refused(monkeypatch):
    """By name: accelerate 1.15 shards on accelerators only, and on a CPU passes over what a file says of FSDP."""
    monkeypatch.setattr(Accelerator, "distributed_type", DistributedType.FSDP)
    with pytest.raises(ValueError, match="`distributed_type` FSDP shards the model"):
        make_accelerator(TrainingArguments.from_dict({"train": "lines", "device": "cpu"}))
