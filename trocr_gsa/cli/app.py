"""The commands of `trocr-gsa`."""

from typing import Any

import typer

from .adapters import adapters
from .check import check
from .compile import compile
from .convert import convert
from .doctor import doctor
from .evaluate import evaluate
from .export import export
from .finetune import FORWARDED, FinetuneCommand, finetune
from .messages import escape_unencodable
from .pages import pages
from .push import push
from .read import read
from .render import render
from .serve import serve


class App(typer.Typer):
    """The commands; output streams escape the characters that they cannot encode."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command that the arguments name."""
        escape_unencodable()  # here too, as a command's help is printed before the command runs
        return super().__call__(*args, **kwargs)


app = App(
    help="Read text lines in any orientation, and fine-tune the reader.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (read, pages, evaluate, adapters, check, doctor, convert, export, push, compile, render, serve):
    app.command()(command)
app.command(cls=FinetuneCommand, context_settings=FORWARDED)(finetune)
