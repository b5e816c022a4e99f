"""Two processes train the adapter that one with twice the batch trains."""

import torch
from forked_processes import run_together
from safetensors.torch import load_file

from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune


def test_two_processes_train_what_one_trains_with_twice_the_batch(tmp_path, source, checkpoint):
    values = {
        "train": source, "validation": source, "model": checkpoint, "max_steps": 3, "warmup_steps": 0, "device": "cpu",
        "ema": 0.9,
    }  # fmt: skip
    one, two = tmp_path / "one", tmp_path / "two"
    finetune(TrainingArguments.from_dict(values | {"output": str(one), "batch_patches": 160}))
    words = [f"{key}={value}" for key, value in (values | {"output": two, "batch_patches": 80}).items()]
    done = run_together(2, ["finetune", *words], tmp_path / "logs")
    assert done.returncode == 0, done.stderr
    adapter, other = (load_file(folder / "last" / "adapter_model.safetensors") for folder in (one, two))
    assert any(weight.abs().max() > 1e-3 for name, weight in adapter.items() if "lora_B" in name)
    for name, weight in adapter.items():
        torch.testing.assert_close(other[name], weight, atol=1e-5, rtol=1e-4)
