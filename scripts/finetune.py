"""Fine-tune the reader: `accelerate launch scripts/finetune.py lora_hand train=my_lines/ key=value …`.

The same as `accelerate launch -m trocr_gsa finetune …`.
"""

import sys

from trocr_gsa.cli.app import app

if __name__ == "__main__":
    app(["finetune", *sys.argv[1:]], prog_name="trocr-gsa")
