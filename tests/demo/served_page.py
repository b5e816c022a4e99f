"""Start `trocr-gsa serve`, and send requests to its page without a browser."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests


@contextmanager
def shown(*words: object) -> Iterator[str]:
    """Run the command in a separate process, and yield the address of the page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from trocr_gsa.cli.app import app; app()", "serve", "--port", str(port)]
    quiet = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*command, *map(str, words)], stderr=subprocess.PIPE, text=True, env=quiet) as server:
        try:
            said = _first_words(server)
            assert said.startswith("reading at"), said
            yield said.split()[2]
        finally:
            server.terminate()


def _first_words(server: "subprocess.Popen[str]") -> str:
    assert server.stderr is not None
    said = []
    for line in server.stderr:
        said.append(line)
        if line.startswith("reading at"):
            return line
    return "".join(said)


def ask(address: str, picture: Path, turn: float, adapter: str) -> list[Any]:
    """Upload an image, and return the results of the page: text, facts and drawing."""
    with picture.open("rb") as file:
        (path,) = requests.post(f"{address}gradio_api/upload", files={"files": file}, timeout=60).json()
    laid = {"path": path, "orig_name": picture.name, "meta": {"_type": "gradio.FileData"}}
    words = [laid, turn, adapter, 1]
    question = requests.post(f"{address}gradio_api/call/read", json={"data": words}, timeout=60).json()
    answer = requests.get(f"{address}gradio_api/call/read/{question['event_id']}", timeout=60).text
    # a busy server first sends heartbeats, whose data is null
    return json.loads([line for line in answer.splitlines() if line.startswith("data: ")][-1].removeprefix("data: "))
