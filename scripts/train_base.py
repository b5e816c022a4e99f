"""Train a reader from nothing: `accelerate launch scripts/train_base.py base_small train=…`.

What makes it a new reader is the configuration's `encoder_*` and `decoder_*` keys; the loop is that of fine-tuning.
"""

from finetune import main

if __name__ == "__main__":
    main()
