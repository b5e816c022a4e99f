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
from .messages import let_streams_take_anything
from .pages import pages
from .push import push
from .read import read
from .render import render
from .serve import serve


class App(typer.Typer):
    """The commands, on streams that take any letter."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command that the words name; its help is written before any command begins."""
        let_streams_take_anything()
        return super().__call__(*args, **kwargs)


app = App(
    help="Read and fine-tune text lines, whichever way up.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (read, pages, evaluate, adapters, check, doctor, convert, export, push, compile, render, serve):
    app.command()(command)
app.command(cls=FinetuneCommand, context_settings=FORWARDED)(finetune)
