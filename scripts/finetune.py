"""Fine-tune the reader: `accelerate launch scripts/finetune.py lora_hand train=my_lines/ key=value …`."""

import sys

import typer

from trocr_gsa.cli.messages import interruptible
from trocr_gsa.cli.progress import progress
from trocr_gsa.cli.shown_training import ShownTraining, what_is_kept
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune
from trocr_gsa.train.finite import TrainingStoppedError


def main() -> None:
    """Run with the arguments of the command line; an error prints one message only."""
    try:
        arguments = TrainingArguments.from_command_line(sys.argv[1:])
        with interruptible(lambda: what_is_kept(arguments.output)), progress("training", 1, unit="") as meter:
            state = finetune(arguments, watcher=ShownTraining(meter, arguments.max_steps))
    except (ValueError, OSError, TrainingStoppedError) as error:
        sys.exit(f"error: {error}")
    except typer.Exit as stopped:
        sys.exit(stopped.exit_code)
    print(state.summary())


if __name__ == "__main__":
    main()
