"""Rotated MNIST, created from the files of MNIST: every digit is rotated once, by a random angle.

The rotated MNIST of the literature is not downloaded. This one has other digits and angles, but the same sizes. A 6 and
a 9 can look the same, which is part of the task.
"""

import math
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.mnist import load_digits

LEARN, VALIDATION, TEST = 10_000, 2_000, 50_000


class LabelledImages(NamedTuple):
    """Digit images (n, 1, 28, 28) with ink 1 and paper 0, and their labels (n,)."""

    images: Tensor
    labels: Tensor


def rotated(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Rotate every image (n, 1, height, width) by its own, uniformly random angle, with linear interpolation."""
    angle = 2 * math.pi * torch.rand(len(images), generator=generator)
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    matrix = torch.stack((cosine, -sine, zero, sine, cosine, zero), dim=-1).view(-1, 2, 3).to(images)
    return F.grid_sample(images, F.affine_grid(matrix, list(images.shape), align_corners=False), align_corners=False)


def rotated_mnist(folder: Path) -> tuple[LabelledImages, LabelledImages, LabelledImages]:
    """Return the training, validation and test sets, the same at every call.

    Training and validation digits are drawn from MNIST's training file. The test set has 50,000 images, as in the
    rotated MNIST of the literature: the test set of MNIST, and further digits from the training file.
    """
    generator = torch.Generator().manual_seed(0)
    train, test = (
        LabelledImages(*(torch.from_numpy(part.copy()) for part in load_digits(folder, split)))
        for split in ("train", "test")
    )
    order = torch.randperm(len(train.labels), generator=generator)
    order = order[: LEARN + VALIDATION + TEST - len(test.labels)]
    images = rotated(torch.cat((train.images[order], test.images))[:, None].float() / 255, generator)
    labels = torch.cat((train.labels[order], test.labels)).long()
    sizes = [LEARN, VALIDATION, TEST]
    learn, validation, held_out = map(LabelledImages, images.split(sizes), labels.split(sizes))
    return learn, validation, held_out
