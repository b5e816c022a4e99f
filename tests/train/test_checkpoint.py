"""The state of a run comes back whole, or not at all."""

import pytest
import torch

from trocr_gsa.checkpoints.training_state import load_state, save_state
from trocr_gsa.train.sharding import load_trainable_state


def test_the_state_of_a_run_comes_back(tmp_path):
    save_state(tmp_path, {"run": {"step": 3}, "weights": {"w": torch.ones(2)}})
    state = load_state(tmp_path)
    assert state["run"] == {"step": 3}
    assert torch.equal(state["weights"]["w"], torch.ones(2))


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`resume`: there is no run"):
        load_state(tmp_path)


def test_weights_of_another_model_are_refused():
    with pytest.raises(ValueError, match="`resume`: the checkpoint trains other parameters"):
        load_trainable_state(torch.nn.Linear(2, 2), {"weight": torch.ones(2, 2)})
