"""What all commands of `trocr-gsa` share: `-q` and `-v`, and help texts that keep their square brackets."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer
from rich.markup import escape

from .messages import Verbosity, set_verbosity

Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print results and problems only: no progress, no notes.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Also print messages of the libraries, and tracebacks of errors.")
]


def with_verbosity(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command with the options `-q` and `-v`, which set what the functions of `messages` print."""

    @wraps(command)
    def run(*args: Any, quiet: bool = False, verbose: bool = False, **options: Any) -> Any:
        if quiet and verbose:
            raise typer.BadParameter("-q and -v exclude each other. Give one of them.")
        set_verbosity(Verbosity.QUIET if quiet else Verbosity.VERBOSE if verbose else Verbosity.NORMAL)
        return command(*args, **options)

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in (("quiet", Quiet), ("verbose", Verbose))
    ]
    own = inspect.signature(command)
    signature = own.replace(parameters=[*own.parameters.values(), *added])
    run.__signature__ = signature  # pyright: ignore[reportAttributeAccessIssue]  # what typer makes options from
    run.__annotations__ = inspect.get_annotations(command) | {each.name: each.annotation for each in added}
    return run


def help_of(command: Callable[..., Any]) -> str:
    """Return a command's docstring for rich, which would read the brackets of `trocr-gsa[demo]` as markup."""
    return escape(inspect.getdoc(command) or "")
