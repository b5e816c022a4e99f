"""Run one command in several forked processes, as a launcher does, without loading torch again."""

import multiprocessing
import os
import socket
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import cast

from accelerate.state import AcceleratorState

from trocr_gsa.cli.app import app


@dataclass(frozen=True)
class Done:
    """Result of the processes: the highest exit code, and their standard error."""

    returncode: int
    stderr: str


def run_together(
    count: int, words: Sequence[object], folder: Path, prepare: Callable[[int], object] = lambda rank: None
) -> Done:
    """Run one command in processes of one process group; if one is killed, terminate the others, as a launcher does.

    Args:
        count: number of processes.
        words: arguments of the command.
        folder: folder to create for the output of the processes.
        prepare: called with the rank before the command.
    """
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(count)}

    def run(rank: int) -> None:
        os.environ |= place | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        sys.stdout = (folder / f"{rank}.out").open("w", encoding="utf-8")
        sys.stderr = (folder / f"{rank}.err").open("w", encoding="utf-8")
        AcceleratorState._reset_state(reset_partial_state=True)
        prepare(rank)
        app([str(word) for word in words])

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=run, args=(rank,)) for rank in range(count)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about forking with threads; here no thread is active
        for process in processes:
            process.start()
    running = {process.sentinel: process for process in processes}
    while running:
        ended = [running.pop(cast(int, sentinel)) for sentinel in wait(list(running), timeout=300)]
        for process in ended:
            process.join()  # the sentinel is ready before the exit code
        if not ended or any((process.exitcode or 0) < 0 for process in ended):
            for process in running.values():
                process.terminate()
                process.join()
    written = (folder / f"{rank}.err" for rank in range(count))
    return Done(
        max(abs(process.exitcode or 0) for process in processes),
        "".join(path.read_text(encoding="utf-8") for path in written),
    )
