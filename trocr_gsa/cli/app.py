"""The commands of `trocr-gsa`."""

from typing import Annotated, Any

import typer

from trocr_gsa.data.provenance import SOFTWARE, own_version

from .adapters import adapters
from .check import check
from .command import help_of, with_verbosity
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
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"{SOFTWARE} {own_version()}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


for command in (read, pages, evaluate, adapters, check, doctor, convert, export, push, compile, render, serve):
    app.command(help=help_of(command))(with_verbosity(command))
app.command(cls=FinetuneCommand, context_settings=FORWARDED, help=help_of(finetune))(with_verbosity(finetune))
