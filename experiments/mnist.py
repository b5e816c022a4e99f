"""The digits of MNIST, read from its IDX files."""

import gzip
from pathlib import Path

import numpy as np

FILES = {"train": "train", "test": "t10k"}


def load_digits(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (digit, 28, 28) and labels (digit,) of "train" or "test", uint8.

    Raises:
        ValueError: if a file is missing.
    """
    images, labels = (_read_idx(folder, f"{FILES[split]}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    return images, labels


def _read_idx(folder: Path, name: str) -> np.ndarray:
    """Return the array in one file, compressed or not."""
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise ValueError(f"`mnist`: {folder} must contain {name} or {name}.gz. Download the IDX files of MNIST.")
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
