"""Test on rotated MNIST whether accuracy rises with the number of rotations, up to a limit (the table of [RC]).

[RC] is Romero and Cordonnier. Full size, on a GPU, with one position per pixel. It has been neither run nor tuned, and
would take a day or more by an estimate:

    python -m experiments rotated_mnist runs/rotated_mnist mnist/ --size full --device cuda

Reduced size, half an hour on two CPU cores (per step 0.04 s for Z2, 0.08 s for R4, 0.14 s and 0.11 s for R4's sums over
poses, 0.13 s for R8):

    OMP_NUM_THREADS=1 python -m experiments rotated_mnist runs/rotated_mnist mnist/ --size reduced --share 1/2 &
    OMP_NUM_THREADS=1 python -m experiments rotated_mnist runs/rotated_mnist mnist/ --size reduced --share 2/2
    wait; python -m experiments rotated_mnist runs/rotated_mnist mnist/ --size reduced

All variants have the same width, depth, optimiser, number of epochs and number of waves in their encodings (a larger
group has more waves in an orbit, and so fewer orbits). Only the group and its sum over poses differ. Attention covers
the whole image; in [RC] it is local. The second folder contains the four IDX files of MNIST.
"""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from benchmarks.marked_tables import markdown
from experiments.record import Mean, once, publish
from experiments.rotated_digits import LabelledImages, rotated_mnist
from trocr_gsa import GSANetConfig, GSANetForImageClassification, PointGroup
from trocr_gsa.model.encoding import orbit

