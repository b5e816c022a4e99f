"""Arbitrary angles: error at every 15 degrees, for three groups and for a ViT that learnt lines at all angles.

    python -m experiments angles runs/angles data/                 (reduced: two cores, with --share)
    python -m experiments angles runs/angles data/ --size full     (one GPU)

What is unusual: the GSA-Nets learn upright lines alone, and C8 and C16 see what lies between quarter turns through
interpolated patches. The ViT draws every line at a new angle each time, is told where it lies, and gets the time of the
costliest group. Cost of the reduced size: 25 minutes of one core a seed, most of it C16's and, for that, the ViT's.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.marked_tables import markdown
from experiments.record import Mean
from experiments.sizes import Rows, Size, Told, read_command_line
from experiments.small_reader import Design, judge, parameters_of, seconds_a_step, train

GROUPS = ("C4", "C8", "C16")
VIT = "ViT, lines at all angles"
LINES = 100  # of the test lines: each is read at every angle
STEP = 15
ANGLES = [float(angle) for angle in range(0, 360, STEP)]


def design_of(kind: str, size: Size) -> Design:
    """Return a reader's shape."""
    if kind == VIT:
        return replace(size.design, group="C1", directions=len(ANGLES))
    return replace(size.design, group=kind)


def costs(told: Told, name: str) -> dict[str, float]:
    """Return what a step costs each reader, in seconds."""
    lines = told.size.lines(told.data, name, "train", 200, 0)
    lesson = told.size.lesson(0)
    return {
        kind: seconds_a_step(design_of(kind, told.size), replace(lesson, turns="any" if kind == VIT else "none"), lines)
        for kind in (*GROUPS, VIT)
    }


def run(told: Told, name: str, kind: str, seed: int, cost: dict[str, float]) -> dict[str, Any]:
    """Teach one reader with all the lines; return its error at each angle."""
    lines = told.size.lines(told.data, name, "train", told.size.counts[-1], seed)
    lesson = told.size.lesson(seed)
    if kind == VIT:
        lesson = replace(lesson, turns="any", steps=round(lesson.steps * max(cost.values()) / cost[VIT]))
    reader = train(design_of(kind, told.size), lesson, lines)
    test = told.size.test(told.data, name)[:LINES]
    angles = {str(angle): judge(reader, test, angle) for angle in ANGLES}
    found = {"set": name, "variant": kind, "seed": seed, "steps": lesson.steps}
    return found | {"parameters": parameters_of(reader), "angles": angles}


def curve(rows: Rows, name: str, kind: str) -> list[Mean]:
    """Return the error rate at each angle, over seeds."""
    own = [row for row in rows if (row["set"], row["variant"]) == (name, kind)]
    return [Mean.of([row["angles"][str(angle)]["cer"] for row in own]) for angle in ANGLES]


def from_nearest_turn(angle: float, group: str) -> float:
    """Return how many degrees lie between an angle and the group's nearest rotation."""
    between = 360 / int(group[1:])
    return abs((angle + between / 2) % between - between / 2)


def mean_errors(rows: Rows, name: str, kind: str, chosen: list[float]) -> list[float]:
    """Return the mean error rate over some angles, a seed each."""
    own = [row for row in rows if (row["set"], row["variant"]) == (name, kind)]
    return [float(np.mean([row["angles"][str(angle)]["cer"] for angle in chosen])) for row in own]


def table(rows: Rows, size: Size) -> str:
    """Return Markdown: a row a reader, the mean error by distance from the next quarter turn, and over all angles."""
    distances = sorted({from_nearest_turn(angle, "C4") for angle in ANGLES})
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
                Mean.of(mean_errors(rows, name, kind, [a for a in ANGLES if from_nearest_turn(a, "C4") == distance]))
                for distance in distances
            ]
            cells.append(Mean.of(mean_errors(rows, name, kind, ANGLES)))
            own = next(row for row in rows if (row["set"], row["variant"]) == (name, kind))
            body.append([name, kind, f"{own['parameters']:,}", *(cell.percent() for cell in cells)])
    return markdown(head, body)


def verdict(rows: Rows, size: Size) -> str:
    """Say where finite groups stop: the angle off its nearest rotation at which each has twice its least error."""
    sentences = []
    for name in size.sets:
        for group in GROUPS:
            means = {angle: mean.value for angle, mean in zip(ANGLES, curve(rows, name, group), strict=True)}
            best = min(means.values())
            lost = [from_nearest_turn(angle, group) for angle, value in means.items() if value > max(2 * best, 0.02)]
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
    """Draw errors around the circle."""
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
    """Train what is not done, then publish."""
    told = read_command_line(__doc__)
    cost = told.costs(costs)
    jobs = told.jobs(run, (*GROUPS, VIT), cost)
    told.compare(
        __file__,
        jobs,
        verdict,
        table,
        draw,
        "Error rate around the circle, for three groups and a ViT",
        beside={"seconds a step": cost, "lines at each angle": LINES},
    )
