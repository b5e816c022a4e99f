"""Every shipped config runs as it stands, but for the lines, the length and the size of a new model."""

from pathlib import Path

import pytest

from trocr_gsa.train.arguments import TrainingArguments, read_config
from trocr_gsa.train.finetune import finetune

CONFIGS = sorted((Path(__file__).parents[2] / "trocr_gsa" / "configs").glob("*.yaml"))


def test_there_are_configs():
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_trains_two_steps(path, tmp_path, source, request):
    config = read_config(path)
    if "pretrained_decoder" in config:
        encoder = request.getfixturevalue("tiny_architecture").items()
        base = {key: value for key, value in encoder if not key.startswith("decoder_")}
        base["pretrained_decoder"] = request.getfixturevalue("stock_checkpoint")
    elif any(key.startswith("encoder_") for key in config):
        base = request.getfixturevalue("tiny_architecture")
    else:
        taken_over = config.get("train_pose", False)
        base = {"model": request.getfixturevalue("taken_over" if taken_over else "checkpoint")}
    overrides = {"train": source, "validation": source, "output": str(tmp_path / "run"), "device": "cpu"}
    if "first_train" in config:
        overrides |= {"first_train": source, "first_steps": 1}
    arguments = TrainingArguments.from_dict(config | base | overrides | {"max_steps": 2, "num_workers": 0})
    assert finetune(arguments).step == 2
    assert (tmp_path / "run" / "best").exists()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_opens_with_purpose_and_command(path):
    opening = path.read_text(encoding="utf-8").splitlines()
    assert opening[0].startswith("# ")
    assert any(line.startswith("#   ") and f"finetune {path.stem}" in line for line in opening)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_names_no_lines_but_what_the_packaged_readers_recipe_prepares(path):
    config = read_config(path)
    named = [*config.get("first_train", []), *config.get("train", []), *config.get("validation", [])]
    assert bool(named) == (path.stem == "reader_hands")
    assert all(source.startswith(("prepared/", "rendered/")) for source in named)