MOST_PARAMETERS = 45_000
INITIAL = 0.18  # about 1/√width: with 0.04, as for wide networks, a narrow network hardly trains
PUBLISHED = {"Z2": 96.37, "R4": 97.46, "R8": 97.90, "R12": 97.97, "R16": 97.66}  # table of [RC], 44.67 K parameters
GE_VIT = "GE-ViT is published with 97.58 % for R4 (96.42 % in a rerun by others, validated honestly), 98.01 % at best."
HELPS = (("Z2", "R4"), ("R4", "R8"), ("R16", "R12"))  # pairs; according to the claim the second of a pair is better
VARIANTS = {
    "Z2": ("C1", "none"), "R4": ("C4", "none"), "R4, query": ("C4", "query"), "R4, encoding": ("C4", "encoding"),
    "R8": ("C8", "none"), "R12": ("C12", "none"), "R16": ("C16", "none"),
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """Size of the network, of the training, and of the comparison."""

    patch_size: int
    num_hidden_layers: int
    num_attention_heads: int
    waves: int
    epochs: int
    batch: int
    learning_rate: float
    seeds: int
    variants: tuple[str, ...]
    hidden_size: int = 32
    intermediate_size: int = 64


SIZES = {
    "full": Size(1, 3, 4, 24, 100, 64, 2e-3, 5, tuple(VARIANTS)),
    # with patches of 4 pixels an epoch takes three times as long, and R4 is much worse after the same time
    "reduced": Size(7, 2, 2, 8, 5, 32, 4e-3, 3, ("Z2", "R4", "R4, query", "R4, encoding", "R8")),
}


def build(variant: str, size: Size) -> GSANetForImageClassification:
    """Return the network of a variant with random weights.

    Raises:
        ValueError: if it has more parameters than the published networks.
    """
    name, pose_sum = VARIANTS[variant]
    group = PointGroup.from_name(name)
    in_orbit = len(orbit(group).representatives)
    config = GSANetConfig(
        hidden_size=size.hidden_size,
        intermediate_size=size.intermediate_size,
        num_hidden_layers=size.num_hidden_layers,
        pose_layers=size.num_hidden_layers,
        num_attention_heads=size.num_attention_heads,
        num_frequencies=size.waves // in_orbit,
        patch_size=size.patch_size,
        group=name,
        pose_sum=pose_sum,
        absolute_position="none",
        initializer_range=INITIAL,
    )
    config.num_labels = 10
    model = GSANetForImageClassification(config)
    if model.num_parameters() > MOST_PARAMETERS:
        raise ValueError(f"`size` must give at most {MOST_PARAMETERS} parameters, got {model.num_parameters()}.")
    return model


def autocast(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 on a GPU, as flash attention needs it, and in float32 on a CPU."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


@torch.no_grad()
def accuracy(model: GSANetForImageClassification, digits: LabelledImages, batch: int) -> float:
    """Return the share of images that are classified correctly."""
    parts = zip(digits.images.split(batch), digits.labels.split(batch), strict=True)
    with autocast(digits.images.device):
        right = sum((model(images).logits.argmax(-1) == labels).sum().item() for images, labels in parts)
    return right / len(digits.labels)


def train(variant: str, seed: int, size: Size, parts: Sequence[LabelledImages]) -> dict[str, Any]:
    """Train one network, and test it once with the weights of the best epoch in validation."""
    torch.manual_seed(seed)
    learn, validation, held_out = parts
    model = build(variant, size).to(learn.images.device)  # pyright: ignore[reportArgumentType]
    optimiser = torch.optim.AdamW(model.parameters(), size.learning_rate, weight_decay=0.01)
    steps = size.epochs * math.ceil(len(learn.labels) / size.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, size.learning_rate, total_steps=steps, pct_start=0.1)
    best, weights, seconds = -1.0, {}, 0.0
    for epoch in range(size.epochs):
        start = time.perf_counter()
        for batch in torch.randperm(len(learn.labels)).split(size.batch):
            rows = batch.to(learn.labels.device)
            optimiser.zero_grad()
            with autocast(rows.device):
                loss = model(learn.images[rows], learn.labels[rows]).loss
            loss.backward()
            optimiser.step()
            schedule.step()
        seconds += time.perf_counter() - start
        validated = accuracy(model, validation, size.batch)
        print(f"{variant}, seed {seed}, epoch {epoch + 1}: {validated:.2%} in validation", flush=True)
        if validated > best:
            best, weights = validated, {name: weight.clone() for name, weight in model.state_dict().items()}
    model.load_state_dict(weights)
    return {
        "variant": variant, "seed": seed, "parameters": model.num_parameters(), "validation": best,
        "test": accuracy(model, held_out, size.batch), "minutes_per_epoch": seconds / 60 / size.epochs,
    }  # fmt: skip


def tests(rows: list[dict[str, Any]], variant: str) -> list[float]:
    """Return the test accuracies of a variant, in the order of the seeds."""
    return [row["test"] for row in sorted(rows, key=lambda row: row["seed"]) if row["variant"] == variant]


def compare(rows: list[dict[str, Any]], worse: str, better: str) -> tuple[str, str]:
    """Return the verdict on the claim that `better` is better than `worse`: a word, and a sentence."""
    gain = Mean.difference(tests(rows, better), tests(rows, worse))
    word = "supported" if gain.is_positive else "refuted" if gain.is_negative else "undecided"
    return word, f"{better} minus {worse}: {points(gain)} ({word})"


def points(gain: Mean) -> str:
    """Return a difference of two shares in percentage points, ± half the interval."""
    return f"{100 * gain.value:+.2f}{'' if math.isnan(gain.half) else f' ± {100 * gain.half:.2f}'} points"


def verdict(rows: list[dict[str, Any]], size: Size) -> str:
    """Return the verdict: supported if every comparison supports the claim, refuted if one contradicts it."""
    steps = [compare(rows, *names) for names in HELPS if set(names) <= set(size.variants)]
    words = {word for word, _ in steps}
    word = "Refuted" if "refuted" in words else "Undecided" if "undecided" in words else "Supported"
    sums = "; ".join(
        f"{name} minus R4: {points(Mean.difference(tests(rows, name), tests(rows, 'R4')))}"
        for name in size.variants
        if name.startswith("R4,")
    )
    where = f"{size.seeds} seeds, {size.epochs} epochs, patches of {size.patch_size} × {size.patch_size} pixels"
    text = f"**{word}** ({where}). {'; '.join(found for _, found in steps)}. Of the sums over poses, {sums}. "
    if size.patch_size > 1:
        text += (
            f"This is a reduced size: the published networks see single pixels, so only differences can be compared, "
            f"and not the accuracies. Seen from the turns between quarter turns, R8's "
            f"patches are interpolated, and lose what lies outside their disc.{left_out(size)} "
        )
    return text + GE_VIT


def left_out(size: Size) -> str:
    """Return a sentence on the variants that a size leaves out."""
    missing = [name for name in VARIANTS if name not in size.variants]
    return f" It did not ask where more rotations stop helping: {', '.join(missing)} were left out." if missing else ""


def table(rows: list[dict[str, Any]], size: Size) -> str:
    """Return the rows as Markdown."""
    head = ["variant", "`pose_sum`", "parameters", "test accuracy", "minutes an epoch, at best", "published, full size"]
    lines = []
    for name in size.variants:
        of_name = [row for row in rows if row["variant"] == name]
        minutes = min(
            row["minutes_per_epoch"] for row in of_name
        )  # the minimum, as other load on the machine can only add time
        accuracies = Mean.of(tests(rows, name)).percent(2)
        published = f"{PUBLISHED[plain(name)]:.2f} %"
        lines.append(
            [name, VARIANTS[name][1], f"{of_name[0]['parameters']:,}", accuracies, f"{minutes:.2f}", published]
        )
    return markdown(head, lines)


def plain(variant: str) -> str:
    """Return the name of a variant in the table of [RC], which has no sums over poses."""
    return variant.split(",")[0]


def draw(rows: list[dict[str, Any]], size: Size) -> Figure:
    """Draw the accuracy of each variant, and the published accuracy."""
    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    means = [Mean.of(tests(rows, name)) for name in size.variants]
    places = range(len(means))
    axes.errorbar(
        places, [100 * mean.value for mean in means], [100 * mean.half for mean in means], fmt="o", capsize=4,
        label=f"here, 95 % over {size.seeds} seeds",
    )  # fmt: skip
    published = [PUBLISHED[plain(name)] for name in size.variants]
    axes.plot([place + 0.15 for place in places], published, "D", fillstyle="none", label="published, full size")
    axes.set_xticks(places, size.variants)
    axes.set_ylabel("test accuracy, %")
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    return figure


def main() -> None:
    """Run the missing trainings, and publish the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for the trainings")
    parser.add_argument("mnist", type=Path, help="folder with the four IDX files of MNIST")
    parser.add_argument("--size", choices=SIZES, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--share", metavar="1/2", help="run only this share of the trainings; do not publish")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    size = SIZES[arguments.size]
    parts = [LabelledImages(*(x.to(arguments.device) for x in part)) for part in rotated_mnist(arguments.mnist)]
    part, shares = map(int, (arguments.share or "1/1").split("/"))
    rows = []
    for seed, name in [(seed, name) for seed in range(size.seeds) for name in size.variants][part - 1 :: shares]:
        place = arguments.folder / arguments.size / f"{name.replace(', ', '-')}-{seed}.json"
        rows.append(once(place, lambda name=name, seed=seed: train(name, seed, size, parts)))
    if not arguments.share:
        results = {"size": arguments.size, **asdict(size), "rows": rows}
        caption = "Test accuracy on rotated MNIST by the number of rotations in the group, and the published one"
        publish(__file__, results, verdict(rows, size), table(rows, size), draw(rows, size), caption)
