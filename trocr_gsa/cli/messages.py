"""Output of the commands: results on standard output, messages on standard error, no traceback for user errors.

Exit codes: 0 success, 1 something was left out or a check failed, 2 the arguments cannot be used, 130 stopped by
Ctrl-C.

What is unusual: a standard stream may have another encoding than UTF-8. Characters that it cannot encode are written as
JSON escapes, so the run continues and JSON stays valid.
"""

import codecs
import io
import json
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import NoReturn, TextIO, cast

import typer
from rich.console import Console
from rich.table import Table

from trocr_gsa.data.names import writable

LEFT_OUT = 1
UNUSABLE = 2
INTERRUPTED = 130  # as shells report a program that SIGINT ended
PIPE_WIDTH = 160  # columns of a table if there is no terminal
SHOWN_PROBLEMS = 20
# libraries whose warnings are not for users; those of Pillow do not say which image they are about
SILENCED = ("transformers", "peft", "huggingface_hub", "datasets", "PIL")
TOO_LITTLE_MEMORY = "there is too little memory. End other programs, use fewer beams, or another --device."
ESCAPE = "trocr_gsa.escape"  # the name of the codec error handler


class Verbosity(IntEnum):
    """What a command prints beside results and problems: nothing (-q), notes and progress, or log messages too (-v)."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


_verbosity = Verbosity.NORMAL  # of the command that is running


def set_verbosity(verbosity: Verbosity) -> None:
    """Set what the command that runs now prints beside results and problems."""
    global _verbosity
    _verbosity = verbosity
    levels = {Verbosity.QUIET: logging.ERROR, Verbosity.NORMAL: logging.NOTSET, Verbosity.VERBOSE: logging.INFO}
    logging.getLogger("trocr_gsa").setLevel(levels[verbosity])


def is_quiet() -> bool:
    """Whether only results and problems are printed."""
    return _verbosity is Verbosity.QUIET


def is_verbose() -> bool:
    """Whether log messages and tracebacks are printed too."""
    return _verbosity is Verbosity.VERBOSE


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn errors that the user can correct into one line and exit code 2; others are bugs and keep their traceback."""
    escape_unencodable()
    try:
        yield
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        _stop("nothing was written; the same command starts again")
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


@contextmanager
def interruptible(kept: Callable[[], str] | str) -> Iterator[None]:
    """End with one line and exit code 130 if Ctrl-C is pressed inside.

    Args:
        kept: what is kept of the work, and how to continue; a function is called when Ctrl-C is pressed.
    """
    try:
        yield
    except KeyboardInterrupt:
        _stop(kept if isinstance(kept, str) else kept())


def _stop(kept: str) -> NoReturn:
    say(f"stopped: {kept}")
    raise typer.Exit(INTERRUPTED) from None


def _refuse(error: Exception | str) -> NoReturn:
    if is_verbose() and isinstance(error, Exception):
        say_lines(traceback.format_exception(error))
    say(f"error: {' '.join(str(error).split())}")
    raise typer.Exit(UNUSABLE) from None


def say(message: str) -> None:
    """Print one line on standard error; control characters are escaped, as file names could move the cursor."""
    print(writable(message), file=sys.stderr, flush=True)  # not typer.echo, which would write into the progress bar


def remark(message: str) -> None:
    """Print one line on standard error, unless the command is quiet."""
    if not is_quiet():
        say(message)


def say_lines(text: Iterable[str]) -> None:
    """Print a text of several lines on standard error."""
    for line in "".join(text).splitlines():
        say(line)


def escape_unencodable() -> None:
    """Make standard output and standard error escape characters that their encoding does not have.

    If standard output is closed, what is written to it raises an error, as otherwise it would be lost without a word.
    """
    if sys.stdout is None:
        sys.stdout = cast(TextIO, _Closed())
    codecs.register_error(ESCAPE, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPE)


class _Closed(io.TextIOBase):
    """Stands for a standard output that is closed, for which Python has nothing."""

    def write(self, text: str) -> int:
        raise OSError("standard output is closed. Open it, or name a file for the output.")


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
    """Print notes, one line each, unless the command is quiet."""
    for note in notes:
        remark(f"note: {note}")


def show(table: Table) -> None:
    """Print a table on standard output, as wide as the terminal, or `PIPE_WIDTH` columns without a terminal.

    Cells are printed as they are: file names may contain [brackets] and :colons:, which rich would interpret.
    """
    width = None if Console().is_terminal else PIPE_WIDTH
    Console(width=width, markup=False, emoji=False).print(table)


def silence_libraries() -> None:
    """Switch off log messages, warnings and progress bars of the libraries, unless the command is verbose.

    Problems still raise errors.
    """
    if is_verbose():
        logging.basicConfig(format="%(name)s: %(message)s")
        return
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging as transformers_logging

    hub_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module=rf"({'|'.join(SILENCED)})\b")
