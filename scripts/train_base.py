"""Train a reader from scratch: `accelerate launch scripts/train_base.py base_small train=…`.

The training loop is that of fine-tuning. The keys `encoder_*` and `decoder_*` of the configuration define a new reader.
"""

from pathlib import Path
from runpy import run_path

if __name__ == "__main__":
    run_path(str(Path(__file__).with_name("finetune.py")), run_name="__main__")
