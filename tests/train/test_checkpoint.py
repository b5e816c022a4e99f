"""Checkpoints survive what goes wrong while they are written."""

import errno

import pytest
import torch

from trocr_gsa.train import checkpoint
from trocr_gsa.train.checkpoint import load_state, recover, save_state, write_atomically
from trocr_gsa.train.sharding import load_trainable_state


def write(text):
    return lambda folder: (folder / "file").write_text(text)


def test_a_write_replaces_the_whole_folder(tmp_path):
    write_atomically(tmp_path / "last", lambda folder: (folder / "stale").write_text("1"))
    write_atomically(tmp_path / "last", write("2"))
    assert [path.name for path in (tmp_path / "last").iterdir()] == ["file"]
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path):
    write_atomically(tmp_path / "last", write("1"))

    def fail(folder):
        write("half")(folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "last", fail)
    assert (tmp_path / "last" / "file").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_a_disk_that_fails_while_flushing_leaves_the_previous_checkpoint(tmp_path, monkeypatch):
    write_atomically(tmp_path / "last", write("1"))

    def fail(folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "_flush", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "last", write("2"))
    assert (tmp_path / "last" / "file").read_text() == "1"


def test_a_replacement_cut_between_its_renames_is_undone(tmp_path):
    write_atomically(tmp_path / "last", write("1"))
    (tmp_path / "last").rename(tmp_path / ".last.previous")
    recover(tmp_path / "last")
    assert (tmp_path / "last" / "file").read_text() == "1"


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
