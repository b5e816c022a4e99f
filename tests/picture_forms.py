"""One greyscale image in every form that an image processor accepts."""

from typing import Any

import numpy as np
import torch
from PIL import Image


def every_form(grey: np.ndarray) -> dict[str, Any]:
    """Return an image (height, width) uint8 as arrays, tensors and images, by name; some values must be above 16."""
    image, levels = Image.fromarray(grey), grey.astype(np.uint16) * 257
    return {
        "array": grey,
        "tensor": torch.tensor(grey),
        "floats": grey.astype(np.float64),
        "floats in [0, 1]": grey / 255,
        "float32 in [0, 1]": (grey / 255).astype(np.float32),
        "colours in [0, 1]": np.stack([grey / 255] * 3, axis=-1),
        "float tensor in [0, 1]": torch.tensor(grey / 255),
        "float image": Image.fromarray(grey.astype(np.float32)),
        "float image in [0, 1]": Image.fromarray((grey / 255).astype(np.float32)),
        "wide integers": grey.astype(np.int64),
        "8 bits in 16": grey.astype(np.uint16),
        "8 bits in a 32-bit image": Image.fromarray(grey.astype(np.int32)),
        "one channel": grey[..., None],
        "one channel in front": grey[None],
        "colours in front": np.stack([grey / 255] * 3),
        "float tensor of colours in front": torch.tensor(grey / 255).float().expand(3, -1, -1),
        "16 bits": levels,
        "16-bit image": Image.fromarray(levels),
        "32-bit image": Image.fromarray(levels.astype(np.int32)),
        "grey image": image,
        "RGB image": image.convert("RGB"),
        "RGB array": np.stack([grey] * 3, axis=-1),
        "RGBA array": np.stack([grey] * 3 + [np.full_like(grey, 255)], axis=-1),
        "RGBA image": image.convert("RGBA"),
        "CMYK image": image.convert("RGB").convert("CMYK"),
        "palette": image.convert("P"),
    }
