"""Fewer parameters: error against the encoder's size, at equal data, GSA-Net beside ViT.

    python -m experiments encoder_size runs/encoder_size data/                 (reduced: two cores, with --share)
    python -m experiments encoder_size runs/encoder_size data/ --size full     (one GPU)

What is unusual: lines lie at every quarter turn when they are read. The GSA-Net learnt upright ones alone, the ViT
turned ones too, in the time that the GSA-Net of the same width took. Cost of the reduced size: half an hour
of one core.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from benchmarks.marked_tables import markdown
from experiments.less_data import GSA, QUARTERS, Variant, steps_of
from experiments.record import Mean, in_a_word
from experiments.sizes import TURNED, Rows, Size, Told, read_command_line
from experiments.small_reader import Design, judge, parameters_of, seconds_a_step, train

KINDS = (Variant(GSA), Variant(QUARTERS))


def design_of(variant: Variant, size: Size, width: int) -> Design:
    """Return a reader's shape at a width."""
    return replace(variant.design(size.design), hidden_size=width)


def costs(told: Told, name: str, width: int) -> dict[str, float]:
    """Return what a step costs each reader, in seconds."""
    lines = told.size.lines(told.data, name, "train", 200, 0)
    return {
        variant.kind: seconds_a_step(
            design_of(variant, told.size, width), replace(told.size.lesson(0), turns=variant.turns), lines
        )
        for variant in KINDS
    }


def run(told: Told, name: str, width: int, variant: Variant, seed: int, cost: dict[str, float]) -> dict[str, Any]:
    """Teach one reader with all the lines; return its error over all quarter turns."""
    lines = told.size.lines(told.data, name, "train", told.size.counts[-1], seed)
    lesson = replace(told.size.lesson(seed), turns=variant.turns, steps=steps_of(variant, told.size.steps, cost))
    reader = train(design_of(variant, told.size, width), lesson, lines)
    test = told.size.test(told.data, name)
    angles = {str(angle): judge(reader, test, angle) for angle in (0.0, *TURNED)}
    found = {"set": name, "width": width, "variant": variant.kind, "seed": seed, "steps": lesson.steps}
    return found | {"parameters": parameters_of(reader.encoder), "angles": angles}


def errors(rows: Rows, name: str, width: int, kind: str) -> list[float]:
    """Return the error rates of one reader over all quarter turns, a seed each."""
    own = [row for row in rows if (row["set"], row["width"], row["variant"]) == (name, width, kind)]
    return [sum(found["cer"] for found in row["angles"].values()) / len(row["angles"]) for row in own]


def parameters(rows: Rows, width: int, kind: str) -> int:
    """Return the encoder's size."""
    return next(row["parameters"] for row in rows if (row["width"], row["variant"]) == (width, kind))


def table(rows: Rows, size: Size) -> str:
    """Return Markdown, a row a set and a width."""
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
    """Say whether a GSA-Net reads as well as a larger ViT, and better than one of its own size."""
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
        f"**{in_a_word(wins, losses, cases)}.** Of {cases} widths the GSA-Net errs less than a ViT of its size in "
        f"{wins} and more in {losses}; of {larger} comparisons with the next larger ViT it errs less in {smaller}. "
        "Error rate of the GSA-Net less that of the ViT, paired by seed:\n\n" + "\n".join(sentences)
    )


def draw(rows: Rows, size: Size) -> Figure:
    """Draw errors by encoder size."""
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
    """Train what is not done, then publish."""
    told = read_command_line(__doc__)
    cost = {
        (name, width): told.kept(f"cost-{name}-{width}", partial(costs, told, name, width))
        for name in told.size.sets
        for width in told.size.widths
    }
    jobs = {
        f"{name}-{width}-{variant.kind}-{seed}": partial(run, told, name, width, variant, seed, cost[name, width])
        for seed in range(told.seeds)
        for name in told.size.sets
        for width in told.size.widths
        for variant in KINDS
    }
    told.compare(__file__, jobs, verdict, table, draw, "Error rate by encoder size")
