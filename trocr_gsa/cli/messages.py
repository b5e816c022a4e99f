"""What people see: results on standard output, everything else on standard error, no traceback for a mistake of theirs.

Exit codes: 0 all went well, 1 something was left out or does not hold, 2 the command was given what it cannot use.

What is unusual: a standard stream need not be UTF-8. What it has no letter for is written as JSON escapes it, so that
the run goes on and JSON stays JSON.
"""

import codecs
import io
import json
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.table import Table

from trocr_gsa.data.names import writable

LEFT_OUT = 1
UNUSABLE = 2
PIPE_WIDTH = 160  # columns of a table where there is no terminal
SHOWN_PROBLEMS = 20
TOO_LITTLE_MEMORY = "there is too little memory. End other programs, take fewer beams, or another --device."
ESCAPE = "trocr_gsa.escape"  # how Python knows the handler of letters that a stream lacks


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn what the user can put right into one line and exit code 2; the rest stays a traceback, for it is ours."""
    let_streams_take_anything()
    try:
        yield
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        _refuse(error)
    except MemoryError:
        _refuse(TOO_LITTLE_MEMORY)
    except RuntimeError as error:
        from trocr_gsa.model.decoder_cache import UnsupportedTransformersError  # here, as it imports transformers
        from trocr_gsa.model.weight_files import is_out_of_memory

        if is_out_of_memory(error):
            _refuse(TOO_LITTLE_MEMORY)
        if not isinstance(error, UnsupportedTransformersError):
            raise
        _refuse(error)


def _refuse(error: Exception | str) -> NoReturn:
    say(f"error: {' '.join(str(error).split())}")
    raise typer.Exit(UNUSABLE) from None


def say(message: str) -> None:
    """Print one line on standard error; what is no letter is escaped, lest names from files move the cursor."""
    typer.echo(writable(message), err=True)


def let_streams_take_anything() -> None:
    """Have standard output and standard error escape what their encoding has no letter for."""
    codecs.register_error(ESCAPE, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPE)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end], allow_nan=False)[1:-1], error.end


def report_left_out(problems: Iterable[str]) -> None:
    """Say what was left out, a line each, the first few of many."""
    problems = list(problems)
    for problem in problems[:SHOWN_PROBLEMS]:
        say(f"left out: {problem}")
    if len(problems) > SHOWN_PROBLEMS:
        say(f"left out: {len(problems) - SHOWN_PROBLEMS} more")


def report_notes(notes: Iterable[str]) -> None:
    """Say what should be known although nothing was left out."""
    for note in notes:
        say(f"note: {note}")


def show(table: Table) -> None:
    """Print a table on standard output, as wide as the terminal, or wide enough for a file."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    console.print(table)


def silence_libraries() -> None:
    """Keep transformers' reports, bars and plans off the screen: what matters comes as an error, or in the results."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    hub_logging.set_verbosity_error()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
