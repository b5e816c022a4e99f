"""Put a trained reader into the package: float16 weights, configuration and processor, under 16 MB.

    python scripts/package_checkpoint.py runs/base_small/best

The model card beside them stays; `scripts/report_accuracy.py` renews its figures.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoProcessor

from trocr_gsa import TrOCRGSAModel
from trocr_gsa.train.build import PACKAGED_CHECKPOINT

LARGEST = 16_000_000  # bytes


def package(source: Path, target: Path = PACKAGED_CHECKPOINT) -> int:
    """Write `source` to `target` and return its size in bytes.

    Raises:
        ValueError: if it is larger than a package may be.
    """
    with tempfile.TemporaryDirectory() as folder:
        TrOCRGSAModel.from_pretrained(source, dtype=torch.float16).save_pretrained(folder)
        AutoProcessor.from_pretrained(source).save_pretrained(folder)
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        if size > LARGEST:
            raise ValueError(
                f"`source`: {source} takes {size:,} bytes in float16, more than {LARGEST:,}. Train smaller."
            )
        shutil.copytree(folder, target, dirs_exist_ok=True)
    return size


if __name__ == "__main__":
    print(f"{package(Path(sys.argv[1])):,} bytes")
