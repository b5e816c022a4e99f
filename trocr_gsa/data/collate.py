"""From lines to a batch that the model takes."""

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
    """Makes a batch of lines: patches, labels, and the pose each picture is in.

    Args:
        processor: turns pictures and texts into `pixel_values`, …, `labels`.
        max_label_length: tokens of the longest label; longer lines are reported and left out.
        group: of the model; when given, `pose_labels` says by which element each picture is turned.
    """

    def __init__(self, processor: Any, max_label_length: int, group: PointGroup | None = None) -> None:
        """Hold the processor."""
        self.processor, self.group = processor, group
        self.fit = LineFit(processor, max_label_length)

    def __call__(self, samples: Sequence[LineSample]) -> dict[str, Tensor]:
        """Prepare a batch.

        Returns: the processor's tensors, and `pose_labels` (batch,) long.

        Raises:
            ValueError: if no line can be used, or an angle is no rotation of the group.
        """
        kept = [sample for sample in samples if self._fits(sample)]
        if not kept:
            raise ValueError(f"`samples`: none of {len(samples)} lines fits the reader; the log says why.")
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
