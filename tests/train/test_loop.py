"""Runs: what they leave behind, how they stop, and that they continue exactly."""

import errno
import json
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoProcessor

from trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.layers import GSANetPoseHead
from trocr_gsa.train import loop
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune

SHORT = {"max_steps": 4, "eval_every": 2, "log_every": 1, "warmup_steps": 1, "batch_patches": 80, "device": "cpu"}
STOCHASTIC = {"augment": True, "input_noise": 0.2, "ema": 0.9, "gradient_accumulation": 2}


def run(tmp_path, name, **values):
    output = tmp_path / name
    state = finetune(TrainingArguments.from_dict(SHORT | {"output": str(output)} | values))
    return output, state


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(next(folder.glob("*model.safetensors")))


def same(first: Path, second: Path) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def stop_after(monkeypatch, steps):
    is_over = loop.TrainingLoop._is_over
    monkeypatch.setattr(loop.TrainingLoop, "_is_over", lambda self: self.state.step >= steps or is_over(self))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_an_interrupted_run_continues_exactly(tmp_path, monkeypatch, source, checkpoint, method):
    values = STOCHASTIC | {"train": source, "model": checkpoint, "method": method, "lora_dropout": 0.1}
    whole, _ = run(tmp_path, "whole", **values)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        cut, state = run(tmp_path, "cut", **values)
    assert state.step == 2
    assert not same(cut / "last", whole / "last")
    run(tmp_path, "cut", resume=True, **values)
    assert same(cut / "last", whole / "last")


def test_a_run_leaves_settings_versions_log_and_checkpoints(tmp_path, source, checkpoint):
    output, state = run(
        tmp_path, "run", train=source, validation=source, angles=[0, 90], model=checkpoint, tensorboard=True
    )
    assert yaml.safe_load((output / "config.yaml").read_text())["model"] == checkpoint
    assert "torch" in json.loads((output / "versions.json").read_text())
    log = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log if "decoder_loss" in entry] == [1, 2, 3, 4]
    measured = [entry for entry in log if "cer" in entry]
    assert [entry["step"] for entry in measured] == [2, 4]
    assert {"wer", "orientation_accuracy", "cer_columns"} <= measured[0].keys()
    assert state.best_cer == min(entry["cer"] for entry in measured)
    assert (output / "best" / "adapter_config.json").exists()
    assert (output / "last" / "training_state.pt").exists()
    assert list(output.rglob("events.out.tfevents*"))


def test_a_fully_trained_checkpoint_loads_by_itself(tmp_path, source, checkpoint):
    output, _ = run(tmp_path, "run", train=source, model=checkpoint, method="full")
    assert isinstance(TrOCRGSAModel.from_pretrained(output / "best"), TrOCRGSAModel)
    assert AutoProcessor.from_pretrained(output / "best").image_processor.line_height == 16


def test_training_lowers_the_loss(tmp_path, source, checkpoint):
    values = {"max_steps": 30, "eval_every": 30, "learning_rate": 0.01, "batch_patches": 400, "log_every": 5}
    output, _ = run(tmp_path, "run", train=source, model=checkpoint, method="full", **values)
    log = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    assert log[-1]["decoder_loss"] < 0.7 * log[0]["decoder_loss"]


def test_a_run_without_gain_stops_early(tmp_path, source, checkpoint):
    values = {"learning_rate": 0.0, "eval_every": 1, "patience": 2, "max_steps": 10}
    _, state = run(tmp_path, "run", train=source, validation=source, model=checkpoint, **values)
    assert state.step == 3


def test_a_run_out_of_time_stops_and_saves(tmp_path, source, checkpoint):
    output, state = run(tmp_path, "run", train=source, model=checkpoint, max_minutes=1e-9, max_steps=None)
    assert state.step <= 1
    assert (output / "last").exists()


def test_a_run_is_saved_between_evaluations_too_and_continues_from_there(tmp_path, monkeypatch, source, checkpoint):
    values = STOCHASTIC | {"train": source, "model": checkpoint, "eval_every": 100}
    whole, _ = run(tmp_path, "whole", **values)

    class Killed(Exception):
        pass

    def killed(self):
        if self.state.step == 3:
            raise Killed
        return self.state.step >= 4

    with monkeypatch.context() as patch:
        patch.setattr(loop.TrainingLoop, "_is_over", killed)
        with pytest.raises(Killed):
            run(tmp_path, "cut", save_minutes=0.0, **values)
    assert (tmp_path / "cut" / "last").exists()
    assert not (tmp_path / "cut" / "best").exists()
    cut, _ = run(tmp_path, "cut", resume=True, **values)
    assert same(cut / "last", whole / "last")


