"""Run commands in forked child processes, which start at once because everything is imported already."""

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from trocr_gsa.cli.app import app


def start(
    words: Sequence[object], errors: Path | str = os.devnull, prepare: Callable[[], object] = lambda: None
) -> int:
    """Start a command, and return its process id; standard error is written to a file, standard output is discarded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about forking with threads; here no thread is active
        child = os.fork()
    if child:
        return child
    code = 70
    try:
        sys.stdin = open(os.devnull)
        for stream, place in ((1, os.devnull), (2, errors)):
            os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT), stream)
        sys.stdout, sys.stderr = (os.fdopen(stream, "w", encoding="utf-8") for stream in (1, 2))
        prepare()
        app([str(word) for word in words])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(child: int) -> int:
    """Wait for a process, and return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
