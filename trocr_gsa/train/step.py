"""The loss of an optimizer step, which does not depend on how its lines are split into batches.

L = Σ_tokens decoder / #tokens + w_ctc · Σ_lines ctc / #tokens + w_pose · Σ_lines pose / #lines

A loss that is added to the model's `LOSSES` is treated in the same way.

The model returns means over a batch. Micro-batches and processes have different numbers of tokens and lines, so each
mean is weighted by its share of the step's total. Then splitting a batch changes only the rounding.
"""

from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from trocr_gsa.model.modeling_trocr_gsa import LOSSES
from trocr_gsa.train.arguments import TrainingArguments

IGNORED = -100


def loss_weights(config: Any, arguments: TrainingArguments) -> dict[str, float]:
    """Return the weights of the model's losses, from the arguments or else from the model's configuration."""
    given = {name: getattr(arguments, f"{name}_weight", None) for name in LOSSES}
    return {name: config.loss_weight(name) if weight is None else weight for name, weight in given.items()}


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
    output: Any, batch: dict[str, Any], totals: Tensor, weights: Mapping[str, float]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return this batch's contribution to the step's loss, and its detached parts.

    Args:
        output: the model's output for `batch`, with all `LOSSES` (a mean, or None).
        batch: the batch, with `labels`.
        totals: (tokens, lines) of the whole step.
        weights: weights of the losses, by name.
    """
    tokens, lines = count([batch]).to(totals.device) / totals
    shares = {"tokens": tokens, "lines": lines}
    means = {name: getattr(output, name) for name in LOSSES}
    parts = {name: mean * shares[LOSSES[name]] for name, mean in means.items() if mean is not None}
    loss = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
    return loss, {name.removesuffix("_loss"): part.detach() for name, part in parts.items()}


def noisy_decoder_inputs(
    labels: Tensor, start_token: int, vocabulary: int, noise: float, generator: torch.Generator
) -> Tensor:
    """Return the labels shifted right, with a fraction of the inputs replaced by random tokens.

    Args:
        labels: (line, token) long, -100 where ignored.
        start_token: first token, also used in place of -100.
        vocabulary: number of tokens to draw from.
        noise: probability in [0, 1] that an input is replaced; the start token is never replaced.
        generator: random generator.
    """
    inputs = labels.new_full(labels.shape, start_token)
    inputs[:, 1:] = labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, start_token)
    drawn = torch.randint(vocabulary, labels.shape, generator=generator)
    replaced = torch.rand(labels.shape, generator=generator) < noise
    replaced[:, 0] = False
    return torch.where(replaced, drawn, inputs)
