"""Time and memory of an epoch on rotated MNIST, beside the same network with every published sum evaluated literally.

The literal evaluation materialises all scores of the group layers (`benchmarks/literal_attention.py`). Weights and
results are the same.
"""

import math
import time
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from benchmarks.literal_attention import LiteralGroupAttention
from benchmarks.memory import forget_peak, in_new_process, resident
from experiments.rotated_digits import LEARN
from experiments.rotated_mnist_networks import Size, build
from trocr_gsa.model.attention import GroupSelfAttention
from trocr_gsa.model.encoding import grid_positions

STEPS = 4
MEASURED = ("R4", "R4, query", "R4, encoding")


@dataclass(frozen=True)
class Cost:
    """Processor minutes of an epoch, and the memory that a step adds to the process, bytes."""

    minutes: float
    memory: int


class LiteralLayer(nn.Module):
    """An attention layer of the network, evaluated literally.

    Args:
        attention: the layer.
        side: patches along a side of the image.
    """

    def __init__(self, attention: GroupSelfAttention, side: int) -> None:
        super().__init__()
        self.attention = attention
        self.literal = LiteralGroupAttention(attention, grid_positions(side, side))

    def forward(self, features: Tensor, positions: Tensor, mask: Tensor | None) -> Tensor:
        """Attend; `positions` are those of the grid, and there is no padding."""
        return self.literal(features)


def evaluate_literally(model: nn.Module, side: int) -> None:
    """Replace every group attention of a network by its literal evaluation."""
    for layer in list(model.modules()):
        attention = getattr(layer, "attention", None)
        if isinstance(attention, GroupSelfAttention):
            layer.attention = LiteralLayer(attention, side)


def cost(name: str, size: Size, literal: bool) -> Cost:
    """Measure training steps of a variant with random digits."""
    torch.set_num_threads(1)
    model = build(name, size)
    if literal:
        evaluate_literally(model, size.side)
    images, labels = torch.rand(size.batch, 1, *[size.side * size.patch_size] * 2), torch.arange(size.batch) % 10
    forget_peak()
    before, times = resident("VmRSS"), []
    for _ in range(STEPS):
        start = time.process_time()
        model(images, labels).loss.backward()
        times.append(time.process_time() - start)
    return Cost(min(times) * math.ceil(LEARN / size.batch) / 60, resident("VmHWM") - before)


def costs(size: Size) -> list[dict]:
    """Measure every sum over poses, each in a process of its own, by this project's attention and literally."""
    return [
        {"variant": name, "ours": asdict(in_new_process(cost, name, size, False)),
         "literal": asdict(in_new_process(cost, name, size, True))}
        for name in MEASURED
    ]  # fmt: skip
