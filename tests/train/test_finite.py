"""Steps that are not finite are skipped by all processes alike; a run without others stops and keeps its weights."""

import itertools
import json
import math
from pathlib import Path

import pytest
import torch
from forked_processes import run_together
from safetensors.torch import load_file
from slow_cases import others_slow
from typer.testing import CliRunner

from trocr_gsa.cli.app import app
from trocr_gsa.reader import load_reader
from trocr_gsa.train import step as step_loss
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune, make_accelerator
from trocr_gsa.train.finite import MAX_IN_A_ROW, FiniteSteps, TrainingStoppedError, lines_at_fault
from trocr_gsa.train.loop import TrainingLoop

SHORT = {"max_steps": 4, "eval_every": 1, "log_every": 1, "warmup_steps": 0, "batch_patches": 80, "device": "cpu"}


def spoilt_loss(bad_steps, split=1):
    """`weighted_loss`, NaN in steps of one process that split their batches; they are counted from 0."""
    weigh, calls = step_loss.weighted_loss, []

    def spoil(*arguments):
        loss, parts = weigh(*arguments)
        bad = len(calls) // split in bad_steps and len(calls) % split == 0  # in the first part of the step alone
        calls.append(bad)
        return (loss * math.nan, {name: part * math.nan for name, part in parts.items()}) if bad else (loss, parts)

    return spoil


def spoilt_backward(bad_steps):
    """`_backward` after which a gradient is infinite, though the loss is finite."""
    backward, calls = TrainingLoop._backward, []

    def spoil(loop, *arguments):
        backward(loop, *arguments)
        if len(calls) in bad_steps:
            next(weight for weight in loop.optimised if weight.grad is not None).grad.view(-1)[0] = math.inf
        calls.append(1)

    return spoil


