"""AdamW, the learning rate as a function of progress, and averaged weights (EMA).

What is unusual: progress is the larger of the shares of steps and of minutes, so that a run with a time limit also
finishes its cosine schedule. There is no hidden state except the optimizer's moments, so a run resumes from its step
and time.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from trocr_gsa.train.sharding import check_shape, in_shards_like, whole


def make_optimizer(model: nn.Module, learning_rate: float, weight_decay: float, beta2: float) -> torch.optim.AdamW:
    """Return AdamW for the trainable parameters; weight decay applies to matrices, not to biases, norms and gates."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trainable if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trainable if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, beta2), fused=True)


def progress(step: int, minutes: float, max_steps: int | None, max_minutes: float | None) -> float:
    """Return the progress of the run in [0, 1]: the larger of the share of steps and the share of time."""
    steps = step / max_steps if max_steps else 0.0
    time = minutes / max_minutes if max_minutes else 0.0
    return min(max(steps, time), 1.0)


def learning_rate_factor(step: int, warmup_steps: int, done: float, cooldown: float = 1.0) -> float:
    """Return the factor on the learning rate: linear warm-up, then 1, then a cosine from 1 to 0.

    Args:
        step: optimizer steps already taken.
        warmup_steps: steps of the linear warm-up.
        done: `progress` of the run, in [0, 1].
        cooldown: last share of the run, in which the learning rate follows the cosine, in (0, 1].
    """
    warmup = min(1.0, (step + 1) / (warmup_steps + 1))
    cooled = max(0.0, done - (1 - cooldown)) / cooldown
    return warmup * 0.5 * (1 + math.cos(math.pi * cooled))


class AveragedWeights:
    """An exponential moving average of the trainable weights: a ← d·a + (1−d)·w, d = min(decay, (1+t)/(10+t)).

    Args:
        model: the model whose trainable weights are averaged.
        decay: d after many steps, in [0, 1).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.average = [weight.detach().clone() for weight in self.weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average with the current weights; `step` counts from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for average, weight in zip(self.average, self.weights, strict=True):
            average.lerp_(weight, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Context manager that replaces the weights by their average."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state_dict(self) -> dict[str, list[Tensor]]:
        """Return the state for `load_state_dict`."""
        return {"average": [whole(average) for average in self.average]}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        """Restore the average.

        Raises:
            ValueError: if it is the average of other weights.
        """
        for average, saved in zip(self.average, state["average"], strict=True):
            check_shape(saved, average.shape, "an averaged weight")
            average.copy_(in_shards_like(saved, average))

    @torch.no_grad()
    def _swap(self) -> None:
        for average, weight in zip(self.average, self.weights, strict=True):
            held = weight.detach().clone()
            weight.copy_(average)
            average.copy_(held)
