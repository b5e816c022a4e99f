"""The image, as far as it can be told without Docker: what it is made of, and what it runs."""

import json
import re
from pathlib import Path

import typer

from trocr_gsa.cli.app import app

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "").splitlines()


def said(word: str) -> list[str]:
    return [line.removeprefix(word).strip() for line in LINES if line.startswith(f"{word} ")]


def test_what_is_copied_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [name for line in said("COPY") for name in line.split()[:-1]]
    assert "trocr_gsa" in copied  # with its weights
    assert all((ROOT / name).exists() for name in copied)
    assert {f"!{name}" for name in copied} == {line for line in ignored if line.startswith("!")}


def test_what_runs_is_not_root_and_stays_off_the_network():
    assert said("USER") == ["reader"]
    assert LINES.index("USER reader") < min(LINES.index(line) for line in LINES if line.startswith("ENTRYPOINT"))
    assert "HF_HUB_OFFLINE=1" in said("ENV")


def test_the_command_exists_and_is_asked_for_its_health_where_it_listens():
    assert json.loads(said("ENTRYPOINT")[0]) == ["trocr-gsa"]
    command, *words = json.loads(said("CMD")[0])
    context = typer.main.get_command(app).commands[command].make_context(command, words)
    assert context.params["api"]
    assert context.params["host"] == "0.0.0.0"
    (checked,) = re.findall(r"http://127\.0\.0\.1:(\d+)/info", said("HEALTHCHECK")[0])
    assert said("EXPOSE") == [checked] == ["8000"]
