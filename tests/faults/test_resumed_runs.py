"""A run goes on after a kill or damage as if nothing had happened: from the checkpoint before, if need be."""

import json
import math
import shutil

import pytest
import torch
from safetensors.torch import load_file
from slow_cases import others_slow

from trocr_gsa.checkpoints.training_state import STATE_FILE, SUM_FILE, DamagedStateError, load_state, save_state
from trocr_gsa.train import loop
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune
from trocr_gsa.train.optimisation import AveragedWeights, make_optimizer
from trocr_gsa.train.sharding import load_optimizer_state, load_trainable_state, optimizer_state, trainable_state

VALUES = {
    "max_steps": 6, "eval_every": 2, "log_every": 1, "warmup_steps": 1, "batch_patches": 40, "device": "cpu",
    "augment": True, "input_noise": 0.2, "ema": 0.9, "gradient_accumulation": 2, "lora_dropout": 0.1,
}  # fmt: skip


@pytest.fixture(scope="module")
def start(checkpoint, lines_folder, tmp_path_factory):
    """Start a run of six steps, three checkpoints, or go on with one."""

    def begin(output, **values):
        lines = {"train": str(lines_folder), "validation": str(lines_folder), "model": str(checkpoint)}
        return finetune(TrainingArguments.from_dict(VALUES | lines | {"output": str(output)} | values))

    return begin


@pytest.fixture(scope="module")
def whole(start, tmp_path_factory):
    """A run that nothing happened to."""
    output = tmp_path_factory.mktemp("whole") / "run"
    start(output)
    return output


@pytest.fixture(scope="module")
def ended_early(start, tmp_path_factory):
    """The same run, which ended after its second checkpoint."""
    output, is_over = tmp_path_factory.mktemp("ended_early") / "run", loop.TrainingLoop._is_over
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.TrainingLoop, "_is_over", lambda self: self.state.step >= 4 or is_over(self))
        start(output)
    return output


@pytest.fixture
def cut(ended_early, tmp_path):
    """A copy of the run that ended early, to go on with."""
    return shutil.copytree(ended_early, tmp_path / "run")


def log(output):
    """What was logged but for the clock."""
    entries = map(json.loads, (output / "log.jsonl").read_text().splitlines())
    return [{key: value for key, value in entry.items() if key != "minutes"} for entry in entries]


def assert_same(run, other):
    for name in ("last", "best"):
        one, two = (load_file(output / name / "adapter_model.safetensors") for output in (run, other))
        assert all(torch.equal(one[key], two[key]) for key in one)
    assert log(run) == log(other)


def test_a_run_that_ended_early_goes_on_and_logs_every_step_once(start, whole, cut):
    start(cut, resume=True)
    assert_same(cut, whole)
    assert [entry["step"] for entry in log(cut)] == [1, 2, 2, 3, 4, 4, 5, 6, 6]


@pytest.mark.parametrize(
    "how", others_slow(["empty", "cut", "garbage", "a flipped byte", "missing"], "a flipped byte", "missing")
)
def test_a_run_whose_last_state_is_damaged_goes_on_from_the_one_before(start, whole, cut, caplog, how):
    path = cut / "last" / STATE_FILE
    content = path.read_bytes()
    damaged = {"empty": b"", "cut": content[:-50], "garbage": b"no state" * 99}
    damaged["a flipped byte"] = content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]
    path.unlink() if how == "missing" else path.write_bytes(damaged[how])
    start(cut, resume=True)
    assert f"{path} is" in caplog.text
    assert "continues from the checkpoint before it, step 2" in caplog.text
    assert_same(cut, whole)
    assert len({(entry["step"], "cer" in entry) for entry in log(cut)}) == len(log(cut))


def test_a_run_that_has_no_other_checkpoint_says_so(start, cut):
    (cut / "last" / STATE_FILE).write_bytes(b"")
    shutil.rmtree(cut / ".last.previous")
    with pytest.raises(ValueError, match=r"`resume`: .*training_state.pt is damaged.* There is no earlier one"):
        start(cut, resume=True)


def test_a_run_whose_checkpoints_are_both_damaged_says_so(start, cut):
    for folder in ("last", ".last.previous"):
        (cut / folder / STATE_FILE).write_bytes(b"")
    with pytest.raises(ValueError, match=r"last/training_state.pt is damaged.* So is the one before it: start again"):
        start(cut, resume=True)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("run", 5),
        ("run", {"step": "x", "seconds": 1.0}),
        ("run", {"step": -5, "seconds": 1.0}),
        ("run", {"step": 2.5, "seconds": 1.0}),
        ("run", {"step": 4, "seconds": math.nan}),
        ("run", {"step": 4, "seconds": 1.0, "best_cer": "a"}),
        ("weights", [1]),
        ("weights", {"w": torch.tensor([math.nan])}),
        ("average", {}),
        ("average", {"average": [5]}),
    ],
    ids=str,
)
def test_a_state_with_other_content_is_as_bad_as_a_damaged_one(cut, part, value):
    state = load_state(cut / "last")
    save_state(cut / "last", state | {part: value})
    with pytest.raises(DamagedStateError, match=f"is not the state of a run: its `{part}` cannot be used"):
        load_state(cut / "last")


