"""One optimizer step's loss, the same however its lines are split.

L = Σ_tokens decoder / #tokens + w_ctc · Σ_lines ctc / #tokens + w_pose · Σ_lines pose / #lines

The model returns means over the batch it sees; micro-batches and processes hold unlike numbers of tokens and lines, so
each mean is weighted by its share of the step's total. Then splitting a batch changes nothing but rounding.
"""

from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

IGNORED = -100


@dataclass(frozen=True)
class LossWeights:
    """What CTC and pose losses count beside the decoder's."""

    ctc: float
    pose: float


def count(batches: list[dict[str, Any]]) -> Tensor:
    """Return (tokens, lines) of the given batches, long."""
    tokens = sum((batch["labels"] != IGNORED).sum() for batch in batches)
    lines = sum(len(batch["labels"]) for batch in batches)
    return torch.stack([torch.as_tensor(tokens), torch.as_tensor(lines)])


def step_totals(batches: list[dict[str, Any]], accelerator: Accelerator) -> Tensor:
    """Return (tokens, lines) of the whole step, over all micro-batches of all processes."""
    totals = count(batches).to(accelerator.device)
    return accelerator.reduce(totals, reduction="sum")  # pyright: ignore[reportReturnType]


def weighted_loss(
    output: Any, batch: dict[str, Any], totals: Tensor, weights: LossWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return this batch's part of the step's loss, and the detached parts it is made of.

    Args:
        output: what the model returned for `batch`, with `decoder_loss`, `ctc_loss` and `pose_loss` (means or None).
        batch: with `labels`.
        totals: (tokens, lines) of the whole step.
        weights: of the CTC and pose losses.
    """
    share_of_tokens, share_of_lines = count([batch]).to(totals.device) / totals
    parts = {"decoder": output.decoder_loss * share_of_tokens}
    if output.ctc_loss is not None:
        parts["ctc"] = output.ctc_loss * share_of_tokens
    if output.pose_loss is not None:
        parts["pose"] = output.pose_loss * share_of_lines
    loss = parts["decoder"]
    if "ctc" in parts:
        loss = loss + weights.ctc * parts["ctc"]
    if "pose" in parts:
        loss = loss + weights.pose * parts["pose"]
    return loss, {name: part.detach() for name, part in parts.items()}


def noisy_decoder_inputs(
    labels: Tensor, start_token: int, vocabulary: int, noise: float, generator: torch.Generator
) -> Tensor:
    """Return the labels shifted right, with a fraction of the inputs replaced by random tokens.

    Args:
        labels: (line, token) long, -100 where ignored.
        start_token: put in front, and in place of -100.
        vocabulary: number of tokens to draw from.
        noise: probability in [0, 1] that an input is replaced; the start token never is.
        generator: of the draws.
    """
    inputs = labels.new_full(labels.shape, start_token)
    inputs[:, 1:] = labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, start_token)
    drawn = torch.randint(vocabulary, labels.shape, generator=generator)
    replaced = torch.rand(labels.shape, generator=generator) < noise
    replaced[:, 0] = False
    return torch.where(replaced, drawn, inputs)
