"""Trains the pose head of a reader, from images without texts.

What is unusual: all images are upright, and are never rotated. The score is the same function for every pose, so it is
learned for all poses at once. The reader's other weights do not change.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from trocr_gsa.data.images import ImageError, ImageSource, load_image
from trocr_gsa.data.synthetic.augmentation import LineAugmentation
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor

HELD_OUT = 0.1  # share of the images for measuring the accuracy
SMOOTHING = 0.02  # of the labels; it keeps the probabilities away from 0 and 1, so that scores can still be compared


@dataclass(frozen=True)
class TaughtOrientation:
    """The result of training the pose head.

    Attributes:
        lines: number of images used for training.
        held_out: number of images used for measuring the accuracy.
        accuracy: share of these whose orientation is recognised, which is the same for all rotations; None if there are
            none.
        steps: number of training steps.
        minutes: duration.
        problems: messages about images that could not be used.
    """

    lines: int
    held_out: int
    accuracy: float | None
    steps: int
    minutes: float
    problems: list[str]


def teach_orientation(
    model: TrOCRGSAModel,
    processor: TrOCRGSAProcessor,
    pictures: Sequence[ImageSource],
    max_steps: int = 400,
    max_minutes: float = 10.0,
    batch_size: int = 16,
    learning_rate: float = 1e-3,
    seed: int = 0,
    show: Callable[[float, int], object] | None = None,
) -> TaughtOrientation:
    """Train only the pose head, in place: minimise −log p(upright) on augmented upright lines.

    Args:
        model: the reader; afterwards it is in evaluation mode.
        processor: its processor.
        pictures: upright lines, as images or files; a tenth is held out.
        max_steps: maximum number of steps.
        max_minutes: maximum duration; the learning rate follows the limit that is reached first.
        batch_size: number of images in a batch.
        learning_rate: initial learning rate of AdamW, which follows a cosine.
        seed: random seed of order and augmentation.
        show: called after each step with the share of the work that is done and the number of lines of the step.

    Raises:
        ValueError: if no image can be used, or the group has only one pose.
    """
    if model.encoder.group.order == 1:
        raise ValueError("`group` must have more than one pose to predict an orientation, got C1.")
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
        if show is not None:
            show(done, len(batch))
    return TaughtOrientation(
        len(learned), len(aside), _accuracy(model, processor, aside, batch_size), steps,
        (time.monotonic() - started) / 60, problems,
    )  # fmt: skip


def _usable(pictures: Sequence[ImageSource]) -> tuple[list[ImageSource], list[str]]:
    """Return the images that can be opened, and messages about the others."""
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
    """Yield batches of augmented images endlessly; every image is used once before any is repeated."""
    change = LineAugmentation()
    while True:
        order = rng.permutation(len(pictures))
        for start in range(0, len(order), size):
            yield [change(load_image(pictures[index]), rng) for index in order[start : start + size]]


def _scores(model: TrOCRGSAModel, processor: TrOCRGSAProcessor, images: list[Image.Image]) -> Tensor:
    """Return the pose head's scores (batch, pose), with gradients only for the head."""
    with torch.no_grad():
        features, _, mask = model.encoder.see(**processor(images=images).to(model.device))
    return model.encoder.pose_head(features, mask)


@torch.inference_mode()
def _accuracy(
    model: TrOCRGSAModel, processor: TrOCRGSAProcessor, pictures: list[ImageSource], size: int
) -> float | None:
    """Return the share of upright images that are recognised as upright; None if there are no images."""
    if not pictures:
        return None
    right = 0
    for start in range(0, len(pictures), size):
        images = [load_image(picture) for picture in pictures[start : start + size]]
        right += int((_scores(model, processor, images).argmax(-1) == 0).sum())
    return right / len(pictures)
