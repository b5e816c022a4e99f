"""Test on rotated MNIST whether accuracy rises with the number of rotations, up to a limit (the table of [RC]).

[RC] is Romero and Cordonnier. On one CPU core, an hour or two for `short`, and six hours by an estimate for `long`:

    OMP_NUM_THREADS=1 python -m experiments rotated_mnist runs/rotated_mnist mnist/ --size short     # 12 epochs
    OMP_NUM_THREADS=1 python -m experiments rotated_mnist runs/rotated_mnist mnist/ --size long      # 40 epochs

On a GPU, with whole images and finer groups, where it has not been run:

    python -m experiments rotated_mnist runs/rotated_mnist mnist/ --size gpu --device cuda

A run that was stopped continues after its last epoch. `--publish` trains nothing, and writes the page from the
trainings that have ended; the variants that are missing are named there.

All variants have the same width, depth, optimiser, number of epochs and number of waves in their encodings (a larger
group has more waves in an orbit, and so fewer orbits). Only the group and its sum over poses differ. Attention covers
the whole image; in [RC] it is local. The second folder contains the four IDX files of MNIST.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from experiments.record import once, publish
from experiments.rotated_digits import LabelledImages, rotated, rotated_mnist
from experiments.rotated_mnist_cost import costs
from experiments.rotated_mnist_networks import SIZES, VARIANTS, Size, build, inputs
from experiments.rotated_mnist_tables import cost_table, draw, table, verdict
from trocr_gsa import GSANetForImageClassification

WEIGHT_DECAY = 0.05


def autocast(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 on a GPU, as flash attention needs it, and in float32 on a CPU."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


@torch.no_grad()
def accuracy(model: GSANetForImageClassification, digits: LabelledImages, size: Size) -> float:
    """Return the share of images that are classified correctly."""
    model.eval()
    parts = zip(digits.images.split(size.batch), digits.labels.split(size.batch), strict=True)
    with autocast(digits.images.device):
        right = sum((model(inputs(images, size)).logits.argmax(-1) == labels).sum().item() for images, labels in parts)
    return right / len(digits.labels)


class Training:
    """The training of one network, which can be stored after every epoch.

    Args:
        name: of the variant.
        seed: of the weights and the order of the digits.
        size: of the network and the training.
        digits: to learn.
    """

    def __init__(self, name: str, seed: int, size: Size, digits: LabelledImages) -> None:
        torch.manual_seed(seed)
        self.name, self.seed, self.size, self.digits = name, seed, size, digits
        self.model = build(name, size).to(digits.images.device)  # pyright: ignore[reportArgumentType]
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), size.learning_rate, weight_decay=WEIGHT_DECAY, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, size.learning_rate, total_steps=size.epochs * math.ceil(len(digits.labels) / size.batch),
            pct_start=0.15, cycle_momentum=False,
        )  # fmt: skip
        self.epoch, self.seconds = 0, 0.0

    def train_epoch(self) -> float:
        """Train for one epoch, and return the mean loss."""
        start, total = time.process_time(), 0.0
        self.model.train()
        torch.manual_seed(1000 * self.seed + self.epoch)
        images = rotated(self.digits.images) if VARIANTS[self.name].augmented else self.digits.images
        for batch in torch.randperm(len(images)).split(self.size.batch):
            rows = batch.to(images.device)
            self.optimiser.zero_grad()
            with autocast(images.device):
                logits = self.model(inputs(images[rows], self.size)).logits
            loss = F.cross_entropy(logits.float(), self.digits.labels[rows])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
            self.schedule.step()
            total += loss.item() * len(rows)
        self.epoch += 1
        self.seconds += time.process_time() - start
        return total / len(images)

    def save(self, path: Path) -> None:
        """Store the training; a crash while it writes leaves the file of the epoch before."""
        parts = {name: getattr(self, name).state_dict() for name in ("model", "optimiser", "schedule")}
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(parts | {"epoch": self.epoch, "seconds": self.seconds}, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path: Path) -> None:
        """Continue a stored training."""
        parts = torch.load(path)
        for name in ("model", "optimiser", "schedule"):
            getattr(self, name).load_state_dict(parts[name])
        self.epoch, self.seconds = parts["epoch"], parts["seconds"]


def train(name: str, seed: int, size: Size, parts: Sequence[LabelledImages], stored: Path) -> dict[str, Any]:
    """Train one network, storing every epoch, and test it once with its last weights."""
    learn, validation, held_out = parts
    training = Training(name, seed, size, learn)
    if stored.is_file():
        training.load(stored)
    while training.epoch < size.epochs:
        loss = training.train_epoch()
        training.save(stored)
        print(f"{name}, seed {seed}, epoch {training.epoch}: loss {loss:.3f}", flush=True)
    row = {
        "variant": name, "seed": seed, "parameters": training.model.num_parameters(),
        "validation": accuracy(training.model, validation, size), "test": accuracy(training.model, held_out, size),
        "minutes_per_epoch": training.seconds / 60 / size.epochs,
    }  # fmt: skip
    stored.unlink(missing_ok=True)
    return row


def main() -> None:
    """Run the missing trainings, and publish the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for the trainings")
    parser.add_argument("mnist", type=Path, help="folder with the four IDX files of MNIST")
    parser.add_argument("--size", choices=SIZES, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--share", metavar="1/2", help="run only this share of the trainings; do not publish")
    parser.add_argument("--publish", action="store_true", help="train nothing; publish the trainings that have ended")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    size = SIZES[arguments.size]
    parts = [LabelledImages(*(x.to(arguments.device) for x in part)) for part in rotated_mnist(arguments.mnist)]
    part, shares = map(int, (arguments.share or "1/1").split("/"))
    rows = []
    for name, seed in size.trainings[part - 1 :: shares]:
        row = arguments.folder / arguments.size / f"{name.replace(', ', '-')}-{seed}.json"
        if arguments.publish and not row.is_file():
            continue
        stored = row.with_suffix(".pt")
        rows.append(once(row, lambda name=name, seed=seed, stored=stored: train(name, seed, size, parts, stored)))
    if not arguments.share:
        measured = once(arguments.folder / arguments.size / "costs.json", lambda: {"costs": costs(size)})
        results = {"size": arguments.size, **asdict(size), "rows": rows, **measured}
        caption = "Test accuracy on rotated MNIST by the number of rotations in the group, and the published one"
        tables = f"{table(results)}\n\n{cost_table(results)}"
        publish(__file__, results, verdict(results), tables, draw(results), caption)
