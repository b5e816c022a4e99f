"""A folder has one name, and one that is not there is told before anything is loaded."""

import json
from pathlib import Path

import pytest

from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune

QUICK = {"max_steps": 1, "eval_every": 1, "warmup_steps": 0, "device": "cpu"}


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("train", "lnes"),
        ("train", "lines/nowhere"),
        ("train", "./lines/nowhere:0.5"),
        ("train", "/no/where"),
        ("train", "12:30"),
        ("validation", "lnes/"),
        ("model", "mdl"),
        ("model", "lines/model"),
    ],
)
def test_a_mistyped_folder_is_told_before_anything_is_loaded(tmp_path, source, monkeypatch, key, word):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trocr_gsa.train.finetune.build", None)  # not called
    values = {"train": source, "output": str(tmp_path / "run")} | QUICK | {key: word}
    with pytest.raises(ValueError, match=f"^`{key}`: there is no folder ") as raised:
        finetune(TrainingArguments.from_dict(values))
    assert word.strip("/").removesuffix(":0.5") in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_and_logs_the_same_names_with_a_slash_behind_its_folders(tmp_path, source, checkpoint):
    other = tmp_path / "other"
    other.symlink_to(source)
    values = {"train": source, "validation": [source, str(other)], "model": checkpoint} | QUICK
    values["output"] = str(tmp_path / "run")
    finetune(TrainingArguments.from_dict(values))
    slashed = {key: f"{value}/" if key in ("train", "model", "output") else value for key, value in values.items()}
    slashed["validation"] = [f"{source}/", f"{other}/"]
    finetune(TrainingArguments.from_dict(slashed | {"resume": True, "max_steps": 2}))
    log = [json.loads(line) for line in (Path(values["output"]) / "log.jsonl").read_text().splitlines()]
    sets = [{key for key in entry if key.startswith("cer/")} for entry in log if "cer" in entry]
    assert sets == [{f"cer/{source}", f"cer/{other}"}] * 2
    results = json.loads((Path(values["output"]) / "best" / "results.json").read_text())
    assert results["train"] == [source]
    assert results["base"] == checkpoint


@pytest.mark.parametrize("key", ["train", "validation"])
def test_a_folder_without_lines_is_told_by_the_key_that_names_it(tmp_path, source, tiny_architecture, monkeypatch, key):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    values = {"train": source, "validation": source, "output": "run", "method": "full"} | tiny_architecture | QUICK
    with pytest.raises(ValueError, match=rf"^`{key}`: empty has neither"):
        finetune(TrainingArguments.from_dict(values | {key: "empty"}))
