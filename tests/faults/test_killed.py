"""Commands that are killed at any moment: what they leave is whole, and the same words again end as if nothing was.

A child process is killed (SIGKILL) after a time that is drawn anew for each round, until a round ends by itself.
"""

import json
import os
import signal
import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from forked_command import ended, start
from safetensors.torch import load_file
from slow_cases import others_slow

from trocr_gsa.atomic import recover

KILLS = pytest.mark.parametrize("most_kills", others_slow([3, 40], 3))  # after these, the rest is left to run
MOMENTS = np.random.default_rng(0)


def run_whole(words):
    assert ended(start(words)) == 0


def killed_until_it_ends(words_of_round, most_kills, most_seconds, look):
    """Kill a command at random moments, look at what it left each time, and start it again; return how often."""
    for number in range(most_kills):
        child = start(words_of_round(number))
        share = MOMENTS.random() ** 2 if number else 0.1  # early at first: some kill there must be
        ends = time.monotonic() + most_seconds * share
        status = None
        while status is None and time.monotonic() < ends:
            done, found = os.waitpid(child, os.WNOHANG)
            status = found if done else None
            time.sleep(0.002)
        if status is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            look()
        else:
            assert os.waitstatus_to_exitcode(status) == 0
            return number
    run_whole(words_of_round(most_kills))
    return most_kills


def seconds_of(words):
    started = time.monotonic()
    run_whole(words)
    return time.monotonic() - started


def hidden(folder):
    return [path.name for path in folder.rglob(".*") if path.name.endswith(".unfinished")]


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch):
    """Lines are written a few at a time, so that there is something to go on from."""
    monkeypatch.setattr("trocr_gsa.cli.read_lines.WINDOW", 4)
    monkeypatch.setattr("trocr_gsa.reader.pages.WINDOW", 4)
    monkeypatch.setattr("trocr_gsa.reader.pages.PAGES", 2)


@KILLS
def test_reading_lines_that_is_killed_goes_on(checkpoint, pictures, tmp_path, most_kills):
    words = ["read", pictures, "--model", checkpoint, "--device", "cpu", "--format", "jsonl", "--output"]
    most = seconds_of([*words, tmp_path / "whole.jsonl"])
    output = tmp_path / "killed.jsonl"

    def look():  # killed after its last step, before its process ended: the file is there, and whole
        assert not output.exists() or output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()

    assert killed_until_it_ends(lambda _: [*words, output], most_kills, most, look) > 0
    assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert hidden(tmp_path) == []
    assert not (tmp_path / "killed.jsonl.parts").exists()


@KILLS
def test_reading_pages_into_a_folder_that_is_killed_goes_on(checkpoint, pages, tmp_path, most_kills):
    words = ["read", pages, "--model", checkpoint, "--device", "cpu", "--format", "page", "--output-dir"]
    most = seconds_of([*words, tmp_path / "whole"])
    output = tmp_path / "killed"

    def look():
        for path in output.glob("*.xml"):
            ElementTree.parse(path)  # our own file: whole, or this raises

    assert killed_until_it_ends(lambda _: [*words, output], most_kills, most, look) > 0
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert sorted(path.name for path in output.iterdir()) == names
    for name in names:
        one, other = ((folder / name).read_text() for folder in (tmp_path / "whole", output))
        assert without_dates(one) == without_dates(other)


def without_dates(text):
    return [line for line in text.splitlines() if "LastChange" not in line and "Created" not in line]


@KILLS
@pytest.mark.parametrize("format", others_slow(["text", "csv"], "text"))
def test_reading_pages_into_one_file_that_is_killed_goes_on(checkpoint, pages, tmp_path, format, most_kills):
    words = ["read", pages, "--model", checkpoint, "--device", "cpu", "--format", format, "--output"]
    most = seconds_of([*words, tmp_path / "whole"])
    whole, output = (tmp_path / "whole").read_bytes(), tmp_path / "killed"

    def look():  # a kill may also come between the last write and the end of the process
        assert not output.exists() or output.read_bytes() == whole

    kills = killed_until_it_ends(lambda _: [*words, output], most_kills, most, look)
    assert kills > 0
    assert output.read_bytes() == whole
    assert hidden(tmp_path) == []


def log(folder):
    entries = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [{key: value for key, value in entry.items() if key != "minutes"} for entry in entries]


@KILLS
def test_a_training_that_is_killed_goes_on_and_ends_with_the_same_weights(
    checkpoint, lines_folder, tmp_path, most_kills
):
    settings = {
        "train": lines_folder, "validation": lines_folder, "model": checkpoint, "device": "cpu", "max_steps": 12,
        "eval_every": 2, "log_every": 1, "warmup_steps": 1, "batch_patches": 40, "augment": True, "input_noise": 0.2,
        "ema": 0.9,
    }  # fmt: skip
    words = ["finetune", *(f"{key}={value}" for key, value in settings.items())]
    most = seconds_of([*words, f"output={tmp_path / 'whole'}"])
    output = tmp_path / "killed"

    def look():
        for folder in (output / "best", output / "last"):
            if folder.exists():
                load_file(folder / "adapter_model.safetensors")

    def words_of_round(_):
        recover(output / "last")  # as the command itself does, before it looks whether there is a run
        return [*words, f"output={output}", *(["resume=true"] if (output / "last").exists() else [])]

    assert killed_until_it_ends(words_of_round, most_kills, most, look) > 0
    for name in ("best", "last"):
        one, other = (load_file(tmp_path / run / name / "adapter_model.safetensors") for run in ("whole", "killed"))
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert log(output) == log(tmp_path / "whole")
    assert hidden(output) == []
