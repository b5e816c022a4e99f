"""The losses in the log are means over the steps that ran, wherever a run was stopped."""

import torch
from accelerate import Accelerator

from trocr_gsa.train.logged import LoggedLosses


def test_the_sums_of_a_stopped_run_go_on():
    before, after = LoggedLosses(Accelerator(cpu=True)), LoggedLosses(Accelerator(cpu=True))
    before.add({"decoder": torch.tensor(3.0)})
    after.load_state_dict(before.state_dict())
    after.add({"decoder": torch.tensor(5.0)})
    assert after.take_means() == {"decoder_loss": 4.0}


def test_without_these_sums_the_first_means_are_over_the_steps_since():
    """As in a checkpoint of version 0.1.0; not over `log_every`, of which fewer have run."""
    after = LoggedLosses(Accelerator(cpu=True))
    after.load_state_dict(None)
    after.add({"decoder": torch.tensor(5.0)})
    assert after.take_means() == {"decoder_loss": 5.0}


def test_steps_that_were_skipped_do_not_count_and_no_steps_have_no_means():
    losses = LoggedLosses(Accelerator(cpu=True))
    assert losses.take_means() == {}
    losses.add({"decoder": torch.tensor(5.0)})
    losses.take_means()
    assert losses.take_means() == {}
