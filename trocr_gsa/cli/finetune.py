"""`trocr-gsa finetune`: the training loop."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand

from .messages import LEFT_OUT, interruptible, remark, report_left_out, say, show, silence_libraries, user_errors
from .progress import progress

FORWARDED = {"ignore_unknown_options": True}  # --resume, --max-minutes 5: configuration keys, parsed by the training


class FinetuneCommand(TyperCommand):
    """A command whose help ends with all configuration keys and their defaults."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, then the table of keys."""
        super().format_help(ctx, formatter)
        from trocr_gsa.train.arguments import describe_arguments  # here, as it imports torch

        table = Table("Key", "Default", "Meaning", box=None, pad_edge=False)
        for section, rows in describe_arguments().items():
            table.add_row(Text(section, style="bold"))
            for row in rows:
                table.add_row(*row)
        show(table)


@user_errors()
def finetune(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONFIG] [KEY=VALUE]…",
            help="A configuration (a YAML file, or the name of a packaged one, such as lora_hand), and keys that "
            "override it, such as train=my_lines/ rank=16.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train an adapter or a whole model on your lines. Exit code 1: rows left out."""
    from trocr_gsa.train.arguments import TrainingArguments

    silence_libraries()
    arguments = TrainingArguments.from_command_line(words or [])
    from trocr_gsa.train.finetune import finetune  # imports much, for which nobody with a mistyped key has to wait
    from trocr_gsa.train.finite import TrainingStoppedError
    from trocr_gsa.train.learning_curve import FILE as LEARNING_CURVE

    from .shown_training import ShownTraining, what_is_kept

    left_out: list[str] = []
    try:
        with interruptible(lambda: what_is_kept(arguments.output)), progress("training", 1, unit="") as meter:
            state = finetune(arguments, left_out, ShownTraining(meter, arguments.max_steps))
    except TrainingStoppedError as error:
        say(f"error: {error}")
        raise typer.Exit(LEFT_OUT) from None
    typer.echo(f"{state.summary()}: {arguments.output}/best")
    if (Path(arguments.output) / LEARNING_CURVE).exists():
        remark(f"learning curve: {arguments.output}/{LEARNING_CURVE}")
    report_left_out(left_out)
    if left_out:
        raise typer.Exit(LEFT_OUT)
