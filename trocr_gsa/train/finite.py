"""Steps whose loss or gradient is no finite number: skipped, counted, and the end of a run that has no others.

What is unusual: a step is skipped by all processes or by none, since they would drift apart otherwise; and the lines
that are to blame are looked for one by one, with the weights as they are.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from trocr_gsa.train.arguments import TrainingArguments

from .run_folder import RunState

logger = logging.getLogger(__name__)

MOST_IN_A_ROW = 10  # skipped steps after which a run is given up
MOST_AT_THE_END = 1  # skipped steps with which a run may end and still have recovered
SHOWN_LINES, SHOWN_LETTERS = 5, 60


class TrainingStoppedError(RuntimeError):
    """A run that computes no finite numbers any more; the message says what is kept and what to change."""


class FiniteSteps:
    """Keeps account of steps that cannot be taken.

    Args:
        arguments: of the run.
        accelerator: its processes.
        model: what is trained; None where it is in shards, and no process can look for lines alone.
        processor: of the reader.
    """

    def __init__(
        self, arguments: TrainingArguments, accelerator: Accelerator, model: nn.Module | None, processor: Any
    ) -> None:
        self.arguments, self.accelerator, self.model, self.processor = arguments, accelerator, model, processor
        self.blamed: list[str] = []  # texts of lines without a finite loss

    def are_finite(self, tensors: Iterable[Tensor]) -> bool:
        """Return whether all numbers of all processes are finite; every process has to ask.

        Asked is the root of the sum of their squares, which a processor computes several times faster than the largest
        of them; of matrices, numbers beyond 1e19 therefore count as infinite.
        """
        own = [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors]
        own = [tensor.detach() if tensor.dim() else tensor.detach().double() for tensor in own if tensor.numel()]
        bad = (~torch.nn.utils.get_total_norm(own).isfinite()).float().to(self.accelerator.device)
        return not float(cast(Tensor, self.accelerator.reduce(bad, reduction="sum")))

    def skip(self, state: RunState, batches: Sequence[Mapping[str, Tensor]]) -> None:
        """Count a step that is not taken, and say so, with the lines that are to blame where there are any."""
        state.skipped += 1
        state.skipped_in_a_row += 1
        lines = [] if self.model is None else lines_at_fault(self.model, batches, self.processor)
        self.blamed = [*dict.fromkeys([*self.blamed, *lines])]
        named = f" Lines without a finite loss: {_quoted(lines)}." if lines else ""
        logger.warning("Skipped step %d: its loss or gradient is not finite.%s", state.step, named)

    def has_given_up(self, state: RunState, is_over: bool) -> bool:
        """Return whether a run has not recovered from steps that were skipped."""
        if is_over:
            return state.skipped_in_a_row > MOST_AT_THE_END or state.skipped == state.step > 0
        return state.skipped_in_a_row >= MOST_IN_A_ROW

    def error(self, state: RunState, why: str, folder: Path) -> TrainingStoppedError:
        """Return what is said of a run that ends so.

        Args:
            state: of the run.
            why: what happened.
            folder: where its checkpoints are.
        """
        advice = [f"lower `learning_rate` (it is {self.arguments.learning_rate:g})"]
        if self.accelerator.mixed_precision == "bf16":
            advice.append(f"set precision=fp32 (it is {self.arguments.precision})")
        if self.blamed:
            advice.append(f"look at the pictures and texts of these lines, or leave them out: {_quoted(self.blamed)}")
        return TrainingStoppedError(
            f"the training was given up at step {state.step}: {why}. The last finite "
            f"weights are kept in {folder}. In another run, {', or '.join(advice)}."
        )


@torch.no_grad()
def lines_at_fault(model: nn.Module, batches: Sequence[Mapping[str, Tensor]], processor: Any) -> list[str]:
    """Return the texts of the lines for which a model computes no finite loss by themselves; none where all are such.

    Args:
        model: the reader, or the reader in its adapter.
        batches: of a step.
        processor: of the reader.
    """
    found, lines = [], sum(len(batch["labels"]) for batch in batches)
    device = next(model.parameters()).device
    for batch in batches:
        for row, letters in enumerate(batch["labels"]):
            line = {name: tensor[row : row + 1].to(device) for name, tensor in batch.items()}
            if not model(**line).loss.isfinite():
                found.append(processor.decode(letters[letters >= 0], skip_special_tokens=True))
    return found if len(found) < max(2, lines) else []  # else it is the weights, or the precision


def _quoted(lines: Sequence[str]) -> str:
    """Return the beginnings of the first of some texts, for a message."""
    shown = [repr(line[:SHOWN_LETTERS]) for line in lines[:SHOWN_LINES]]
    more = [f"{len(lines) - SHOWN_LINES} more"] if len(lines) > SHOWN_LINES else []
    return ", ".join([*shown, *more])
