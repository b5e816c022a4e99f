"""The state of a run comes back whole, or not at all."""

import numpy as np
import pytest
import torch

from trocr_gsa.checkpoints.training_state import STATE_FILE, SUM_FILE, DamagedStateError, load_state, save_state
from trocr_gsa.train.sharding import load_trainable_state

STATE = {"run": {"step": 3}, "weights": {"w": torch.arange(300.0)}, "optimizer": {}, "average": None}
DAMAGE = {
    "empty": lambda content: b"",
    "cut": lambda content: content[:-100],
    "cut to a half": lambda content: content[: len(content) // 2],
    "garbage": lambda content: bytes(range(256)) * 20,
    "text": lambda content: b"<html>404 not found</html>",
    "longer": lambda content: content + b"\0",
    "a Git LFS pointer": lambda content: b"version https://git-lfs.github.com/spec/v1\n",
}


@pytest.fixture
def folder(tmp_path):
    save_state(tmp_path, STATE)
    return tmp_path


def test_the_state_of_a_run_comes_back(folder):
    state = load_state(folder)
    assert state["run"] == {"step": 3}
    assert torch.equal(state["weights"]["w"], STATE["weights"]["w"])


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`resume`: there is no run"):
        load_state(tmp_path / "nowhere")
    with pytest.raises(DamagedStateError, match=rf"`resume`: .*{STATE_FILE} is missing"):
        load_state(tmp_path)


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("with_sum", [True, False])
def test_a_damaged_state_is_named(folder, how, with_sum):
    path = folder / STATE_FILE
    path.write_bytes(DAMAGE[how](path.read_bytes()))
    if not with_sum:
        (folder / SUM_FILE).unlink()
        if how == "longer":
            return  # which a ZIP file may be
    with pytest.raises(DamagedStateError, match=f"`resume`: {path} is damaged"):
        load_state(folder)


def test_one_flipped_bit_is_seen_wherever_it_is(folder):
    path = folder / STATE_FILE
    content = path.read_bytes()
    for place in np.random.default_rng(0).integers(8 * len(content), size=100).tolist():
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(DamagedStateError, match="is damaged"):
            load_state(folder)


@pytest.mark.parametrize("state", [[], {"run": {}}, torch.ones(2)])
def test_a_state_of_something_else_is_refused(tmp_path, state):
    save_state(tmp_path, state)
    with pytest.raises(DamagedStateError, match="is not the state of a run"):
        load_state(tmp_path)


def test_weights_of_another_model_are_refused():
    with pytest.raises(ValueError, match="`resume`: the checkpoint trains other parameters"):
        load_trainable_state(torch.nn.Linear(2, 2), {"weight": torch.ones(2, 2)})
