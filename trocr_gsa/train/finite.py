"""Handles steps whose loss or gradient is not finite: they are skipped and counted, and too many of them end the run.

What is unusual: a step is skipped by all processes or by none, because otherwise their weights would differ. The lines
that cause the problem are searched one by one, with the current weights.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor
from trocr_gsa.train.arguments import TrainingArguments

from .run_folder import RunState

logger = logging.getLogger(__name__)

MAX_IN_A_ROW = 10  # skipped steps after which a run stops
MAX_AT_THE_END = 1  # skipped steps at the end of a run that still counts as successful
SHOWN_LINES, SHOWN_CHARACTERS = 5, 60


class TrainingStoppedError(RuntimeError):
    """A training that diverged; the message says what was saved and what to change."""


class FiniteSteps:
    """Counts the steps that are skipped because they are not finite.

    Args:
        arguments: arguments of the run.
        accelerator: its processes.
        model: the trained model; None if it is sharded, so that a process cannot search for lines alone.
        processor: processor of the reader.
    """

    def __init__(
        self,
        arguments: TrainingArguments,
        accelerator: Accelerator,
        model: nn.Module | None,
        processor: TrOCRGSAProcessor,
    ) -> None:
        self.arguments, self.accelerator, self.model, self.processor = arguments, accelerator, model, processor
        self.blamed: list[str] = []  # texts of lines without a finite loss

    def are_finite(self, tensors: Iterable[Tensor]) -> bool:
        """Return whether all numbers of all processes are finite; every process must call this.

        This tests the root of the sum of squares, which is several times faster on a CPU than the maximum. So numbers
        above 1e19 in a matrix count as infinite.
        """
        own = [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors]
        own = [tensor.detach() if tensor.dim() else tensor.detach().double() for tensor in own if tensor.numel()]
        bad = (~torch.nn.utils.get_total_norm(own).isfinite()).float().to(self.accelerator.device)
        return not float(cast(Tensor, self.accelerator.reduce(bad, reduction="sum")))

    def skip(self, state: RunState, batches: Sequence[Mapping[str, Tensor]]) -> None:
        """Count a skipped step, and log it together with the lines that caused it, if they are found."""
        state.skipped += 1
        state.skipped_in_a_row += 1
        lines = [] if self.model is None else lines_at_fault(self.model, batches, self.processor)
        self.blamed = [*dict.fromkeys([*self.blamed, *lines])]
        named = f" Lines without a finite loss: {_quoted(lines)}." if lines else ""
        logger.warning("Skipped step %d: its loss or gradient is not finite.%s", state.step, named)

    def has_given_up(self, state: RunState, is_over: bool) -> bool:
        """Return whether a run has not recovered from skipped steps."""
        if is_over:
            return state.skipped_in_a_row > MAX_AT_THE_END or state.skipped == state.step > 0
        return state.skipped_in_a_row >= MAX_IN_A_ROW

    def error(self, state: RunState, why: str, folder: Path) -> TrainingStoppedError:
        """Return the error for a run that diverged.

        Args:
            state: state of the run.
            why: what happened.
            folder: folder of its checkpoints.
        """
        advice = [f"lower `learning_rate` (it is {self.arguments.learning_rate:g})"]
        if self.accelerator.mixed_precision == "bf16":
            advice.append(f"set precision=fp32 (it is {self.arguments.precision})")
        if self.blamed:
            advice.append(f"check the pictures and texts of these lines, or leave them out: {_quoted(self.blamed)}")
        return TrainingStoppedError(
            f"the training was stopped at step {state.step}: {why}. The last finite "
            f"weights are kept in {folder}. In another run, {', or '.join(advice)}."
        )


@torch.no_grad()
def lines_at_fault(
    model: nn.Module, batches: Sequence[Mapping[str, Tensor]], processor: TrOCRGSAProcessor
) -> list[str]:
    """Return the texts of the lines whose own loss is not finite; an empty list if this holds for all lines.

    Args:
        model: the reader, or PEFT's model around it.
        batches: batches of a step.
        processor: processor of the reader.
    """
    found, lines = [], sum(len(batch["labels"]) for batch in batches)
    device = next(model.parameters()).device
    for batch in batches:
        for row, letters in enumerate(batch["labels"]):
            line = {name: tensor[row : row + 1].to(device) for name, tensor in batch.items()}
            if not model(**line).loss.isfinite():
                found.append(processor.decode(letters[letters >= 0], skip_special_tokens=True))
    return found if len(found) < max(2, lines) else []  # if all lines fail, the cause is the weights or the precision


def _quoted(lines: Sequence[str]) -> str:
    """Quote the beginnings of the first texts, for a message."""
    shown = [repr(line[:SHOWN_CHARACTERS]) for line in lines[:SHOWN_LINES]]
    more = [f"{len(lines) - SHOWN_LINES} more"] if len(lines) > SHOWN_LINES else []
    return ", ".join([*shown, *more])
