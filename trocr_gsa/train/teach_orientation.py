"""Teach a reader which way up a line is, from pictures without texts.

What is unusual: the pictures all lie upright, and are shown only so. One score, the same function for every pose, is
learned for all of them at once. The reader's other weights are not touched.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from trocr_gsa.data.images import ImageError, ImageSource, load_image
from trocr_gsa.data.synthetic.augmentation import LineAugmentation
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel

HELD_OUT = 0.1  # of the pictures: they judge the result
SMOOTHING = 0.02  # of the labels: a head that is never quite sure keeps a score that ranks


@dataclass(frozen=True)
class Calibration:
    """How it went.

    Attributes:
        lines: pictures learned from.
        held_out: pictures set aside to judge by.
        accuracy: share of these whose way up is found, the same at every turn; None where none could be set aside.
        steps: batches learned from.
        minutes: what it took.
        problems: pictures that could not be used, and why.
    """

    lines: int
    held_out: int
    accuracy: float | None
    steps: int
    minutes: float
    problems: list[str]


def calibrate(
    model: TrOCRGSAModel,
    processor: Any,
    pictures: Sequence[ImageSource],
    max_steps: int = 400,
    max_minutes: float = 10.0,
    batch_size: int = 16,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> Calibration:
    """Train the pose head alone, in place: minimise −log p(upright) on upright lines, lightly changed each time.

    Args:
        model: the reader; it is in evaluation mode afterwards.
        processor: its processor.
        pictures: upright lines, as pictures or files; a tenth is set aside.
        max_steps: batches to learn from.
        max_minutes: end then, however many they were; the learning rate follows whichever comes first.
        batch_size: pictures in a batch.
        learning_rate: of AdamW, falling along a cosine.
        seed: of order and changes.

    Raises:
        ValueError: if no picture can be used, or the group has one pose alone.
    """
    if model.encoder.group.order == 1:
        raise ValueError("`group` must have more than one pose for which way up to be a question, got C1.")
    started = time.monotonic()
    rng = np.random.default_rng(seed)
    usable, problems = _usable(pictures)
    order = rng.permutation(len(usable))
    aside = [usable[index] for index in order[: int(HELD_OUT * len(usable))]]
    learned = [usable[index] for index in order[len(aside) :]]
    head = model.encoder.pose_head
    model.eval()
    optimiser = torch.optim.AdamW(head.parameters(), lr=learning_rate)
    steps = 0
    for batch in _batches(learned, batch_size, rng):
        minutes = (time.monotonic() - started) / 60
        if steps >= max_steps or minutes >= max_minutes:
            break
        done = max(steps / max_steps, minutes / max_minutes)
        optimiser.param_groups[0]["lr"] = learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        upright = torch.zeros(len(batch), dtype=torch.long, device=model.device)
        F.cross_entropy(_scores(model, processor, batch), upright, label_smoothing=SMOOTHING).backward()
        optimiser.step()
        optimiser.zero_grad()
        steps += 1
    return Calibration(
        len(learned), len(aside), _accuracy(model, processor, aside, batch_size), steps,
        (time.monotonic() - started) / 60, problems,
    )  # fmt: skip


def _usable(pictures: Sequence[ImageSource]) -> tuple[list[ImageSource], list[str]]:
    """Return the pictures that can be opened, and what is wrong with the others."""
    usable, problems = [], []
    for picture in pictures:
        try:
            load_image(picture)
        except ImageError as error:
            problems.append(str(error))
        else:
            usable.append(picture)
    if not usable:
        first = f" The first: {problems[0]}" if problems else ""
        raise ValueError(f"`pictures`: none of {len(problems)} pictures can be used.{first}")
    return usable, problems


def _batches(pictures: list[ImageSource], size: int, rng: np.random.Generator) -> Iterator[list[Image.Image]]:
    """Yield batches without end, every picture once before any comes again, each lightly changed."""
    change = LineAugmentation()
    while True:
        order = rng.permutation(len(pictures))
        for start in range(0, len(order), size):
            yield [change(load_image(pictures[index]), rng) for index in order[start : start + size]]


def _scores(model: TrOCRGSAModel, processor: Any, images: list[Image.Image]) -> Tensor:
    """Return the pose head's scores (batch, pose); only the head learns from them."""
    with torch.no_grad():
        features, _, mask = model.encoder.see(**processor(images=images).to(model.device))
    return model.encoder.pose_head(features, mask)


@torch.inference_mode()
def _accuracy(model: TrOCRGSAModel, processor: Any, pictures: list[ImageSource], size: int) -> float | None:
    """Return the share of upright pictures found upright; None for none."""
    if not pictures:
        return None
    right = 0
    for start in range(0, len(pictures), size):
        images = [load_image(picture) for picture in pictures[start : start + size]]
        right += int((_scores(model, processor, images).argmax(-1) == 0).sum())
    return right / len(pictures)
