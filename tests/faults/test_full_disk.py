"""A disk without room: the command says which file did not fit, with exit code 2, and what was there before stays.

No file of the child process may become longer than some bytes, which is what a full disk looks like to it.
"""

import json
import resource
import shutil
import signal

import pytest
from forked_command import ended, start
from slow_cases import others_slow

from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune


def without_room(most):
    def prepare():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return prepare


def run_without_room(words, most, tmp_path):
    """Run a command whose files may have so many bytes; return what it said in one line."""
    errors = tmp_path / "errors"
    code = ended(start(words, errors, without_room(most)))
    lines = errors.read_text().splitlines()
    assert code == 2, lines
    assert "File too large" in lines[-1]
    assert not any("Traceback" in line for line in lines)
    return lines[-1]


def unfinished(folder):
    return [path.name for path in folder.rglob("*.unfinished")]


@pytest.mark.parametrize("what", ["pictures", "pages"])
def test_text_that_does_not_fit_leaves_the_earlier_one(request, checkpoint, tmp_path, what):
    output = tmp_path / "texts.jsonl"
    output.write_text("what was read before\n")
    source = request.getfixturevalue(what)
    words = ["read", source, "--model", checkpoint, "--device", "cpu", "--format", "jsonl", "--output", output]
    message = run_without_room(words, 300, tmp_path)
    assert str(output) in message
    assert output.read_text() == "what was read before\n"
    assert unfinished(tmp_path) == []
    assert ended(start(words)) == 0
    assert len(output.read_text().splitlines()) > 20


def test_pages_that_do_not_fit_do_not_appear(checkpoint, pages, tmp_path):
    output = tmp_path / "out"
    words = ["read", pages, "--model", checkpoint, "--device", "cpu", "--format", "page", "--output-dir", output]
    message = run_without_room(words, 300, tmp_path)
    assert str(output) in message
    assert list(output.glob("*")) == []
    assert ended(start(words)) == 0


@pytest.mark.parametrize("option", ["--json", "--report"])
def test_numbers_that_do_not_fit_leave_the_earlier_ones(checkpoint, lines_folder, tmp_path, option):
    output = tmp_path / "numbers"
    output.write_text("before")
    words = ["evaluate", lines_folder, "--model", checkpoint, "--device", "cpu", "--angles", "0", option, output]
    assert str(output) in run_without_room(words, 250, tmp_path)
    assert output.read_text() == "before"
    assert unfinished(tmp_path) == []


@pytest.mark.parametrize(
    "words",
    [
        ["compile", "LINES", "OUT.parquet"],
        pytest.param(["export", "MODEL", "OUT"], marks=pytest.mark.slow),
        ["push", "MODEL", "owner/name", "--dry-run", "OUT"],
    ],
)
def test_what_does_not_fit_does_not_appear(checkpoint, lines_folder, tmp_path, words):
    if words[0] == "export":
        pytest.importorskip("onnxscript")
    places = {
        "LINES": lines_folder,
        "MODEL": checkpoint,
        "OUT": tmp_path / "out",
        "OUT.parquet": tmp_path / "o.parquet",
    }
    message = run_without_room([places.get(word, word) for word in words], 1000, tmp_path)
    assert str(tmp_path / "o") in message
    assert [path.name for path in tmp_path.iterdir()] == ["errors"]


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("most", others_slow([4000, 40_000, 100_000], 40_000))
def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(checkpoint, lines_folder, tmp_path, method, most):
    values = {"train": str(lines_folder), "model": str(checkpoint), "method": method, "device": "cpu", "max_steps": 2,
              "eval_every": 2, "batch_patches": 40, "log_every": 100}  # fmt: skip
    output = tmp_path / "run"
    finetune(TrainingArguments.from_dict(values | {"output": str(output)}))
    before = {path: path.read_bytes() for path in sorted((output / "last").iterdir())}
    longer = values | {"max_steps": 6, "resume": "true", "output": output}
    largest = max(map(len, before.values()))
    words = ["finetune", *(f"{key}={value}" for key, value in longer.items())]
    message = run_without_room(words, min(most, largest - 1), tmp_path)
    assert str(output) in message
    assert {path: path.read_bytes() for path in sorted((output / "last").iterdir())} == before
    assert unfinished(output) == []
    shutil.copytree(output, tmp_path / "again")
    state = finetune(TrainingArguments.from_dict(longer | {"output": str(output), "resume": True}))
    assert state.step == 6
    assert json.loads((output / "last" / "results.json").read_text())["steps"] == 6
