"""Measure the effect of each design choice in a small reader: one change at a time, at equal processor time.

    python -m experiments ablations runs/ablations data/ --share 1/2 & python … --share 2/2   (two cores)
    python -m experiments ablations runs/ablations data/                                      (the rest)
    python -m experiments ablations runs/ablations data/ --size full                          (one GPU)

There is no claim to test, so no test lines are read. The variants are compared on validation lines, and the best would
be the design of a larger reader. Verdict and table are also written to the model card. Cost of the reduced size: 45
minutes of one core.
"""

from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure

from benchmarks.marked_tables import ROOT, markdown
from experiments.record import Mean
from experiments.sizes import TEST_SEED, Comparison, Rows, Size, read_command_line
from experiments.small_reader import Design, count_parameters, evaluate, seconds_per_step, train

CARD = ROOT / "trocr_gsa" / "checkpoint" / "README.md"
BASE = "as it stands: K = 1, centred positions"


def variants(base: Design) -> dict[str, Design]:
    """Return the compared designs by name: the base, and variants with one change each."""
    width, layers = base.hidden_size, base.layers
    return {
        BASE: base,
        "K = 0: the lifting layer alone sees all poses": replace(base, pose_layers=0),
        "K = 2": replace(base, pose_layers=2),
        f"K = {layers} = L: every layer sees all poses": replace(base, pose_layers=layers),
        "pose_sum: query": replace(base, pose_sum="query"),
        "pose_sum: encoding": replace(base, pose_sum="encoding"),
        "no absolute position": replace(base, absolute_position="none"),
        "patches of half the side": replace(base, patch_size=base.patch_size // 2),
        "wide and flat": replace(base, hidden_size=3 * width // 2, layers=max(1, layers // 2)),
        "narrow and deep": replace(base, hidden_size=3 * width // 4, layers=2 * layers),
        "C1: no group": replace(base, group="C1"),
    }


def costs(comparison: Comparison, name: str) -> dict[str, float]:
    """Return the time of a training step of each variant, in seconds."""
    lines = comparison.size.lines(comparison.data, name, "train", 200, 0)
    return {
        kind: seconds_per_step(design, comparison.size.settings(0), lines)
        for kind, design in variants(comparison.size.design).items()
    }


def run(comparison: Comparison, name: str, kind: str, seed: int, cost: dict[str, float]) -> dict[str, Any]:
    """Train one variant for the same time as the base, and return its error on validation lines."""
    size = comparison.size
    steps = max(1, round(size.steps * cost[BASE] / cost[kind]))
    lines = size.lines(comparison.data, name, "train", size.counts[-1], seed)
    reader = train(variants(size.design)[kind], replace(size.settings(seed), steps=steps), lines)
    found = evaluate(reader, size.lines(comparison.data, name, "validation", size.test_lines, TEST_SEED), 0.0)
    row = {"set": name, "variant": kind, "seed": seed, "steps": steps}
    return row | {"parameters": count_parameters(reader.encoder), "cost": cost[kind]} | found


def errors(rows: Rows, name: str, kind: str) -> list[float]:
    """Return the error rates of one variant, one per seed."""
    return [row["cer"] for row in rows if (row["set"], row["variant"]) == (name, kind)]


def table(rows: Rows, size: Size) -> str:
    """Return a Markdown table with one row per set and variant."""
    head = ["set", "variant", "encoder parameters", "ms a step", "steps", "validation CER", "less that of the first"]
    body = []
    for name in size.sets:
        for kind in variants(size.design):
            row = next(row for row in rows if (row["set"], row["variant"]) == (name, kind))
            own = errors(rows, name, kind)
            gap = "" if kind == BASE else Mean.difference(own, errors(rows, name, BASE)).percent()
            sizes = f"{row['parameters']:,}", f"{1000 * row['cost']:.0f}", row["steps"]
            body.append([name, kind, *sizes, Mean.of(own).percent(), gap])
    return markdown(head, body)


def verdict(rows: Rows, size: Size) -> str:
    """Return which changes reduce the error, and which increase it."""
    sentences = []
    for name in size.sets:
        gaps = {
            kind: Mean.difference(errors(rows, name, kind), errors(rows, name, BASE))
            for kind in variants(size.design)
            if kind != BASE
        }
        better = [kind for kind, gap in gaps.items() if gap.is_negative]
        worse = [kind for kind, gap in gaps.items() if gap.is_positive]
        open_ones = [kind for kind in gaps if kind not in (*better, *worse)]
        sentences.append(
            f"{name}: **better: {'; '.join(better) or 'none'}. Worse: {'; '.join(worse) or 'none'}.** "
            f"Open, for the interval holds 0: {'; '.join(open_ones) or 'none'}."
        )
    return "\n\n".join(sentences)


def draw(rows: Rows, size: Size) -> Figure:
    """Draw the error of each variant."""
    kinds = list(variants(size.design))
    figure = Figure(figsize=(7, 0.45 * len(kinds) * len(size.sets) + 1))
    panels = figure.subplots(len(size.sets), 1, squeeze=False)[:, 0]
    for axes, name in zip(panels, size.sets, strict=True):
        means = [Mean.of(errors(rows, name, kind)) for kind in kinds]
        axes.errorbar([m.value for m in means], kinds, xerr=[m.half for m in means], fmt="o", capsize=3)
        axes.axvline(means[0].value, color="grey", linewidth=0.8)
        axes.invert_yaxis()
        axes.set(xlabel="validation CER", title=name)
        axes.grid(alpha=0.3)
    return figure


def main() -> None:
    """Run the missing trainings, and publish the results, also in the model card."""
    comparison = read_command_line(__doc__)
    cost = comparison.costs(costs)
    jobs = comparison.jobs(run, variants(comparison.size.design), cost)
    comparison.run_and_publish(__file__, jobs, verdict, table, draw, "Validation error of each variant", pages=(CARD,))
