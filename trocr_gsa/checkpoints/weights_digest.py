"""Checksums of the weights of models, adapters and exports."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from .results import ADAPTER_WEIGHTS, WEIGHTS_FILE, weights_sha256

SUFFIXES = (".safetensors", ".onnx", ".data", ".bin")


def weights_digest(source: str | Path) -> str | None:
    """Return a SHA-256, in hexadecimal, of the weights of a model, an adapter or an export.

    Args:
        source: a folder, or the Hub id of a model or an adapter in the cache.

    Returns: the SHA-256 of the file, or of all files in the order of their names; None if there are no local files.
    """
    if not os.path.isdir(source):
        return weights_sha256(str(source), WEIGHTS_FILE) or weights_sha256(str(source), ADAPTER_WEIGHTS)
    files = sorted(path for path in Path(source).iterdir() if path.suffix in SUFFIXES)
    if not files:
        return None
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
