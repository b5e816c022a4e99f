"""Collates lines into batches for the model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..model.groups import PointGroup
from .fit import LineFit
from .samples import LineSample

logger = logging.getLogger(__name__)


class LineCollator:
    """Makes a batch of lines: patches, labels, and pose labels.

    Args:
        processor: turns images and texts into `pixel_values`, …, `labels`.
        max_label_length: maximum number of tokens of a label; longer lines are reported and left out.
        group: the model's group; if given, the batch has `pose_labels`, the element by which each image is rotated.
    """

    def __init__(self, processor: Any, max_label_length: int, group: PointGroup | None = None) -> None:
        """Store the processor."""
        self.processor, self.group = processor, group
        self.fit = LineFit(processor, max_label_length)

    def __call__(self, samples: Sequence[LineSample]) -> dict[str, Tensor]:
        """Prepare a batch.

        Returns: the processor's tensors, and `pose_labels` (batch,) long.

        Raises:
            ValueError: if no line can be used, or an angle is not a rotation of the group.
        """
        kept = [sample for sample in samples if self._fits(sample)]
        if not kept:
            raise ValueError(f"`samples`: none of {len(samples)} lines fits the reader; see the log for the reasons.")
        batch = self.processor(images=[s.image for s in kept], text=[s.text for s in kept], return_tensors="pt")
        tensors = dict(batch.items())
        if self.group is not None:
            tensors["pose_labels"] = torch.tensor([self.group.element(s.angle) for s in kept])
        return tensors

    def _fits(self, sample: LineSample) -> bool:
        problem = self.fit.problem(sample.text, sample.image.size, sample.name)
        if problem is not None:
            logger.warning("Skipped: %s", problem)
        return problem is None
