"""Fine-tune the reader: `accelerate launch scripts/finetune.py lora_hand train=my_lines/ key=value …`."""

import sys

from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune
from trocr_gsa.train.finite import TrainingStoppedError


def main() -> None:
    """Run with the arguments of the command line; an error prints one message only."""
    try:
        state = finetune(TrainingArguments.from_command_line(sys.argv[1:]))
    except (ValueError, OSError, TrainingStoppedError) as error:
        sys.exit(f"error: {error}")
    print(state.summary())


if __name__ == "__main__":
    main()
