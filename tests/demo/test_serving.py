"""The page as a server: who asks what, and what it refuses to start with."""

import json
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from served_page import ask, shown
from test_desk import downloads
from tiny_adapters import save_adapter
from tiny_checkpoint import save_checkpoint
from typer.testing import CliRunner

from trocr_gsa.cli.app import app

ROOT = Path(__file__).parents[2]


def run(*words: object):
    return CliRunner().invoke(app, ["serve", *map(str, words)], catch_exceptions=False)


def test_people_who_ask_at_once_are_each_read_with_their_own_adapter(desk, picture, address):
    names = [desk.choices[place % 3] for place in range(6)]
    with ThreadPoolExecutor(len(names)) as people:
        answers = list(people.map(lambda name: ask(address, picture, 90, name), names))
    assert [text for text, _, _ in answers] == [desk.read(str(picture), 0, name)[0] for name in names]
    assert all(json.loads(downloads(facts)["a line.json"])["orientation"] % 90 == 0 for _, facts, _ in answers)


def test_a_file_of_the_server_cannot_be_read(address, picture):
    laid = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    question = requests.post(f"{address}gradio_api/call/read", json={"data": [laid, 0, "none", 1]}, timeout=60).json()
    answer = requests.get(f"{address}gradio_api/call/read/{question['event_id']}", timeout=60).text
    assert answer.startswith("event: error")


def test_too_large_a_file_is_not_taken(address):
    answer = requests.post(f"{address}gradio_api/upload", files={"files": b"x" * 33_000_000}, timeout=60)
    assert answer.status_code == 413


def test_without_gradio_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    result = run()
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "error: the page needs gradio, which is not installed: pip install 'trocr-gsa[demo]'"
    ]


def test_the_api_reads_over_the_network_and_ends_when_asked(desk_checkpoint, picture, desk):
    with shown("--api", "--model", desk_checkpoint) as address, picture.open("rb") as file:
        answer = requests.post(f"{address}lines", files={"picture": file}, timeout=60)
        assert requests.get(f"{address}info", timeout=60).json()["limits"]["lines"] == 500
    assert answer.json()["text"] == desk.read(str(picture), 0)[0]


def test_without_fastapi_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("trocr_gsa.cli.serve.find_spec", lambda module: None)
    result = run("--api")
    assert result.exit_code == 2
    assert "needs fastapi" in result.stderr


def test_an_adapter_of_another_base_is_refused_at_the_start(desk_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("trocr_gsa.demo.web_page.import_gradio", lambda: None)
    other = save_checkpoint(tmp_path / "other", encoder_hidden_size=16)
    adapter = save_adapter(other, tmp_path / "fr")
    result = run("--model", desk_checkpoint, "--adapter", f"fr={adapter}")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "fr was trained on" in result.stderr


def test_a_space_installs_what_the_package_requires():
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    listed = (ROOT / "spaces" / "requirements.txt").read_text().splitlines()
    assert [line for line in listed if not line.startswith("-")] == required


def test_a_space_asks_for_the_gradio_that_is_tested():
    pinned = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("gradio=="))
    assert f"sdk_version: {pinned.removeprefix('gradio==')}" in (ROOT / "spaces" / "README.md").read_text()
