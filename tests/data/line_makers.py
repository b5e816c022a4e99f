"""Functions that create small sources of lines."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from trocr_gsa.data import Font, StoredLines
from trocr_gsa.data.stored import Record
from trocr_gsa.data.synthetic.fonts import BUILTIN_FAMILY

BUILTIN = Font("", BUILTIN_FAMILY)


def picture(width: int = 200, height: int = 48, seed: int = 0) -> Image.Image:
    """Return a random greyscale image, different for each seed."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8))


def write_imagefolder(folder: Path, rows: list[dict], pictures: dict[str, Image.Image]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in pictures.items():
        image.save(folder / name)
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return folder


def lines_in_memory(texts: list[str], widths: list[int] | None = None, angle: float = 0.0) -> StoredLines:
    widths = widths or [200] * len(texts)
    pictures = [picture(width, seed=i) for i, width in enumerate(widths)]
    records = [Record(i, text, f"line-{i}", angle=angle) for i, text in enumerate(texts)]
    return StoredLines(records, pictures, (), "memory")
