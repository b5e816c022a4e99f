"""Less data, no augmentation: error against the number of lines that a reader learnt from, GSA-Net beside ViT.

    python -m experiments less_data runs/less_data data/ --share 1/2 & python … --share 2/2   (reduced, two cores)
    python -m experiments less_data runs/less_data data/                                      (the rest)
    python -m experiments less_data runs/less_data data/ --size full                          (one GPU)

What is unusual: every ViT is there twice, with the GSA-Net's steps and with its time; and once behind a classifier of
its own that says how a line lies, after which the line is turned back, as is done in practice. The GSA-Net sees upright
lines only. Cost of the reduced size, on one core: an hour and a half for the digits, fifty minutes for printed numbers.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from matplotlib.figure import Figure

from benchmarks.marked_tables import markdown
from experiments.record import Mean, in_a_word
from experiments.sizes import PRINTED, TURNED, Rows, Size, Told, read_command_line
from experiments.small_reader import Design, judge, parameters_of, seconds_a_step, train

LIES = ("upright", "turned")
GSA = "GSA-Net, C4"
UPRIGHT, QUARTERS, CLASSIFIER = "ViT", "ViT, turned lines too", "ViT behind a classifier"


@dataclass(frozen=True)
class Variant:
    """A way to make a reader.

    Attributes:
        kind: which network, and what it is taught.
        equal: to the GSA-Net's steps or its time.
    """

    kind: str
    equal: Literal["steps", "time"] = "time"

    @property
    def name(self) -> str:
        """In tables."""
        return self.kind if self.kind == GSA else f"{self.kind}, equal {self.equal}"

    @property
    def turns(self) -> Literal["none", "quarters"]:
        """How lines lie while it learns to read."""
        return "quarters" if self.kind == QUARTERS else "none"

    def design(self, size: Design) -> Design:
        """Return its reader's shape."""
        if self.kind == GSA:
            return size
        return replace(size, group="C1", directions=4 if self.kind == QUARTERS else 0)


VARIANTS = [
    Variant(GSA),
    *(Variant(kind, equal) for kind in (UPRIGHT, QUARTERS) for equal in ("steps", "time")),
    Variant(CLASSIFIER),
]


def costs(told: Told, name: str) -> dict[str, float]:
    """Return what a step costs each kind of reader, in seconds."""
    lines = told.size.lines(told.data, name, "train", 200, 0)
    found = {}
    for variant in {variant.kind: variant for variant in VARIANTS}.values():
        lesson = replace(told.size.lesson(0), turns=variant.turns)
        found[variant.kind] = seconds_a_step(variant.design(told.size.design), lesson, lines)
    return found


def steps_of(variant: Variant, steps: int, cost: dict[str, float]) -> int:
    """Return the steps that a variant gets."""
    return steps if variant.equal == "steps" else round(steps * cost[GSA] / cost[variant.kind])


def run(told: Told, name: str, count: int, variant: Variant, seed: int, cost: dict[str, float]) -> dict[str, Any]:
    """Teach one reader; return its errors at every quarter turn."""
    lines = told.size.lines(told.data, name, "train", count, seed)
    steps = steps_of(variant, told.size.steps, cost)
    if variant.kind == CLASSIFIER:  # they share the time
        steps //= 2
    lesson = replace(told.size.lesson(seed), steps=steps, turns=variant.turns)
    reader, classifier = train(variant.design(told.size.design), lesson, lines), None
    if variant.kind == CLASSIFIER:
        design = replace(told.size.design, group="C1", directions=4)
        classifier = train(design, replace(lesson, turns="quarters", reads=False), lines)
    test = told.size.test(told.data, name)
    angles = {str(angle): judge(reader, test, angle, classifier) for angle in (0.0, *TURNED)}
    parameters = parameters_of(reader) + (parameters_of(classifier) if classifier else 0)
    told_of = {"set": name, "lines": count, "variant": variant.name, "seed": seed}
    return told_of | {"steps": steps, "parameters": parameters, "angles": angles}


def error(row: dict[str, Any], lies: str) -> float:
    """Return a row's error rate on upright lines, or its mean over the other quarter turns."""
    if lies == "upright":
        return row["angles"]["0.0"]["cer"]
    return sum(row["angles"][str(angle)]["cer"] for angle in TURNED) / len(TURNED)


