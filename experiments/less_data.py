"""Test whether less data and no augmentation suffice: error by number of training lines, for a GSA-Net and ViTs.

    python -m experiments less_data runs/less_data data/ --share 1/2 & python … --share 2/2   (reduced, two cores)
    python -m experiments less_data runs/less_data data/                                      (the rest)
    python -m experiments less_data runs/less_data data/ --size full                          (one GPU)

Every ViT is trained twice: with the number of steps of the GSA-Net, and with its time. A further ViT reads after a
separate classifier of the orientation, which turns lines upright, as is common in practice. The GSA-Net is trained on
upright lines only. Cost of the reduced size on one core: 90 minutes for the digits, 50 minutes for printed numbers.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from matplotlib.figure import Figure

from benchmarks.marked_tables import markdown
from experiments.record import Mean, verdict_word
from experiments.sizes import PRINTED, TURNED, Comparison, Rows, Size, read_command_line
from experiments.small_reader import Design, count_parameters, evaluate, seconds_per_step, train

ORIENTATIONS = ("upright", "turned")
GSA = "GSA-Net, C4"
UPRIGHT, QUARTERS, CLASSIFIER = "ViT", "ViT, turned lines too", "ViT behind a classifier"


@dataclass(frozen=True)
class Variant:
    """A network and its training.

    Attributes:
        kind: network and training lines: `GSA`, `UPRIGHT`, `QUARTERS` or `CLASSIFIER`.
        equal: what the training has in common with that of the GSA-Net: the number of steps or the time.
    """

    kind: str
    equal: Literal["steps", "time"] = "time"

    @property
    def name(self) -> str:
        """Name of the variant in tables."""
        return self.kind if self.kind == GSA else f"{self.kind}, equal {self.equal}"

    @property
    def turns(self) -> Literal["none", "quarters"]:
        """Orientations of the training lines."""
        return "quarters" if self.kind == QUARTERS else "none"

    def design(self, size: Design) -> Design:
        """Return the design of its reader."""
        if self.kind == GSA:
            return size
        return replace(size, group="C1", directions=4 if self.kind == QUARTERS else 0)


VARIANTS = [
    Variant(GSA),
    *(Variant(kind, equal) for kind in (UPRIGHT, QUARTERS) for equal in ("steps", "time")),
    Variant(CLASSIFIER),
]


def costs(comparison: Comparison, name: str) -> dict[str, float]:
    """Return the time of a training step of each kind of reader, in seconds."""
    lines = comparison.size.lines(comparison.data, name, "train", 200, 0)
    found = {}
    for variant in {variant.kind: variant for variant in VARIANTS}.values():
        settings = replace(comparison.size.settings(0), turns=variant.turns)
        found[variant.kind] = seconds_per_step(variant.design(comparison.size.design), settings, lines)
    return found


def steps_of(variant: Variant, steps: int, cost: dict[str, float]) -> int:
    """Return the number of training steps of a variant."""
    return steps if variant.equal == "steps" else round(steps * cost[GSA] / cost[variant.kind])


def run(
    comparison: Comparison, name: str, count: int, variant: Variant, seed: int, cost: dict[str, float]
) -> dict[str, Any]:
    """Train one reader, and return its errors at every quarter turn."""
    lines = comparison.size.lines(comparison.data, name, "train", count, seed)
    steps = steps_of(variant, comparison.size.steps, cost)
    if variant.kind == CLASSIFIER:  # reader and classifier share the time
        steps //= 2
    settings = replace(comparison.size.settings(seed), steps=steps, turns=variant.turns)
    reader, classifier = train(variant.design(comparison.size.design), settings, lines), None
    if variant.kind == CLASSIFIER:
        design = replace(comparison.size.design, group="C1", directions=4)
        classifier = train(design, replace(settings, turns="quarters", reads=False), lines)
    test = comparison.size.test(comparison.data, name)
    angles = {str(angle): evaluate(reader, test, angle, classifier) for angle in (0.0, *TURNED)}
    parameters = count_parameters(reader) + (count_parameters(classifier) if classifier else 0)
    row = {"set": name, "lines": count, "variant": variant.name, "seed": seed}
    return row | {"steps": steps, "parameters": parameters, "angles": angles}


def error(row: dict[str, Any], orientation: str) -> float:
    """Return the error rate of a row on upright lines, or its mean over the other quarter turns."""
    if orientation == "upright":
        return row["angles"]["0.0"]["cer"]
    return sum(row["angles"][str(angle)]["cer"] for angle in TURNED) / len(TURNED)


def errors(rows: list[dict[str, Any]], name: str, count: int, variant: str, orientation: str) -> list[float]:
    """Return the error rates of one cell of the table, one per seed."""
    return [
        error(row, orientation) for row in rows if (row["set"], row["lines"], row["variant"]) == (name, count, variant)
    ]


def table(rows: Rows, size: Size) -> str:
    """Return one Markdown table per set: errors by orientation and number of lines, one row per variant."""
    tables = []
    for name in size.sets:
        head = [
            "reader",
            "parameters",
            *(f"{orientation}, {count} lines" for orientation in ORIENTATIONS for count in size.counts),
        ]
        body = []
        for variant in VARIANTS:
            own = [row for row in rows if (row["set"], row["variant"]) == (name, variant.name)]
            cells = [
                Mean.of(errors(rows, name, count, variant.name, orientation)).percent()
                for orientation in ORIENTATIONS
                for count in size.counts
            ]
            body.append([variant.name, f"{own[0]['parameters']:,}", *cells])
        tables.append(f"{name}, CER:\n\n{markdown(head, body)}")
    return "\n\n".join(tables)


def verdict(rows: Rows, size: Size) -> str:
    """Compare the GSA-Net with the best ViT at equal time, by set, orientation and number of lines."""
    sentences, wins, losses = [], 0, 0
    for name in size.sets:
        for orientation in ORIENTATIONS:
            for count in size.counts:
                own = errors(rows, name, count, GSA, orientation)
                rivals = {v.name: errors(rows, name, count, v.name, orientation) for v in VARIANTS if v.equal == "time"}
                rivals.pop(Variant(GSA).name)
                best = min(rivals, key=lambda rival: sum(rivals[rival]))
                gap = Mean.difference(own, rivals[best])
                wins, losses = wins + gap.is_negative, losses + gap.is_positive
                sentences.append(f"- {name}, {count} lines, {orientation}: {gap.percent()} to the best ({best}).")
    cases = len(sentences)
    opening = (
        f"**{verdict_word(wins, losses, cases)}.** Of {cases} comparisons at equal time with the best ViT, the GSA-Net "
        f"errs less in {wins}, more in {losses}; in the others the interval holds 0. Error rate of the GSA-Net less "
        "that of the ViT, paired by seed:"
    )
    return opening + "\n\n" + "\n".join(sentences)


def draw(rows: Rows, size: Size) -> Figure:
    """Draw the error by number of training lines."""
    figure = Figure(figsize=(11, 4.2 * len(size.sets)), layout="constrained")
    panels = figure.subplots(len(size.sets), len(ORIENTATIONS), squeeze=False, sharey=True)
    for line, name in zip(panels, size.sets, strict=True):
        for axes, orientation in zip(line, ORIENTATIONS, strict=True):
            for variant in VARIANTS:
                means = [Mean.of(errors(rows, name, count, variant.name, orientation)) for count in size.counts]
                axes.errorbar(
                    size.counts,
                    [mean.value for mean in means],
                    [mean.half for mean in means],
                    label=variant.name,
                    capsize=3,
                    linewidth=2.5 if variant.kind == GSA else 1.2,
                    linestyle="--" if variant.equal == "steps" else "-",
                )
            axes.set(
                xscale="log", ylim=(0, 1.05), title=f"{name}, {orientation}", xlabel="training lines", ylabel="CER"
            )
            axes.set_xticks(size.counts, [str(count) for count in size.counts], minor=False)
            axes.grid(alpha=0.3)
    panels[0][-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)  # beside the lines, not over them
    return figure


def main() -> None:
    """Run the missing trainings, and publish the results."""
    comparison = read_command_line(__doc__, {"reduced": (PRINTED,)})
    cost = comparison.costs(costs)
    jobs = {
        f"{name}-{count}-{variant.name}-{seed}": partial(run, comparison, name, count, variant, seed, cost[name])
        for seed in range(comparison.seeds)
        for name in comparison.size.sets
        for count in comparison.size.counts
        for variant in VARIANTS
    }
    comparison.run_and_publish(
        __file__,
        jobs,
        verdict,
        table,
        draw,
        "Error rate by number of training lines, upright and turned",
        beside={"seconds a step": cost},
    )