def test_a_flipped_byte_is_found_in_a_state_without_a_checksum(cut):
    path = cut / "last" / STATE_FILE
    (path.parent / SUM_FILE).unlink()
    load_state(path.parent)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedStateError, match="is damaged"):
        load_state(path.parent)


def test_a_state_of_another_kind_is_named(start, cut):
    save_state(cut / "last", load_state(cut / "last") | {"logged": 7})
    with pytest.raises(ValueError, match=r"`resume`: .*last holds the state of a run of another kind"):
        start(cut, resume=True)


def test_weights_moments_and_averages_of_other_shapes_are_refused():
    model = torch.nn.Linear(2, 3, bias=False)
    optimizer, average = make_optimizer(model, 1e-3, 0.1, 0.99), AveragedWeights(model, 0.9)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    weights, state = trainable_state(model), optimizer_state(optimizer)
    load_trainable_state(model, weights)
    load_optimizer_state(optimizer, state)
    with pytest.raises(ValueError, match=r"weight of shape \(\), expected \(3, 2\)"):
        load_trainable_state(model, {"weight": torch.tensor(1.0)})
    with pytest.raises(ValueError, match=r"averaged weight of shape \(2,\), expected \(3, 2\)"):
        average.load_state_dict({"average": [torch.ones(2)]})
    with pytest.raises(ValueError, match="the optimizer of other parameters"):
        load_optimizer_state(optimizer, state | {"param_groups": []})
    state["state"][0]["exp_avg"] = torch.zeros(7)
    with pytest.raises(ValueError, match=r"exp_avg of shape \(7,\), expected \(3, 2\)"):
        load_optimizer_state(optimizer, state)


def test_a_damaged_best_checkpoint_is_named_and_replaced(start, cut, caplog):
    weights = cut / "best" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    start(cut, resume=True)
    assert "The best checkpoint cannot be used" in caplog.text
    assert str(weights) in caplog.text
    assert load_file(weights)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [(None, "there is no such file"), ("", "got nothing"), ("gradient_checkpointing: fal", "true or false, got 'fal'")],
)
def test_damaged_settings_of_a_run_are_named_with_their_file(start, cut, settings, complaint):
    file = cut / "config.yaml"
    file.unlink() if settings is None else file.write_text(settings)
    with pytest.raises(
        ValueError, match=r"`resume`: .*config.yaml, which holds the settings.* cannot be used: "
    ) as error:
        start(cut, resume=True)
    assert complaint in str(error.value)


def test_what_a_killed_save_left_is_removed_and_a_torn_line_of_the_log_too(start, whole, cut):
    left = cut / ".last.0123456789abcdef.unfinished"
    shutil.copytree(cut / "last", left)
    with (cut / "log.jsonl").open("a") as file:
        file.write('{"step": 5, "minutes": 0.1}\n{"step": 6, "min')
    start(cut, resume=True)
    assert not left.exists()
    assert_same(cut, whole)


def test_a_run_that_is_over_is_left_as_it_is(start, whole, tmp_path):
    output = shutil.copytree(whole, tmp_path / "run")
    state = start(output, resume=True)
    assert state.step == 6
    assert_same(output, whole)


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_anew(start, whole, tmp_path):
    output = tmp_path / "run"
    output.mkdir()
    (output / "log.jsonl").write_text('{"step": 1, "decoder_loss": 3.0}\n')
    start(output)
    assert_same(output, whole)


def test_losses_are_averaged_over_the_same_steps_wherever_a_run_was_cut(start, tmp_path, monkeypatch):
    """The line of step 3 holds steps 1 to 3, though the run was cut after step 2."""
    short = {"log_every": 3, "max_steps": 3}
    start(tmp_path / "uncut", **short)
    is_over = loop.TrainingLoop._is_over
    with monkeypatch.context() as patch:
        patch.setattr(loop.TrainingLoop, "_is_over", lambda self: self.state.step >= 2 or is_over(self))
        start(tmp_path / "again", **short)
    start(tmp_path / "again", **short, resume=True)
    found, expected = (
        [entry["decoder_loss"] for entry in log(output) if "decoder_loss" in entry]
        for output in (tmp_path / "again", tmp_path / "uncut")
    )
    assert found == pytest.approx(expected, rel=1e-5)


def test_results_name_no_folder_by_where_somebody_stood(start, checkpoint, lines_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(checkpoint.parent.parent)
    base, lines = (str(path.relative_to(checkpoint.parent.parent)) for path in (checkpoint, lines_folder))
    output = tmp_path / "run"
    start(output, model=base, train=[f"{lines}:2"], validation=[lines], max_steps=1)
    results = (output / "best" / "results.json").read_text() + (output / "best" / "adapter_config.json").read_text()
    assert f'"{base}' not in results
    assert f'"{lines}' not in results
    assert json.loads((output / "best" / "results.json").read_text())["train"] == [f"{lines_folder}:2"]