def errors(rows: list[dict[str, Any]], name: str, count: int, variant: str, lies: str) -> list[float]:
    """Return the error rates of one cell, a seed each."""
    return [error(row, lies) for row in rows if (row["set"], row["lines"], row["variant"]) == (name, count, variant)]


def table(rows: Rows, size: Size) -> str:
    """Return a Markdown table for each set: a row a variant, the errors upright and turned by number of lines."""
    tables = []
    for name in size.sets:
        head = ["reader", "parameters", *(f"{lies}, {count} lines" for lies in LIES for count in size.counts)]
        body = []
        for variant in VARIANTS:
            own = [row for row in rows if (row["set"], row["variant"]) == (name, variant.name)]
            cells = [
                Mean.of(errors(rows, name, count, variant.name, lies)).percent()
                for lies in LIES
                for count in size.counts
            ]
            body.append([variant.name, f"{own[0]['parameters']:,}", *cells])
        tables.append(f"{name}, CER:\n\n{markdown(head, body)}")
    return "\n\n".join(tables)


def verdict(rows: Rows, size: Size) -> str:
    """Compare the GSA-Net with the best ViT of its time, by set, way of lying and number of lines."""
    sentences, wins, losses = [], 0, 0
    for name in size.sets:
        for lies in LIES:
            for count in size.counts:
                own = errors(rows, name, count, GSA, lies)
                rivals = {v.name: errors(rows, name, count, v.name, lies) for v in VARIANTS if v.equal == "time"}
                rivals.pop(Variant(GSA).name)
                best = min(rivals, key=lambda rival: sum(rivals[rival]))
                gap = Mean.difference(own, rivals[best])
                wins, losses = wins + gap.is_negative, losses + gap.is_positive
                sentences.append(f"- {name}, {count} lines, {lies}: {gap.percent()} to the best ({best}).")
    cases = len(sentences)
    opening = (
        f"**{in_a_word(wins, losses, cases)}.** Of {cases} comparisons at equal time with the best ViT, the GSA-Net "
        f"errs less in {wins}, more in {losses}; in the others the interval holds 0. Error rate of the GSA-Net less "
        "that of the ViT, paired by seed:"
    )
    return opening + "\n\n" + "\n".join(sentences)


def draw(rows: Rows, size: Size) -> Figure:
    """Draw errors by number of lines."""
    figure = Figure(figsize=(11, 4.2 * len(size.sets)), layout="constrained")
    panels = figure.subplots(len(size.sets), len(LIES), squeeze=False, sharey=True)
    for line, name in zip(panels, size.sets, strict=True):
        for axes, lies in zip(line, LIES, strict=True):
            for variant in VARIANTS:
                means = [Mean.of(errors(rows, name, count, variant.name, lies)) for count in size.counts]
                axes.errorbar(
                    size.counts,
                    [mean.value for mean in means],
                    [mean.half for mean in means],
                    label=variant.name,
                    capsize=3,
                    linewidth=2.5 if variant.kind == GSA else 1.2,
                    linestyle="--" if variant.equal == "steps" else "-",
                )
            axes.set(xscale="log", ylim=(0, 1.05), title=f"{name}, {lies}", xlabel="training lines", ylabel="CER")
            axes.set_xticks(size.counts, [str(count) for count in size.counts], minor=False)
            axes.grid(alpha=0.3)
    panels[0][-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)  # beside the lines, not over them
    return figure


def main() -> None:
    """Train what is not done, then publish."""
    told = read_command_line(__doc__, {"reduced": (PRINTED,)})
    cost = told.costs(costs)
    jobs = {
        f"{name}-{count}-{variant.name}-{seed}": partial(run, told, name, count, variant, seed, cost[name])
        for seed in range(told.seeds)
        for name in told.size.sets
        for count in told.size.counts
        for variant in VARIANTS
    }
    told.compare(
        __file__,
        jobs,
        verdict,
        table,
        draw,
        "Error rate by number of training lines, upright and turned",
        beside={"seconds a step": cost},
    )
