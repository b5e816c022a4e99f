"""A reader that is an encoder and a CTC head, so that what is compared is the encoder: a GSA-Net beside a ViT.

What is unusual: the ViT is helped as far as it can be. It is the same network over the group of one element, and where
it learns from turned lines it has a head that tells how they lie, trained on that; its columns are read along the
direction that the head finds, as a GSA-Net's are along the pose.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.line_sets import Line, batch, turned
from trocr_gsa.metrics.error_rates import cer
from trocr_gsa.model.configuration_gsa_net import GSANetConfig
from trocr_gsa.model.ctc import CTCHead
from trocr_gsa.model.modeling_gsa_net import GSANetModel
from trocr_gsa.train.optimisation import learning_rate_factor, make_optimizer

BLANK = 0
DIRECTION_WEIGHT = 0.3  # of the loss that tells how a line lies, beside CTC's
READ_AT_ONCE = 20  # lines: of C16, lines that lie aslant take some 100 MB each
PROBE = 8  # steps whose cost is measured


@dataclass(frozen=True)
class Design:
    """A reader's shape.

    Attributes:
        group: H; "C1" is a ViT.
        directions: classes of a ViT's head that tells how a line lies; 0: it takes lines to be upright.
        hidden_size: width of a token.
        layers: L, layers after the lifting layer.
        heads: attention heads.
        patch_size: side of a patch, pixels.
        pose_layers: K, how many of them go across poses; a ViT has none.
        pose_sum: how they sum over poses.
        absolute_position: of the encoder's tokens.
    """

    group: str = "C4"
    directions: int = 0
    hidden_size: int = 64
    layers: int = 3
    heads: int = 4
    patch_size: int = 12
    pose_layers: int = 1
    pose_sum: str = "none"
    absolute_position: str = "centred"


@dataclass(frozen=True)
class Lesson:
    """How a reader learns.

    Attributes:
        steps: of the optimiser.
        turns: how lines lie while it learns.
        reads: whether it learns to read, or only to tell how lines lie.
        seed: of weights and order.
        lines_a_step: lines in a batch.
        learning_rate: the largest.
        warmup: steps to it.
        device: where.
    """

    steps: int
    turns: Literal["none", "quarters", "any"] = "none"
    reads: bool = True
    seed: int = 0
    lines_a_step: int = 32
    learning_rate: float = 2e-3
    warmup: int = 40
    device: str = "cpu"


class SmallReader(nn.Module):
    """log p(letter | step along the line's direction), and log p(direction).

    Args:
        design: its shape.
        letters: what it can write.
    """

    def __init__(self, design: Design, letters: str) -> None:
        super().__init__()
        self.design, self.letters = design, letters
        self.encoder = GSANetModel(
            GSANetConfig(
                group=design.group,
                hidden_size=design.hidden_size,
                num_hidden_layers=design.layers,
                pose_layers=0 if design.group == "C1" else design.pose_layers,
                pose_sum=design.pose_sum,
                absolute_position=design.absolute_position,
                num_attention_heads=design.heads,
                intermediate_size=4 * design.hidden_size,
                patch_size=design.patch_size,
                num_frequencies=8 if design.group == "C1" else 4,  # C4's orbits hold two directions
            )
        )
        self.encoder.set_attn_implementation("eager")  # at this size faster than the fused kernel's backward
        self.direction = nn.Linear(design.hidden_size, design.directions) if design.directions else None
        self.ctc = CTCHead(design.hidden_size, len(letters) + 1, design.patch_size // 4, BLANK)

    @property
    def angles(self) -> list[float]:
        """Degrees at which it can say that a line lies."""
        count = self.design.directions
        return [360 * k / count for k in range(count)] if count else self.encoder.group.angles

    def forward(self, lines: dict[str, Tensor], direction: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Read along a direction (batch,) long, or the likeliest: logits, steps of each line, log p(direction)."""
        seen = self.encoder(**lines, pose_labels=None if self.direction else direction)
        tokens, places, mask = seen.pose_hidden_state, seen.pose_positions, seen.pose_mask
        log_p = seen.pose_logits
        if self.direction is not None:
            weight = mask[..., None].to(tokens)
            log_p = self.direction((tokens * weight).sum(1) / weight.sum(1)).log_softmax(-1)
            angle = tokens.new_tensor(self.angles).deg2rad()[log_p.argmax(-1) if direction is None else direction]
            cosine, sine = angle.cos()[:, None], angle.sin()[:, None]
            x, y = places.unbind(-1)
            places = torch.stack((cosine * x + sine * y, cosine * y - sine * x), dim=-1)
        logits, steps = self.ctc(tokens, places, mask)
        return logits, steps, log_p

    def label(self, angle: float) -> int:
        """Return the direction nearest to an angle in degrees."""
        return min(range(len(self.angles)), key=lambda k: abs((self.angles[k] - angle + 180) % 360 - 180))


def labels_of(texts: Sequence[str], letters: str) -> Tensor:
    """Return letters as numbers, −100 past a text's end: (line, letter) long."""
    longest = max(map(len, texts))
    rows = [[letters.index(letter) + 1 for letter in text] + [-100] * (longest - len(text)) for text in texts]
    return torch.tensor(rows)


def train(design: Design, lesson: Lesson, lines: Sequence[Line]) -> SmallReader:
    """Teach a new reader; upright lines are all that a GSA-Net ever sees."""
    torch.manual_seed(lesson.seed)
    rng = np.random.default_rng(lesson.seed)
    reader = SmallReader(design, "".join(sorted({letter for line in lines for letter in line.text}))).to(lesson.device)
    optimizer = make_optimizer(reader, lesson.learning_rate, 0.05, 0.98)
    order: list[int] = []
    for step in range(lesson.steps):
        for group in optimizer.param_groups:
            group["lr"] = lesson.learning_rate * learning_rate_factor(step, lesson.warmup, step / lesson.steps)
        while len(order) < lesson.lines_a_step:
            order += rng.permutation(len(lines)).tolist()
        chosen, order = [lines[i] for i in order[: lesson.lines_a_step]], order[lesson.lines_a_step :]
        loss = _loss(reader, lesson, chosen, rng)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
    return reader.eval()


def _loss(reader: SmallReader, lesson: Lesson, lines: Sequence[Line], rng: np.random.Generator) -> Tensor:
    if lesson.turns == "none":
        angles = np.zeros(len(lines))
    else:
        angles = rng.uniform(0, 360, len(lines)) if lesson.turns == "any" else 90.0 * rng.integers(4, size=len(lines))
    size = reader.design.patch_size
    given = batch([turned(line.pixels, angle, size) for line, angle in zip(lines, angles, strict=True)], size)
    given = {name: part.to(lesson.device) for name, part in given.items()}
    direction = torch.tensor([reader.label(angle) for angle in angles], device=lesson.device)
    logits, steps, log_p = reader(given, direction)
    loss = DIRECTION_WEIGHT * F.nll_loss(log_p, direction)
    if not lesson.reads:
        return loss
    labels = labels_of([line.text for line in lines], reader.letters).to(lesson.device)
    return loss + reader.ctc.loss(logits, steps, labels)


@torch.no_grad()
def read(reader: SmallReader, pages: Sequence[tuple[Tensor, Tensor]]) -> tuple[list[str], list[float]]:
    """Return what stands in turned lines, and at how many degrees each seems to lie."""
    texts, angles = [], []
    device = next(reader.parameters()).device
    for first in range(0, len(pages), READ_AT_ONCE):
        lines = batch(pages[first : first + READ_AT_ONCE], reader.design.patch_size)
        logits, steps, log_p = reader({name: part.to(device) for name, part in lines.items()}, None)
        texts += ["".join(reader.letters[k - 1] for k in path) for path in reader.ctc.read(logits, steps)]
        angles += [reader.angles[k] for k in log_p.argmax(-1).tolist()]
    return texts, angles


def judge(
    reader: SmallReader, lines: Sequence[Line], angle: float, classifier: SmallReader | None = None
) -> dict[str, float]:
    """Read lines that lie at an angle; return their error rate, and the share whose direction was told right.

    Args:
        reader: who reads.
        lines: upright ones.
        angle: degrees by which they are turned.
        classifier: tells first how each lies, which is then undone.
    """
    size = reader.design.patch_size
    pages = [turned(line.pixels, angle, size) for line in lines]
    if classifier is None:
        texts, angles = read(reader, pages)
    else:
        _, angles = read(classifier, pages)
        pages = [turned(line.pixels, angle - told, size) for line, told in zip(lines, angles, strict=True)]
        texts, _ = read(reader, pages)
    right = [abs((told - angle + 180) % 360 - 180) <= 180 / len((classifier or reader).angles) for told in angles]
    return {"cer": cer([line.text for line in lines], texts), "direction": sum(right) / len(right)}


def seconds_a_step(design: Design, lesson: Lesson, lines: Sequence[Line]) -> float:
    """Return what a step costs, in processor seconds on a CPU, by the clock elsewhere."""
    clock = time.process_time if lesson.device == "cpu" else time.perf_counter
    spent = []
    for steps in (1, 1 + PROBE):
        start = clock()
        train(design, replace(lesson, steps=steps), lines)
        spent.append(clock() - start)
    return (spent[1] - spent[0]) / PROBE


def parameters_of(reader: nn.Module) -> int:
    """Return how many weights a reader has."""
    return sum(weight.numel() for weight in reader.parameters())
