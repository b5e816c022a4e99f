"""`trocr-gsa finetune`: the training loop, from the same words as `scripts/finetune.py`."""

from typing import Annotated

import typer

from .messages import LEFT_OUT, say, silence_libraries, user_errors

FORWARDED = {"ignore_unknown_options": True}  # --resume, --max-minutes 5: keys of the configuration, read further down


@user_errors()
def finetune(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONFIG.yaml] [KEY=VALUE]…",
            help="A configuration, and keys that overrule it, such as train=my_lines/ rank=16.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train a LoRA adapter, or a whole model, on your lines; configs/ holds tried settings."""
    from trocr_gsa.train.arguments import TrainingArguments
    from trocr_gsa.train.finetune import finetune
    from trocr_gsa.train.finite import TrainingStoppedError

    silence_libraries()
    arguments = TrainingArguments.from_command_line(words or [])
    try:
        state = finetune(arguments)
    except TrainingStoppedError as error:
        say(f"error: {error}")
        raise typer.Exit(LEFT_OUT) from None
    typer.echo(f"{state.summary()}: {arguments.output}/best")
