"""`trocr-gsa finetune`: the training loop, from the same words as `scripts/finetune.py`."""

from typing import Annotated

import typer

from .messages import silence_libraries, user_errors

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

    silence_libraries()
    arguments = TrainingArguments.from_command_line(words or [])
    state = finetune(arguments)
    cer = "" if state.best_cer is None else f", best CER {state.best_cer:.2%}"
    typer.echo(f"{state.step} steps in {state.seconds / 60:.1f} minutes{cer}: {arguments.output}/best")
