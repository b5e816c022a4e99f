"""Checkpoints that are not what their configuration says."""

import json

import pytest
from safetensors.torch import load_file, save_file
from tiny_checkpoint import save_checkpoint

from trocr_gsa.train.build import load_model


def test_weights_of_another_group_are_named(tmp_path):
    folder = save_checkpoint(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["encoder"]["group"] = "D4"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"`model`.*group D4.*another shape"):
        load_model(str(folder))


def test_a_missing_weight_is_an_error_and_never_random(tmp_path):
    folder = save_checkpoint(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    lost = "encoder.lifting.mlp.fc1.weight"
    save_file({name: weight for name, weight in weights.items() if name != lost}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=lost):
        load_model(str(folder))
