"""What the README shows runs, and what it names is there."""

import re
from pathlib import Path

import pytest
from tiny_checkpoint import draw_line
from typer.main import get_command

from trocr_gsa.cli.app import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    line.split("#")[0].split()
    for kind, block in BLOCKS
    if kind == "sh"
    for line in block.splitlines()
    if line.startswith("trocr-gsa ")
]


def test_the_first_block_of_python_reads_a_line_four_times_alike(tmp_path, monkeypatch, capsys):
    code = next(block for kind, block in BLOCKS if kind == "python")
    (tmp_path / "docs").mkdir()
    draw_line("read me", 64).save(tmp_path / "docs" / "line.png")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 4
    assert len({line.split(", ", 1)[1] for line in printed}) == 1
    assert len({line.split(",")[0] for line in printed}) == 4


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_that_is_shown_exists_with_its_options(words):
    command = get_command(app).commands[words[1]]  # pyright: ignore[reportAttributeAccessIssue]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_every_file_that_is_linked_or_named_is_there():
    linked = [path.partition("#")[0] for path in re.findall(r"\]\(([^)]+)\)", README) if not path.startswith("http")]
    named = re.findall(r"\b(?:benchmarks|examples|experiments|scripts|trocr_gsa)/[\w/]+\.\w+", README)
    assert [path for path in [*linked, *named, "docs/line.png"] if not (ROOT / path).is_file()] == []
