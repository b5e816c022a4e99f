"""Train a reader from nothing: `accelerate launch scripts/train_base.py base_small train=…`.

What makes it a new reader is the configuration's `encoder_*` and `decoder_*` keys; the loop is that of fine-tuning.
"""

from pathlib import Path
from runpy import run_path

if __name__ == "__main__":
    run_path(str(Path(__file__).with_name("finetune.py")), run_name="__main__")
