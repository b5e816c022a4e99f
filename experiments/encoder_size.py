"""Test whether fewer parameters suffice: error by encoder size with the same data, for a GSA-Net and a ViT.

    python -m experiments encoder_size runs/encoder_size data/                 (reduced: two cores, with --share)
    python -m experiments encoder_size runs/encoder_size data/ --size full     (one GPU)

The test lines are read at every quarter turn. The GSA-Net is trained on upright lines only, the ViT on turned lines,
too, for the same time as the GSA-Net of the same width. Cost of the reduced size: half an hour of one core.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from benchmarks.marked_tables import markdown
from experiments.less_data import GSA, QUARTERS, Variant, steps_of
from experiments.record import Mean, verdict_word
from experiments.sizes import TURNED, Comparison, Rows, Size, read_command_line
from experiments.small_reader import Design, count_parameters, evaluate, seconds_per_step, train

KINDS = (Variant(GSA), Variant(QUARTERS))


def design_of(variant: Variant, size: Size, width: int) -> Design:
    """Return the design of a reader with a hidden size of `width`."""
    return replace(variant.design(size.design), hidden_size=width)


def costs(comparison: Comparison, name: str, width: int) -> dict[str, float]:
    """Return the time of a training step of each reader, in seconds."""
    lines = comparison.size.lines(comparison.data, name, "train", 200, 0)
    return {
        variant.kind: seconds_per_step(
            design_of(variant, comparison.size, width), replace(comparison.size.settings(0), turns=variant.turns), lines
        )
        for variant in KINDS
    }


def run(
    comparison: Comparison, name: str, width: int, variant: Variant, seed: int, cost: dict[str, float]
) -> dict[str, Any]:
    """Train one reader with all lines, and return its error at every quarter turn."""
    lines = comparison.size.lines(comparison.data, name, "train", comparison.size.counts[-1], seed)
    settings = replace(
        comparison.size.settings(seed), turns=variant.turns, steps=steps_of(variant, comparison.size.steps, cost)
    )
    reader = train(design_of(variant, comparison.size, width), settings, lines)
    test = comparison.size.test(comparison.data, name)
    angles = {str(angle): evaluate(reader, test, angle) for angle in (0.0, *TURNED)}
    found = {"set": name, "width": width, "variant": variant.kind, "seed": seed, "steps": settings.steps}
    return found | {"parameters": count_parameters(reader.encoder), "angles": angles}


def errors(rows: Rows, name: str, width: int, kind: str) -> list[float]:
    """Return the mean error rates of one reader over all quarter turns, one per seed."""
    own = [row for row in rows if (row["set"], row["width"], row["variant"]) == (name, width, kind)]
    return [sum(found["cer"] for found in row["angles"].values()) / len(row["angles"]) for row in own]


def parameters(rows: Rows, width: int, kind: str) -> int:
    """Return the number of parameters of an encoder."""
    return next(row["parameters"] for row in rows if (row["width"], row["variant"]) == (width, kind))


def table(rows: Rows, size: Size) -> str:
    """Return a Markdown table with one row per set and width."""
    head = ["set", "width", *(f"{variant.kind}: {what}" for variant in KINDS for what in ("parameters", "CER"))]
    body = []
    for name in size.sets:
        for width in size.widths:
            cells = []
            for variant in KINDS:
                cells.append(f"{parameters(rows, width, variant.kind):,}")
                cells.append(Mean.of(errors(rows, name, width, variant.kind)).percent())
            body.append([name, width, *cells])
    return markdown(head, body)


def verdict(rows: Rows, size: Size) -> str:
    """Return whether the GSA-Net has a lower error than a ViT of the same size, and than a larger one."""
    cases, wins, losses, smaller, sentences = 0, 0, 0, 0, []
    for name in size.sets:
        for place, width in enumerate(size.widths):
            gap = Mean.difference(errors(rows, name, width, GSA), errors(rows, name, width, QUARTERS))
            cases, wins, losses = cases + 1, wins + gap.is_negative, losses + gap.is_positive
            sentences.append(f"- {name}, {width} wide: {gap.percent()} to the ViT of the same width.")
            if place:
                before = size.widths[place - 1]
                gap = Mean.difference(errors(rows, name, before, GSA), errors(rows, name, width, QUARTERS))
                smaller += gap.is_negative
                times = parameters(rows, width, QUARTERS) / parameters(rows, before, GSA)
                sentences.append(f"- {name}, {before} wide: {gap.percent()} to the ViT with {times:.1f} times as many.")
    larger = cases - len(size.sets)
    return (
        f"**{verdict_word(wins, losses, cases)}.** Of {cases} widths the GSA-Net errs less than a ViT of its size in "
        f"{wins} and more in {losses}; of {larger} comparisons with the next larger ViT it errs less in {smaller}. "
        "Error rate of the GSA-Net less that of the ViT, paired by seed:\n\n" + "\n".join(sentences)
    )


def draw(rows: Rows, size: Size) -> Figure:
    """Draw the error by encoder size."""
    figure = Figure(figsize=(6 * len(size.sets), 4.2))
    for axes, name in zip(figure.subplots(1, len(size.sets), squeeze=False)[0], size.sets, strict=True):
        for variant in KINDS:
            means = [Mean.of(errors(rows, name, width, variant.kind)) for width in size.widths]
            sizes = [parameters(rows, width, variant.kind) for width in size.widths]
            values, halves = [mean.value for mean in means], [mean.half for mean in means]
            axes.errorbar(sizes, values, halves, label=variant.kind, capsize=3, marker="o")
        axes.set(xscale="log", ylim=(0, 1.05), title=name, xlabel="encoder parameters", ylabel="CER, all quarter turns")
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def main() -> None:
    """Run the missing trainings, and publish the results."""
    comparison = read_command_line(__doc__)
    cost = {
        (name, width): comparison.stored(f"cost-{name}-{width}", partial(costs, comparison, name, width))
        for name in comparison.size.sets
        for width in comparison.size.widths
    }
    jobs = {
        f"{name}-{width}-{variant.kind}-{seed}": partial(run, comparison, name, width, variant, seed, cost[name, width])
        for seed in range(comparison.seeds)
        for name in comparison.size.sets
        for width in comparison.size.widths
        for variant in KINDS
    }
    comparison.run_and_publish(__file__, jobs, verdict, table, draw, "Error rate by encoder size")
