"""The results of experiments/rotated_mnist.py: a verdict, a table and a figure computed from the trainings."""

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from benchmarks.marked_tables import markdown
from experiments.record import Mean

PUBLISHED = {"Z2": 96.37, "R4": 97.46, "R8": 97.90, "R12": 97.97, "R16": 97.66}  # table of [RC], 44.67 K parameters
GE_VIT = "GE-ViT is published with 97.58 % for R4 (96.42 % in a rerun by others, validated honestly), 98.01 % at best."
HELPS = (("Z2", "R4"), ("R4", "R8"), ("R16", "R12"))  # pairs; according to the claim the second of a pair is better

Rows = list[dict[str, Any]]


def tests(rows: Rows, name: str) -> dict[int, float]:
    """Return the test accuracies of a variant by seed."""
    return {row["seed"]: row["test"] for row in rows if row["variant"] == name}


def mean(rows: Rows, name: str) -> Mean:
    """Return the mean test accuracy of a variant over its seeds."""
    return Mean.of(list(tests(rows, name).values()))


def gain(rows: Rows, worse: str, better: str) -> Mean:
    """Return the accuracy of `better` minus that of `worse`, over the seeds that both have."""
    first, second = tests(rows, better), tests(rows, worse)
    common = sorted(set(first) & set(second))
    return Mean.difference([first[seed] for seed in common], [second[seed] for seed in common])


def points(difference: Mean) -> str:
    """Return a difference of two shares in percentage points, ± half the interval."""
    half = "" if math.isnan(difference.half) else f" ± {100 * difference.half:.2f}"
    return f"{100 * difference.value:+.2f}{half} points"


def trained(rows: Rows, names: list[str]) -> list[str]:
    """Return those of some variants that have a result, in their order."""
    return [name for name in names if tests(rows, name)]


def compare(rows: Rows, worse: str, better: str) -> tuple[str, str]:
    """Return the verdict on the claim that `better` is better than `worse`: a word, and a sentence.

    A single seed decides nothing.
    """
    found = gain(rows, worse, better)
    word = "supported" if found.is_positive else "refuted" if found.is_negative else "undecided"
    return word, f"{better} minus {worse}: {points(found)} ({word})"


def verdict(results: Mapping[str, Any]) -> str:
    """Return the verdict: supported if every comparison supports the claim, refuted if one contradicts it.

    A comparison that has not been run leaves it undecided.
    """
    rows, names = results["rows"], list(results["variants"])
    asked = [pair for pair in HELPS if set(pair) <= set(names)]
    steps = [compare(rows, *pair) for pair in asked if len(trained(rows, list(pair))) == 2]
    words = {word for word, _ in steps} | ({"undecided"} if len(steps) < len(asked) else set())
    word = "Refuted" if "refuted" in words else "Undecided" if "undecided" in words else "Supported"
    seeds = len(tests(rows, "R4"))
    parts = [
        f"**{word}** ({seeds} seed{'s' if seeds > 1 else ''} of R4, {results['epochs']} epochs, windows of "
        f"{results['patch_size'] + 2 * results['patch_margin']} pixels every {results['patch_size']} pixels). "
        f"{'; '.join(found for _, found in steps)}."
    ]
    others = [name for name in trained(rows, names) if name.startswith(("R4,", "D4"))]
    if others:
        parts.append("; ".join(f"{name} minus R4: {points(gain(rows, 'R4', name))}" for name in others) + ".")
    missing = [name for name in names if name not in trained(rows, names)]
    if missing:
        parts.append(f"Not run yet: {'; '.join(missing)}.")
    return " ".join([*parts, GE_VIT])


def table(results: Mapping[str, Any]) -> str:
    """Return the trainings as Markdown."""
    head = [
        "variant", "parameters", "seeds", "test accuracy", "last in validation", "processor minutes an epoch, at best",
        "published",
    ]  # fmt: skip
    rows, lines = results["rows"], []
    for name in results["variants"]:
        of_name = [row for row in rows if row["variant"] == name]
        if not of_name:
            lines.append([name, *["not run"] * (len(head) - 2), published(name)])
            continue
        minutes = min(row["minutes_per_epoch"] for row in of_name)  # other load on the machine can only add time
        validated = Mean.of([row["validation"] for row in of_name]).percent(2)
        lines.append(
            [name, f"{of_name[0]['parameters']:,}", len(of_name), mean(rows, name).percent(2), validated,
             f"{minutes:.2f}", published(name)]
        )  # fmt: skip
    return markdown(head, lines)


def cost_table(results: Mapping[str, Any]) -> str:
    """Return time and memory of an epoch, beside a literal evaluation of the group layers, as Markdown."""
    head = [
        "variant", "processor minutes an epoch", "the same, literally", "memory of a step", "the same, literally",
    ]  # fmt: skip
    lines = []
    for measured in results["costs"]:
        ours, literal = measured["ours"], measured["literal"]
        minutes = [f"{each['minutes']:.2f}" for each in (ours, literal)]
        sizes = [f"{each['memory'] / 2**20:,.0f} MiB" for each in (ours, literal)]
        lines.append([measured["variant"], *minutes, *sizes])
    return markdown(head, lines)


def published(name: str) -> str:
    """Return the accuracy of a variant in the table of [RC], which has no other sums, mirrors or augmentation."""
    return f"{PUBLISHED[name]:.2f} %" if name in PUBLISHED else "–"


def draw(results: Mapping[str, Any]) -> Figure:
    """Draw the accuracy of each variant that was trained, and the published accuracy."""
    figure = Figure(figsize=(8, 4))
    axes = figure.subplots()
    names = trained(results["rows"], list(results["variants"]))
    means = [mean(results["rows"], name) for name in names]
    halves = [0.0 if math.isnan(each.half) else 100 * each.half for each in means]
    axes.errorbar(range(len(names)), [100 * each.value for each in means], halves, fmt="o", capsize=4, label="here")
    places = [place for place, name in enumerate(names) if name in PUBLISHED]
    axes.plot(
        [place + 0.15 for place in places], [PUBLISHED[names[place]] for place in places], "D", fillstyle="none",
        label="published",
    )  # fmt: skip
    axes.set_xticks(range(len(names)), [name.replace(", ", ",\n") for name in names])
    axes.set_ylabel("test accuracy, %")
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    return figure
