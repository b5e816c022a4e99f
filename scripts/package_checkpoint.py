"""Copy a trained reader to the package: float16 weights, configuration and processor, under 16 MB.

    python scripts/package_checkpoint.py runs/reader_hands/best

The model card in the package is kept; `experiments/accuracy.py` updates its figures.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoProcessor

from trocr_gsa import TrOCRGSAModel
from trocr_gsa.checkpoints.models import PACKAGED_CHECKPOINT
from trocr_gsa.data.numbers import to_json

LARGEST = 16_000_000  # maximum size in bytes


def package(source: Path, target: Path = PACKAGED_CHECKPOINT) -> int:
    """Write `source` to `target`, and return its size in bytes.

    Raises:
        ValueError: if it is larger than `LARGEST`.
    """
    model = TrOCRGSAModel.from_pretrained(source, dtype=torch.float32)
    model.generation_config.max_length = model.decoder.config.max_position_embeddings
    halved = {name: weight.half() for name, weight in model.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(
            folder, state_dict=halved
        )  # the configuration still says float32, the type to load them as
        AutoProcessor.from_pretrained(source).save_pretrained(folder)
        files = sorted(file for file in Path(folder).iterdir() if file.suffix != ".py")  # the code is in the package
        size = sum(file.stat().st_size for file in files)
        if size > LARGEST:
            raise ValueError(
                f"`source`: {source} takes {size:,} bytes in float16, more than {LARGEST:,}. Train a smaller reader."
            )
        target.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copyfile(file, target / file.name)
            if file.suffix == ".json":
                drop_code(target / file.name)
    return size


def drop_code(path: Path) -> None:
    """Remove the references to code files from a configuration, as the package has no such files."""
    values = json.loads(path.read_text(encoding="utf-8"))
    for part in (values, values.get("image_processor", {})):
        part.pop("auto_map", None)
    path.write_text(to_json(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    print(f"{package(Path(sys.argv[1])):,} bytes")
