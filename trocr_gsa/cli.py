"""`trocr-gsa`: read, finetune, evaluate, adapters, check, doctor, convert, export, push, compile, render, serve."""

from typing import Any

import typer

from .commands.adapters import adapters
from .commands.check import check
from .commands.compile import compile
from .commands.convert import convert
from .commands.doctor import doctor
from .commands.evaluate import evaluate
from .commands.export import export
from .commands.finetune import FORWARDED, finetune
from .commands.messages import let_streams_take_anything
from .commands.push import push
from .commands.read import read
from .commands.render import render
from .commands.serve import serve


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
for command in (read, evaluate, adapters, check, doctor, convert, export, push, compile, render, serve):
    app.command()(command)
app.command(context_settings=FORWARDED)(finetune)
