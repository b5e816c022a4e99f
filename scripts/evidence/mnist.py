"""MNIST's digits, from the IDX files."""

import gzip
from pathlib import Path

import numpy as np

FILES = {"train": "train", "test": "t10k"}
HEADERS = {"images-idx3": 16, "labels-idx1": 8}  # bytes before the data


def load_digits(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (digit, 28, 28) and labels (digit,) of "train" or "test", uint8."""
    images, labels = (
        np.frombuffer(gzip.decompress((folder / f"{FILES[split]}-{kind}-ubyte.gz").read_bytes()), np.uint8)[header:]
        for kind, header in HEADERS.items()
    )
    return images.reshape(-1, 28, 28), labels
