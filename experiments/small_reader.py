"""A small reader with an encoder and a CTC head, to compare encoders: a GSA-Net and a ViT.

The ViT gets as much help as possible. It is the same network with the group of one element. If it is trained on turned
lines, it also has a head that predicts their direction. Its CTC head reads the columns along that direction, as that of
a GSA-Net reads them along the pose.
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
DIRECTION_WEIGHT = 0.3  # weight of the direction loss, relative to the CTC loss
READ_AT_ONCE = 20  # lines per batch; with C16, a line at an oblique angle takes about 100 MB
PROBE = 8  # number of steps whose time is measured


@dataclass(frozen=True)
class Design:
    """Architecture of a reader.

    Attributes:
        group: name of the group H; "C1" gives a ViT.
        directions: number of classes of a ViT's direction head; 0: no such head, lines are assumed to be upright.
        hidden_size: hidden size of the encoder.
        layers: L, number of layers after the lifting layer.
        heads: number of attention heads.
        patch_size: side of a patch in pixels.
        pose_layers: K, number of layers with attention across poses; a ViT has none.
        pose_sum: sum over poses in these layers, as in `GroupSelfAttention`.
        absolute_position: absolute position encoding, as in `GSANetConfig`.
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
class TrainingSettings:
    """Settings of a training.

    Attributes:
        steps: number of training steps.
        turns: orientations of the training lines.
        reads: whether to train reading; otherwise only the direction is trained.
        seed: seed of the weights and of the order of lines.
        lines_per_step: lines per batch.
        learning_rate: highest learning rate.
        warmup: number of steps until the highest learning rate.
        device: device to train on.
    """

    steps: int
    turns: Literal["none", "quarters", "any"] = "none"
    reads: bool = True
    seed: int = 0
    lines_per_step: int = 32
    learning_rate: float = 2e-3
    warmup: int = 40
    device: str = "cpu"


class SmallReader(nn.Module):
    """Predicts log p(character | frame along the line's direction), and log p(direction).

    Args:
        design: architecture.
        letters: characters that it can output.
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
                num_frequencies=8 if design.group == "C1" else 4,  # an orbit of C4 has two directions
            )
        )
        self.encoder.set_attn_implementation("eager")  # faster than the backward pass of the fused kernel at this size
        self.direction = nn.Linear(design.hidden_size, design.directions) if design.directions else None
        self.ctc = CTCHead(design.hidden_size, len(letters) + 1, design.patch_size // 4, BLANK)

    @property
    def angles(self) -> list[float]:
        """Angles in degrees of the directions that it can predict."""
        count = self.design.directions
        return [360 * k / count for k in range(count)] if count else self.encoder.group.angles

    def forward(self, lines: dict[str, Tensor], direction: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Read along a direction.

        Args:
            lines: inputs as `line_sets.batch` returns them.
            direction: (batch,) long; None: the most probable one.

        Returns: logits, number of frames of each line, and log p(direction).
        """
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
    """Return the labels of texts, (line, character) long, −100 after the end of a text."""
    longest = max(map(len, texts))
    rows = [[letters.index(letter) + 1 for letter in text] + [-100] * (longest - len(text)) for text in texts]
    return torch.tensor(rows)


def train(design: Design, settings: TrainingSettings, lines: Sequence[Line]) -> SmallReader:
    """Train a new reader, and return it in evaluation mode."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    reader = SmallReader(design, "".join(sorted({letter for line in lines for letter in line.text}))).to(
        settings.device
    )
    optimizer = make_optimizer(reader, settings.learning_rate, 0.05, 0.98)
    order: list[int] = []
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * learning_rate_factor(step, settings.warmup, step / settings.steps)
        while len(order) < settings.lines_per_step:
            order += rng.permutation(len(lines)).tolist()
        chosen, order = [lines[i] for i in order[: settings.lines_per_step]], order[settings.lines_per_step :]
        loss = _loss(reader, settings, chosen, rng)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
    return reader.eval()


def _loss(reader: SmallReader, settings: TrainingSettings, lines: Sequence[Line], rng: np.random.Generator) -> Tensor:
    if settings.turns == "none":
        angles = np.zeros(len(lines))
    else:
        angles = rng.uniform(0, 360, len(lines)) if settings.turns == "any" else 90.0 * rng.integers(4, size=len(lines))
    size = reader.design.patch_size
    given = batch([turned(line.pixels, angle, size) for line, angle in zip(lines, angles, strict=True)], size)
    given = {name: part.to(settings.device) for name, part in given.items()}
    direction = torch.tensor([reader.label(angle) for angle in angles], device=settings.device)
    logits, steps, log_p = reader(given, direction)
    loss = DIRECTION_WEIGHT * F.nll_loss(log_p, direction)
    if not settings.reads:
        return loss
    labels = labels_of([line.text for line in lines], reader.letters).to(settings.device)
    return loss + reader.ctc.loss(logits, steps, labels)


@torch.no_grad()
def read(reader: SmallReader, pages: Sequence[tuple[Tensor, Tensor]]) -> tuple[list[str], list[float]]:
    """Return the texts of turned lines, and the predicted angle of each in degrees."""
    texts, angles = [], []
    device = next(reader.parameters()).device
    for first in range(0, len(pages), READ_AT_ONCE):
        lines = batch(pages[first : first + READ_AT_ONCE], reader.design.patch_size)
        logits, steps, log_p = reader({name: part.to(device) for name, part in lines.items()}, None)
        texts += ["".join(reader.letters[k - 1] for k in path) for path in reader.ctc.read(logits, steps)]
        angles += [reader.angles[k] for k in log_p.argmax(-1).tolist()]
    return texts, angles


def evaluate(
    reader: SmallReader, lines: Sequence[Line], angle: float, classifier: SmallReader | None = None
) -> dict[str, float]:
    """Read lines at an angle, and return their error rate and the share of correct directions.

    Args:
        reader: reader to evaluate.
        lines: upright lines.
        angle: angle in degrees by which to turn the lines.
        classifier: reader that predicts the direction of each line first; the line is then turned back. None: no such
            step.
    """
    size = reader.design.patch_size
    pages = [turned(line.pixels, angle, size) for line in lines]
    if classifier is None:
        texts, angles = read(reader, pages)
    else:
        _, angles = read(classifier, pages)
        pages = [turned(line.pixels, angle - predicted, size) for line, predicted in zip(lines, angles, strict=True)]
        texts, _ = read(reader, pages)
    right = [
        abs((predicted - angle + 180) % 360 - 180) <= 180 / len((classifier or reader).angles) for predicted in angles
    ]
    return {"cer": cer([line.text for line in lines], texts), "direction": sum(right) / len(right)}


def seconds_per_step(design: Design, settings: TrainingSettings, lines: Sequence[Line]) -> float:
    """Return the time of a training step in seconds: processor time on a CPU, wall-clock time elsewhere."""
    clock = time.process_time if settings.device == "cpu" else time.perf_counter
    spent = []
    for steps in (1, 1 + PROBE):
        start = clock()
        train(design, replace(settings, steps=steps), lines)
        spent.append(clock() - start)
    return (spent[1] - spent[0]) / PROBE


def count_parameters(reader: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(weight.numel() for weight in reader.parameters())
