"""What `finetune` says before, during and after a training, and when it is stopped."""

import pytest

from trocr_gsa.cli.progress import Meter
from trocr_gsa.cli.shown_training import ShownTraining
from trocr_gsa.train.loop import TrainingLoop

QUICK = ["max_steps=4", "eval_every=2", "log_every=1", "warmup_steps=0", "device=cpu"]


@pytest.fixture
def words(lines, tmp_path):
    return ["finetune", f"train={lines}", f"validation={lines}", f"output={tmp_path / 'run'}", *QUICK]


def test_lines_are_described_before_and_the_curve_is_drawn_after(call, words, lines, tmp_path):
    result = call(*words)
    assert result.exit_code == 0
    assert f"{lines}: 3 lines, 15 characters" in result.stderr
    assert "median CER" in result.stderr
    assert f"learning curve: {tmp_path / 'run' / 'learning_curve.svg'}" in result.stderr
    assert "cer" in (tmp_path / "run" / "learning_curve.svg").read_text()


def test_a_quiet_training_prints_its_result_alone(call, words):
    result = call(*words, "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("4 steps in ")


def test_a_stopped_training_says_which_checkpoint_it_has_and_continues(call, words, tmp_path, monkeypatch):
    step = TrainingLoop._take_step

    def stop_at_the_fourth(self, batches):
        if self.state.step == 3:
            raise KeyboardInterrupt
        step(self, batches)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_take_step", stop_at_the_fourth)
        stopped = call(*words)
    run = tmp_path / "run"
    assert stopped.exit_code == 130
    assert stopped.stderr.splitlines()[-1] == (
        f"stopped: the checkpoint of step 2 is in {run / 'last'}, the best one in {run / 'best'}. "
        "The same command with --resume continues."
    )
    continued = call(*words, "--resume")
    assert continued.exit_code == 0
    assert "median CER" not in continued.stderr  # the lines are those of the stopped run


def test_a_training_that_is_stopped_before_its_first_checkpoint_starts_again(call, words, monkeypatch):
    def stop(self, batches):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_take_step", stop)
        stopped = call(*words)
    assert stopped.exit_code == 130
    assert stopped.stderr.splitlines()[-1] == "stopped: no checkpoint was saved yet. The same command starts again."
    assert call(*words).exit_code == 0


def test_steps_loss_and_rates_are_shown():
    meter = Meter("training", 1, unit="")
    shown = ShownTraining(meter, max_steps=1000)
    shown.begin(0.1)
    shown.measured(loss=1.23456)
    shown.step(101, 0.101, 16)
    assert meter.summary().startswith("training: step 101 of 1,000, loss 1.235")
    shown.measured(cer=0.2, best_cer=0.15)
    shown.step(102, 0.102, 16)
    assert "loss 1.235, CER 20.00%, best 15.00%, " in meter.summary()
    assert "lines/s" in meter.summary()


def test_the_time_left_counts_from_where_a_stopped_training_continues(monkeypatch):
    meter = Meter("training", 1, unit="")
    meter.begin(0.5)
    monkeypatch.setattr("trocr_gsa.cli.progress.time.monotonic", lambda: meter.started + 10)
    meter.update(0.75)
    assert meter.summary() == "training: 0:00:10 left"