def test_a_full_disk_leaves_the_previous_checkpoint_of_a_run(tmp_path, monkeypatch, source, checkpoint):
    values = {"train": source, "model": checkpoint}
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        output, _ = run(tmp_path, "run", **values)
    before = weights(output / "last")

    def fail(folder, state):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_state", fail)
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path, "run", resume=True, **values)
    assert all(torch.equal(weight, before[name]) for name, weight in weights(output / "last").items())
    _, state = run(tmp_path, "run", resume=True, **values)
    assert state.step == 4


def test_a_second_run_does_not_overwrite_the_first(tmp_path, source, checkpoint):
    run(tmp_path, "run", train=source, model=checkpoint)
    with pytest.raises(ValueError, match=r"`output`: .* already holds a run"):
        run(tmp_path, "run", train=source, model=checkpoint)


def test_a_run_is_not_continued_with_other_settings(tmp_path, source, checkpoint):
    run(tmp_path, "run", train=source, model=checkpoint)
    with pytest.raises(ValueError, match=r"`rank` is 2, but the run in .* was started with 8"):
        run(tmp_path, "run", train=source, model=checkpoint, rank=2, resume=True)


def test_nothing_to_continue_is_an_error(tmp_path, source, checkpoint):
    with pytest.raises(ValueError, match="`resume`: there is no run"):
        run(tmp_path, "run", train=source, model=checkpoint, resume=True)


def test_a_model_that_is_an_adapter_or_nothing_is_refused(tmp_path, source, checkpoint):
    output, _ = run(tmp_path, "run", train=source, model=checkpoint)
    with pytest.raises(ValueError, match=r"`model`: .* is an adapter"):
        run(tmp_path, "other", train=source, model=str(output / "best"))
    with pytest.raises(ValueError, match="`model`: there is no folder"):
        run(tmp_path, "other", train=source, model=str(tmp_path / "nowhere"))


def test_gradient_checkpointing_and_bf16_train(tmp_path, source, checkpoint):
    _, state = run(
        tmp_path, "run", train=source, model=checkpoint, gradient_checkpointing=True, precision="bf16", max_steps=2
    )
    assert state.step == 2


@pytest.mark.parametrize(
    ("targets", "computed"),
    [
        pytest.param("behind_pose", False, marks=pytest.mark.slow),
        ("decoder", False),
        ("encoder", True),
        pytest.param("both", True, marks=pytest.mark.slow),
    ],
)
def test_what_tells_a_pose_is_computed_only_where_it_learns(
    tmp_path, monkeypatch, source, checkpoint, targets, computed
):
    looked = []
    look = GSANetPoseHead.forward
    monkeypatch.setattr(GSANetPoseHead, "forward", lambda *a: looked.append(1) or look(*a))
    values = {"train": source, "model": checkpoint, "targets": targets, "learning_rate": 0.01}
    told, _ = run(tmp_path, "told", **values)
    assert bool(looked) == computed
    monkeypatch.setattr(loop.TrainingLoop, "_orientation", lambda *_: {})
    plain, _ = run(tmp_path, "plain", **values)
    for name, weight in weights(told / "last").items():
        torch.testing.assert_close(weight, weights(plain / "last")[name], atol=1e-4, rtol=1e-3)


def test_a_turned_line_that_says_so_is_read_from_its_own_side(tmp_path, monkeypatch, source, checkpoint):
    lines = Path(source) / "train" / "metadata.jsonl"
    rows = [json.loads(row) for row in lines.read_text().splitlines()]
    with monkeypatch.context() as patch:
        patch.setattr(loop.TrainingLoop, "_orientation", lambda *_: {})
        upright, _ = run(tmp_path, "upright", train=source, model=checkpoint, targets="behind_pose")
    for row in rows[::2]:
        picture = lines.with_name(row["file_name"])
        Image.open(picture).transpose(Image.Transpose.ROTATE_90).save(picture)
        row["angle"] = 90
    lines.write_text("\n".join(json.dumps(row) for row in rows))
    turned, _ = run(tmp_path, "turned", train=source, model=checkpoint, targets="behind_pose")
    for name, weight in weights(turned / "last").items():
        torch.testing.assert_close(weight, weights(upright / "last")[name], atol=1e-4, rtol=1e-3)
