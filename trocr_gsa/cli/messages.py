"""Output of the commands: results on standard output, messages on standard error, no traceback for user errors.

Exit codes: 0 success, 1 something was left out or a check failed, 2 the arguments cannot be used.

What is unusual: a standard stream may have another encoding than UTF-8. Characters that it cannot encode are written as
JSON escapes, so the run continues and JSON stays valid.
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
PIPE_WIDTH = 160  # columns of a table if there is no terminal
SHOWN_PROBLEMS = 20
TOO_LITTLE_MEMORY = "there is too little memory. End other programs, use fewer beams, or another --device."
ESCAPE = "trocr_gsa.escape"  # the name of the codec error handler


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn errors that the user can correct into one line and exit code 2; others are bugs and keep their traceback."""
    escape_unencodable()
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
    """Print one line on standard error; control characters are escaped, as file names could move the cursor."""
    typer.echo(writable(message), err=True)


def escape_unencodable() -> None:
    """Make standard output and standard error escape characters that their encoding does not have."""
    codecs.register_error(ESCAPE, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPE)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end], allow_nan=False)[1:-1], error.end


def report_left_out(problems: Iterable[str]) -> None:
    """Print what was left out, one line each, at most `SHOWN_PROBLEMS` of them."""
    problems = list(problems)
    for problem in problems[:SHOWN_PROBLEMS]:
        say(f"left out: {problem}")
    if len(problems) > SHOWN_PROBLEMS:
        say(f"left out: {len(problems) - SHOWN_PROBLEMS} more")


def report_notes(notes: Iterable[str]) -> None:
    """Print notes, one line each."""
    for note in notes:
        say(f"note: {note}")


def show(table: Table) -> None:
    """Print a table on standard output, as wide as the terminal, or `PIPE_WIDTH` columns without a terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    console.print(table)


def silence_libraries() -> None:
    """Switch off the log messages and progress bars of transformers; problems still raise errors."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    hub_logging.set_verbosity_error()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
