"""Start `trocr-gsa serve`, and send requests to its page without a browser."""

import json
import os
import signal
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from forked_command import ended, start


@contextmanager
def shown(*words: object) -> Iterator[str]:
    """Run the command in a forked process, and yield the address of the page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        server = start(["serve", "--port", port, *words], said, _warn_as_outside_of_tests)
        try:
            yield _address(server, said)
        finally:
            os.kill(server, signal.SIGTERM)
            ended(server)


def _warn_as_outside_of_tests() -> None:
    """Warnings of gradio are no errors."""
    warnings.simplefilter("ignore")


def _address(server: int, said: Path) -> str:
    """Wait until the server has said where it listens."""
    while True:
        has_ended = os.waitid(os.P_PID, server, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        words = said.read_text(encoding="utf-8").splitlines() if said.exists() else []
        if words and words[-1].startswith("reading at"):
            return words[-1].split()[2]
        assert not has_ended, words
        time.sleep(0.05)


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
