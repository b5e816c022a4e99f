"""Smooth random fields on an image, and resampling of an image along such fields."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter


def cloud(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> np.ndarray:
    """Return a smooth random field in [-1, 1] with a scale of about `cell` pixels; (height, width) float32."""
    height, width = shape
    coarse = rng.uniform(-1, 1, (int(height / cell) + 2, int(width / cell) + 2)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


def wave(length: int, cell: float, rng: np.random.Generator) -> np.ndarray:
    """Return a smooth random curve in [-1, 1] with a scale of about `cell` pixels; (length,) float32."""
    knots = rng.uniform(-1, 1, int(length / cell) + 2)
    return np.interp(np.linspace(0, len(knots) - 1, length), np.arange(len(knots)), knots).astype(np.float32)


def blurred(values: np.ndarray, radius: float) -> np.ndarray:
    """Apply a Gaussian blur to a field in [0, 1]."""
    picture = Image.fromarray((values * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(picture, dtype=np.float32) / 255


def sampled(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Interpolate a field bilinearly at the points (x, y); outside it is continued with its edge values.

    Args:
        values: (height, width) float32.
        x: columns, any shape, float32.
        y: rows, of the same shape.

    Returns: float32, of the same shape.
    """
    height, width = values.shape
    x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
    column, row = x.astype(np.int32), y.astype(np.int32)
    x, y = x - column.astype(np.float32), y - row.astype(np.float32)
    flat, place = values.ravel(), row * width + column
    upper = flat[place] * (1 - x) + flat[place + 1] * x
    lower = flat[place + width] * (1 - x) + flat[place + width + 1] * x
    return upper * (1 - y) + lower * y