def adapter(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def log_of(output: Path) -> list[dict]:
    return [json.loads(row, parse_constant=pytest.fail) for row in (output / "log.jsonl").read_text().splitlines()]


def changed(first, second) -> bool:
    return any(not torch.equal(weight, second[name]) for name, weight in first.items())


@pytest.mark.parametrize(("kind", "split"), [("loss", 1), ("loss", 2), ("gradient", 1)])
def test_a_step_that_is_not_finite_changes_neither_weights_nor_average(
    tmp_path, monkeypatch, caplog, source, checkpoint, kind, split
):
    if kind == "loss":
        monkeypatch.setattr(step_loss, "weighted_loss", spoilt_loss({2}, split))
    else:
        monkeypatch.setattr(TrainingLoop, "_backward", spoilt_backward({2}))
    seen, save = [], TrainingLoop._save

    def watched(loop, is_best):
        save(loop, is_best)
        seen.append(adapter(loop.folder.last))

    monkeypatch.setattr(TrainingLoop, "_save", watched)
    values = {"train": source, "model": checkpoint, "output": str(tmp_path / "run"), "gradient_accumulation": split}
    state = finetune(TrainingArguments.from_dict(SHORT | values | {"ema": 0.5}))
    assert (state.step, state.skipped, state.skipped_in_a_row) == (4, 1, 0)
    assert [changed(*pair) for pair in itertools.pairwise(seen)] == [True, False, True]
    assert all(weight.isfinite().all() for weight in seen[-1].values())
    log = log_of(tmp_path / "run")
    assert [entry["skipped_steps"] for entry in log] == [0, 0, 1, 1]
    assert ["decoder_loss" in entry for entry in log] == [True, True, False, True]
    assert "Skipped step 2" in caplog.text
    assert "1 skipped" in state.summary()


@pytest.mark.parametrize(
    ("from_step", "steps"),
    [pytest.param(2, 40, marks=pytest.mark.slow), (2, 4), pytest.param(0, 40, marks=pytest.mark.slow), (0, 1)],
)
def test_a_run_that_does_not_recover_stops_and_keeps_its_weights(
    tmp_path, monkeypatch, source, checkpoint, from_step, steps
):
    monkeypatch.setattr(step_loss, "weighted_loss", spoilt_loss(range(from_step, 99)))
    values = SHORT | {"train": source, "validation": source, "model": checkpoint, "max_steps": steps, "eval_every": 2}
    words = [f"{key}={value}" for key, value in (values | {"output": tmp_path / "run"}).items()]
    result = CliRunner().invoke(app, ["finetune", *words])
    assert result.exit_code == 1
    said = next(line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert f"step {min(steps, from_step + MAX_IN_A_ROW)}" in said
    assert f"kept in {tmp_path / 'run'}" in said
    assert "lower `learning_rate` (it is 0.001)" in said
    assert "precision=fp32" not in said
    for name in ("best", "last"):
        weights = adapter(tmp_path / "run" / name)
        assert all(weight.isfinite().all() for weight in weights.values())
        assert any(weight.any() for key, weight in weights.items() if "lora_B" in key) == (from_step > 0)
        load_reader(checkpoint, tmp_path / "run" / name)
    assert log_of(tmp_path / "run") != []


def test_a_run_may_end_with_a_skipped_step(tmp_path, monkeypatch, source, checkpoint):
    monkeypatch.setattr(step_loss, "weighted_loss", spoilt_loss({3}))
    values = SHORT | {"train": source, "model": checkpoint, "output": str(tmp_path / "run")}
    assert finetune(TrainingArguments.from_dict(values)).skipped == 1


@pytest.mark.parametrize(("numbers", "expected"), [([1e30, 2.0], True), ([1e30, math.nan], False), ([math.inf], False)])
def test_large_losses_are_numbers_all_the_same(tmp_path, numbers, expected):
    arguments = TrainingArguments(train=["lines"], output=str(tmp_path), device="cpu")
    finite = FiniteSteps(arguments, make_accelerator(arguments), None, None)
    assert finite.are_finite([torch.tensor(number) for number in numbers]) == expected
    assert finite.are_finite([torch.ones(3, 2), torch.empty(0), torch.ones(2).bfloat16()])
    assert not finite.are_finite([torch.ones(3, 2), torch.tensor([1.0, math.nan])])


@pytest.mark.parametrize("method", ["lora", "full"])
def test_weights_that_overflow_in_the_first_step_leave_those_that_were(tmp_path, source, checkpoint, method):
    values = SHORT | {"train": source, "model": checkpoint, "output": str(tmp_path / "run"), "method": method}
    with pytest.raises(TrainingStoppedError, match="at step 0: its weights are no longer finite"):
        finetune(TrainingArguments.from_dict(values | {"learning_rate": 3e38, "ema": 0.9}))
    for name in ("best", "last"):
        weights = load_file(next((tmp_path / "run" / name).glob("*model.safetensors")))
        assert all(weight.isfinite().all() and weight.abs().max() < 1e3 for weight in weights.values())


def test_weights_that_overflow_reach_neither_average_nor_disk(tmp_path, monkeypatch, source, checkpoint):
    average, take = [], torch.optim.AdamW.step
    update = "trocr_gsa.train.optimisation.AveragedWeights.update"

    def overflowing(optimizer, *arguments):
        take(optimizer, *arguments)
        if len(average) == 2:
            optimizer.param_groups[0]["params"][0].data.view(-1)[0] = math.inf

    monkeypatch.setattr(torch.optim.AdamW, "step", overflowing)
    monkeypatch.setattr(update, lambda weights, step: average.append(step))
    values = SHORT | {"train": source, "model": checkpoint, "output": str(tmp_path / "run"), "ema": 0.9}
    with pytest.raises(TrainingStoppedError, match="kept in"):
        finetune(TrainingArguments.from_dict(values))
    assert average == [0, 1]
    state = torch.load(tmp_path / "run" / "last" / "training_state.pt", weights_only=True)
    assert state["run"]["step"] == 2
    assert all(weight.isfinite().all() for weight in state["weights"].values())


@pytest.mark.parametrize("bad_steps", others_slow([{1}, range(1, 99)], {1}))
def test_all_processes_skip_what_one_of_them_cannot_take(tmp_path, source, checkpoint, bad_steps):
    def prepare(rank):
        if rank == 1:
            step_loss.weighted_loss = spoilt_loss(bad_steps)

    values = SHORT | {"train": source, "model": checkpoint, "ema": 0.5, "output": tmp_path / "run"}
    done = run_together(2, ["finetune", *(f"{key}={value}" for key, value in values.items())], tmp_path / "io", prepare)
    assert done.returncode == (len(bad_steps) > 1), done.stderr
    assert done.stderr.count("at step 4: its last 3 steps were skipped") == (2 if len(bad_steps) > 1 else 0)
    assert all(weight.isfinite().all() for weight in adapter(tmp_path / "run" / "last").values())
    assert log_of(tmp_path / "run")[-1]["skipped_steps"] == (3 if len(bad_steps) > 1 else 1)


def test_the_lines_to_blame_are_found_by_their_texts(tiny, lines):
    model, processor = tiny
    batch = dict(processor(images=[line.image for line in lines[:3]], text=[line.text for line in lines[:3]]).items())
    assert lines_at_fault(model, [batch], processor) == []
    batch["pixel_values"][1] = math.nan
    assert lines_at_fault(model, [batch], processor) == [lines[1].text]
    batch["pixel_values"][:] = math.nan  # or weights are NaN: no line in particular
    assert lines_at_fault(model, [batch], processor) == []


@pytest.mark.parametrize("key", ["learning_rate", "clip_norm", "weight_decay", "ema", "angles", "max_minutes"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_arguments_are_finite(key, value):
    with pytest.raises(ValueError, match=f"`{key}` must be (a )?finite number"):
        TrainingArguments.from_dict({"train": "lines", key: value})
