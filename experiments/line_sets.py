"""Lines for training and testing: rows of handwritten digits, for two cores, or the lines of a folder.

A line is rotated as a float image with mean 0 and standard deviation 1. It is not scaled again, so that characters keep
their size at every angle. Patches beside the rotated line are masked as padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from experiments.mnist import load_digits
from trocr_gsa.data import open_source
from trocr_gsa.model.patches import cut_patches

DIGITS_FOR_VALIDATION = 10_000  # the last ones in MNIST's training file
FEWEST, MOST = 3, 6  # digits in a line
CLOSEST, WIDEST = -6, 4  # gap in pixels between the squares of 28 pixels of neighbouring digits


@dataclass(frozen=True)
class Line:
    """A line of text.

    Attributes:
        pixels: (height, width) float32, with mean 0 and standard deviation 1.
        text: transcription.
    """

    pixels: np.ndarray
    text: str


def digit_lines(folder: Path, split: str, count: int, height: int, unit: int, seed: int) -> list[Line]:
    """Return random lines of MNIST digits; heights and widths as in `fitted`. Splits share no digit."""
    pixels, labels = load_digits(folder, "test" if split == "test" else "train")
    if split == "train":
        pixels, labels = pixels[:-DIGITS_FOR_VALIDATION], labels[:-DIGITS_FOR_VALIDATION]
    elif split == "validation":
        pixels, labels = pixels[-DIGITS_FOR_VALIDATION:], labels[-DIGITS_FOR_VALIDATION:]
    rng = np.random.default_rng([seed, *split.encode()])
    lines = []
    for _ in range(count):
        chosen = rng.integers(len(pixels), size=rng.integers(FEWEST, MOST + 1))
        side = pixels.shape[-1]
        starts = np.cumsum([0, *(side + rng.integers(CLOSEST, WIDEST + 1, size=len(chosen) - 1))])
        page = np.zeros((side, int(starts[-1]) + side), dtype=np.uint8)
        for start, digit in zip(starts, chosen, strict=True):
            window = page[:, start : start + side]
            np.maximum(window, pixels[digit], out=window)
        lines.append(fitted(Image.fromarray(page), "".join(str(labels[digit]) for digit in chosen), height, unit))
    return lines


def folder_lines(folder: Path, split: str, count: int, height: int, unit: int, seed: int) -> list[Line]:
    """Return random lines of one split of an imagefolder, each at most once."""
    lines = open_source(str(folder), split)
    chosen = np.random.default_rng(seed).permutation(len(lines))[:count]
    return [fitted(lines[int(index)].image.convert("L"), lines[int(index)].text, height, unit) for index in chosen]


def fitted(image: Image.Image, text: str, height: int, unit: int) -> Line:
    """Return a greyscale image as a line, `height` pixels high, its width a multiple of `unit` pixels."""
    columns = max(1, round(image.width * height / image.height / unit))
    width = columns * unit  # whole patches: otherwise padding would depend on the rotation
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
    return Line((pixels - pixels.mean()) / max(float(pixels.std()), 1e-3), text)


def turned(pixels: np.ndarray, angle: float, patch_size: int) -> tuple[Tensor, Tensor]:
    """Rotate a line counter-clockwise, and pad it equally on both sides to whole patches.

    Args:
        pixels: (height, width).
        angle: degrees.
        patch_size: side of a patch in pixels.

    Returns: pixels (height, width), and (row, column) bool, True for patches that contain a part of the line.
    """
    ground = float(np.median(np.concatenate((pixels[0], pixels[-1]))))
    if angle % 90 == 0:
        page, line = (np.rot90(part, round(angle / 90)) for part in (pixels, np.ones_like(pixels)))
    else:
        page, line = (
            np.asarray(Image.fromarray(part).rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=fill))
            for part, fill in ((pixels, ground), (np.ones_like(pixels), 0.0))
        )
    around = [(-side % patch_size // 2, -side % patch_size - -side % patch_size // 2) for side in page.shape]
    page, line = np.pad(page, around, constant_values=ground), np.pad(line, around)
    rows, columns = (side // patch_size for side in page.shape)
    held = line.reshape(rows, patch_size, columns, patch_size).max((1, 3)) > 0.5
    return torch.from_numpy(np.ascontiguousarray(page)), torch.from_numpy(held)


def batch(pages: Sequence[tuple[Tensor, Tensor]], patch_size: int) -> dict[str, Tensor]:
    """Return rotated lines as the inputs of a GSA-Net: patches, padding mask and shapes."""
    patches = [cut_patches(page[None, None], patch_size) for page, _ in pages]
    longest = max(patch.shape[1] for patch, _ in patches)
    pixel_values = torch.zeros(len(pages), longest, patch_size**2)
    mask = torch.zeros(len(pages), longest, dtype=torch.bool)
    for row, ((patch, _), (_, held)) in enumerate(zip(patches, pages, strict=True)):
        pixel_values[row, : patch.shape[1]] = patch[0]
        mask[row, : patch.shape[1]] = held.flatten()
    shapes = torch.cat([shape for _, shape in patches])
    return {"pixel_values": pixel_values, "pixel_attention_mask": mask, "spatial_shapes": shapes}
