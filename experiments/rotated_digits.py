"""Rotated MNIST, made from MNIST's own files: every digit turned once, by any angle.

What is unusual: the rotated MNIST of the literature is not downloaded but made anew, with other digits and angles; its
sizes are kept. A 6 and a 9 may then look alike: that is part of the task.
"""

import math
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.mnist import load_digits

LEARN, VALIDATION, TEST = 10_000, 2_000, 50_000


class Pictures(NamedTuple):
    """Digits (n, 1, 28, 28), ink 1 and paper 0, and what they are (n,)."""

    images: Tensor
    labels: Tensor


def rotated(images: Tensor, chance: torch.Generator) -> Tensor:
    """Turn every picture (n, height, width) by an angle of its own, any alike, interpolating linearly."""
    angle = 2 * math.pi * torch.rand(len(images), generator=chance)
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    matrix = torch.stack((cosine, -sine, zero, sine, cosine, zero), dim=-1).view(-1, 2, 3)
    images = images[:, None].float() / 255
    return F.grid_sample(images, F.affine_grid(matrix, list(images.shape), align_corners=False), align_corners=False)


def rotated_mnist(folder: Path) -> tuple[Pictures, Pictures, Pictures]:
    """Return what is learnt from, chosen on and tested on: the same whenever it is asked for.

    The first two are drawn from MNIST's training file. The test is MNIST's own, filled up to the 50,000 pictures of the
    literature's rotated MNIST with others from the training file.
    """
    chance = torch.Generator().manual_seed(0)
    train, test = (
        Pictures(*(torch.from_numpy(part.copy()) for part in load_digits(folder, split))) for split in ("train", "test")
    )
    order = torch.randperm(len(train.labels), generator=chance)
    order = order[: LEARN + VALIDATION + TEST - len(test.labels)]
    images = rotated(torch.cat((train.images[order], test.images)), chance)
    labels = torch.cat((train.labels[order], test.labels)).long()
    sizes = [LEARN, VALIDATION, TEST]
    learn, validation, held_out = map(Pictures, images.split(sizes), labels.split(sizes))
    return learn, validation, held_out
