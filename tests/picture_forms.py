"""One grey picture in every form that an image processor takes."""

import numpy as np
import torch
from PIL import Image


def every_form(grey: np.ndarray) -> dict[str, object]:
    """The picture (height, width) of uint8 as arrays, tensors and images, by name."""
    image, levels = Image.fromarray(grey), grey.astype(np.uint16) * 257
    return {
        "array": grey,
        "tensor": torch.tensor(grey),
        "floats": grey.astype(np.float64),
        "16 bits": levels,
        "16-bit image": Image.fromarray(levels),
        "32-bit image": Image.fromarray(levels.astype(np.int32)),
        "grey image": image,
        "RGB image": image.convert("RGB"),
        "RGB array": np.stack([grey] * 3, axis=-1),
        "CMYK image": image.convert("RGB").convert("CMYK"),
        "palette": image.convert("P"),
    }
