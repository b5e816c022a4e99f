"""Measure the error at every 15°, for three groups and for a ViT that was trained on lines at all angles.

    python -m experiments angles runs/angles data/                 (reduced: two cores, with --share)
    python -m experiments angles runs/angles data/ --size full     (one GPU)

The GSA-Nets are trained on upright lines only. C8 and C16 interpolate patches at angles between quarter turns. The ViT
gets every line at a new random angle each time, with the angle as a training label, and it is trained for the time of
the slowest group. Cost of the reduced size: 25 minutes of one core per seed, most of it for C16 and hence for the ViT.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.marked_tables import markdown
from experiments.record import Mean
from experiments.sizes import Comparison, Rows, Size, read_command_line
from experiments.small_reader import Design, count_parameters, evaluate, seconds_per_step, train

GROUPS = ("C4", "C8", "C16")
VIT = "ViT, lines at all angles"
LINES = 100  # number of test lines; each is read at every angle
STEP = 15
ANGLES = [float(angle) for angle in range(0, 360, STEP)]


def design_of(kind: str, size: Size) -> Design:
    """Return the design of a reader."""
    if kind == VIT:
        return replace(size.design, group="C1", directions=len(ANGLES))
    return replace(size.design, group=kind)


def costs(comparison: Comparison, name: str) -> dict[str, float]:
    """Return the time of a training step of each reader, in seconds."""
    lines = comparison.size.lines(comparison.data, name, "train", 200, 0)
    settings = comparison.size.settings(0)
    return {
        kind: seconds_per_step(
            design_of(kind, comparison.size), replace(settings, turns="any" if kind == VIT else "none"), lines
        )
        for kind in (*GROUPS, VIT)
    }


def run(comparison: Comparison, name: str, kind: str, seed: int, cost: dict[str, float]) -> dict[str, Any]:
    """Train one reader with all lines, and return its error at each angle."""
    lines = comparison.size.lines(comparison.data, name, "train", comparison.size.counts[-1], seed)
    settings = comparison.size.settings(seed)
    if kind == VIT:
        settings = replace(settings, turns="any", steps=round(settings.steps * max(cost.values()) / cost[VIT]))
    reader = train(design_of(kind, comparison.size), settings, lines)
    test = comparison.size.test(comparison.data, name)[:LINES]
    angles = {str(angle): evaluate(reader, test, angle) for angle in ANGLES}
    found = {"set": name, "variant": kind, "seed": seed, "steps": settings.steps}
    return found | {"parameters": count_parameters(reader), "angles": angles}


def curve(rows: Rows, name: str, kind: str) -> list[Mean]:
    """Return the error rate at each angle, averaged over seeds."""
    own = [row for row in rows if (row["set"], row["variant"]) == (name, kind)]
    return [Mean.of([row["angles"][str(angle)]["cer"] for row in own]) for angle in ANGLES]


def distance_to_rotation(angle: float, group: str) -> float:
    """Return the distance in degrees from an angle to the nearest rotation of the group."""
    between = 360 / int(group[1:])
    return abs((angle + between / 2) % between - between / 2)


def mean_errors(rows: Rows, name: str, kind: str, chosen: list[float]) -> list[float]:
    """Return the mean error rate over the chosen angles, one per seed."""
    own = [row for row in rows if (row["set"], row["variant"]) == (name, kind)]
    return [float(np.mean([row["angles"][str(angle)]["cer"] for angle in chosen])) for row in own]


def table(rows: Rows, size: Size) -> str:
    """Return a Markdown table: mean errors by distance from a quarter turn and over all angles, one row per reader."""
    distances = sorted({distance_to_rotation(angle, "C4") for angle in ANGLES})
    head = [
        "set",
        "reader",
        "parameters",
        *(f"{distance:g}° off a quarter turn" for distance in distances),
        "all angles",
    ]
    body = []
    for name in size.sets:
        for kind in (*GROUPS, VIT):
            cells = [
                Mean.of(mean_errors(rows, name, kind, [a for a in ANGLES if distance_to_rotation(a, "C4") == distance]))
                for distance in distances
            ]
            cells.append(Mean.of(mean_errors(rows, name, kind, ANGLES)))
            own = next(row for row in rows if (row["set"], row["variant"]) == (name, kind))
            body.append([name, kind, f"{own['parameters']:,}", *(cell.percent() for cell in cells)])
    return markdown(head, body)


def verdict(rows: Rows, size: Size) -> str:
    """Return the limits of the groups: the distance from a rotation at which each has twice its smallest error."""
    sentences = []
    for name in size.sets:
        for group in GROUPS:
            means = {angle: mean.value for angle, mean in zip(ANGLES, curve(rows, name, group), strict=True)}
            best = min(means.values())
            lost = [distance_to_rotation(angle, group) for angle, value in means.items() if value > max(2 * best, 0.02)]
            stops = f"from {min(lost):g}° off its nearest rotation" if lost else "nowhere"
            if lost and not min(lost):
                stops = "already at rotations of its own, between the quarter turns"
            sentences.append(
                f"- {name}, {group}: {best:.1%} at its best angle; its error is more than twice that {stops}."
            )
        gaps = {
            group: Mean.difference(mean_errors(rows, name, group, ANGLES), mean_errors(rows, name, VIT, ANGLES))
            for group in GROUPS
        }
        better = [group for group, gap in gaps.items() if gap.is_negative]
        worse = [group for group, gap in gaps.items() if gap.is_positive]
        sentences.append(
            f"- {name}, over all angles, error rate less that of the ViT: "
            + ", ".join(f"{group} {gap.percent()}" for group, gap in gaps.items())
            + f". Better: {', '.join(better) or 'none'}; worse: {', '.join(worse) or 'none'}."
        )
    opening = "**Finite groups stop between their rotations**, and a finer group moves that point:"
    every = all(
        Mean.difference(mean_errors(rows, name, "C8", ANGLES), mean_errors(rows, name, "C4", ANGLES)).is_negative
        for name in size.sets
    )
    if not every:
        opening = "**A finer group does not read better over all angles here**:"
    return opening + "\n\n" + "\n".join(sentences)


def draw(rows: Rows, size: Size) -> Figure:
    """Draw the error by angle in polar coordinates."""
    figure = Figure(figsize=(7 * len(size.sets), 7))
    panels = figure.subplots(1, len(size.sets), squeeze=False, subplot_kw={"projection": "polar"})[0]
    around = np.deg2rad([*ANGLES, 360.0])
    for axes, name in zip(panels, size.sets, strict=True):
        for kind in (*GROUPS, VIT):
            means = curve(rows, name, kind)
            values = np.array([mean.value for mean in (*means, means[0])])
            halves = np.nan_to_num([mean.half for mean in (*means, means[0])])
            (line,) = axes.plot(around, values, label=kind)
            axes.fill_between(
                around, np.clip(values - halves, 0, None), values + halves, color=line.get_color(), alpha=0.15
            )
        axes.set(title=f"{name}: CER by the angle at which lines lie", rlim=(0, 1.05))
        axes.legend(loc="lower left", bbox_to_anchor=(0.85, -0.05), fontsize=8)
    return figure


def main() -> None:
    """Run the missing trainings, and publish the results."""
    comparison = read_command_line(__doc__)
    cost = comparison.costs(costs)
    jobs = comparison.jobs(run, (*GROUPS, VIT), cost)
    comparison.run_and_publish(
        __file__,
        jobs,
        verdict,
        table,
        draw,
        "Error rate around the circle, for three groups and a ViT",
        beside={"seconds a step": cost, "lines at each angle": LINES},
    )
