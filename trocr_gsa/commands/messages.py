"""What people see: results on standard output, everything else on standard error, no traceback for a mistake of theirs.

Exit codes: 0 all went well, 1 something was left out or does not hold, 2 the command was given what it cannot use.
"""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.table import Table

LEFT_OUT = 1
UNUSABLE = 2
PIPE_WIDTH = 160  # columns of a table where there is no terminal
SHOWN_PROBLEMS = 20


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn what the user can put right into one line and exit code 2; the rest stays a traceback, for it is ours."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        _refuse(error)
    except RuntimeError as error:
        from trocr_gsa.model.decoder_cache import UnsupportedTransformersError  # here, as it imports transformers

        if not isinstance(error, UnsupportedTransformersError):
            raise
        _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    say(f"error: {' '.join(str(error).split())}")
    raise typer.Exit(UNUSABLE) from None


def say(message: str) -> None:
    """Print one line on standard error, as it is."""
    typer.echo(message, err=True)


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
