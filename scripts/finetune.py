"""Fine-tune the reader: `accelerate launch scripts/finetune.py configs/lora_hand.yaml train=my_lines/ key=value …`."""

import sys

from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune


def main() -> None:
    """Run with the command line's arguments; a wrong one ends with its message alone."""
    try:
        state = finetune(TrainingArguments.from_command_line(sys.argv[1:]))
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    cer = "" if state.best_cer is None else f", best CER {state.best_cer:.2%}"
    print(f"{state.step} steps in {state.seconds / 60:.1f} minutes{cer}")


if __name__ == "__main__":
    main()
