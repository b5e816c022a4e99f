"""What each choice in a small reader is worth: one change at a time, at equal processor time.

    python -m experiments ablations runs/ablations data/ --share 1/2 & python … --share 2/2   (two cores)
    python -m experiments ablations runs/ablations data/                                      (the rest)
    python -m experiments ablations runs/ablations data/ --size full                          (one GPU)

What is unusual: nothing is claimed, and the test lines are not touched: what is best on validation lines is what a
larger reader would be built from. Verdict and table go to the model card, too. Cost of the reduced size: 45 minutes of
one core.
"""

from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure

from benchmarks.marked_tables import ROOT, markdown
from experiments.record import Mean
from experiments.sizes import TEST_SEED, Rows, Size, Told, read_command_line
from experiments.small_reader import Design, judge, parameters_of, seconds_a_step, train

CARD = ROOT / "trocr_gsa" / "checkpoint" / "README.md"
BASE = "as it stands: K = 1, centred positions"


def variants(base: Design) -> dict[str, Design]:
    """Return what is compared, by name: the base, and one change of it each."""
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


def costs(told: Told, name: str) -> dict[str, float]:
    """Return what a step costs each variant, in seconds."""
    lines = told.size.lines(told.data, name, "train", 200, 0)
    return {
        kind: seconds_a_step(design, told.size.lesson(0), lines) for kind, design in variants(told.size.design).items()
    }


def run(told: Told, name: str, kind: str, seed: int, cost: dict[str, float]) -> dict[str, Any]:
    """Teach one variant for as long as the base; return its error on validation lines."""
    size = told.size
    steps = max(1, round(size.steps * cost[BASE] / cost[kind]))
    lines = size.lines(told.data, name, "train", size.counts[-1], seed)
    reader = train(variants(size.design)[kind], replace(size.lesson(seed), steps=steps), lines)
    found = judge(reader, size.lines(told.data, name, "validation", size.test_lines, TEST_SEED), 0.0)
    told_of = {"set": name, "variant": kind, "seed": seed, "steps": steps}
    return told_of | {"parameters": parameters_of(reader.encoder), "cost": cost[kind]} | found


def errors(rows: Rows, name: str, kind: str) -> list[float]:
    """Return the error rates of one variant, a seed each."""
    return [row["cer"] for row in rows if (row["set"], row["variant"]) == (name, kind)]


def table(rows: Rows, size: Size) -> str:
    """Return Markdown, a row a set and a variant."""
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
    """Say which changes help and which harm."""
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
    """Draw each variant's error."""
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
    """Train what is not done, then publish, in the model card too."""
    told = read_command_line(__doc__)
    cost = told.costs(costs)
    jobs = told.jobs(run, variants(told.size.design), cost)
    told.compare(__file__, jobs, verdict, table, draw, "Validation error of each variant", pages=(CARD,))
