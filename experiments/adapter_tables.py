"""The results of experiments/adapters.py: a table, a figure, and a verdict computed from the trainings."""

from statistics import mean
from typing import Any

from matplotlib.figure import Figure

from benchmarks.marked_tables import markdown
from experiments.adapter_runs import OTHERS
from experiments.adapter_variants import EVERY_WEIGHT, HALVES, LORA, METHODS, PROJECTIONS, RANKS, Variant
from experiments.record import Mean

Rows = list[dict[str, Any]]
SUFFICES = 0.2  # share of the highest rank's gain; a rank that loses less suffices
CLAIMED = (4, 8)  # ranks that suffice according to the claim
COLOURS = dict(zip(HALVES, ("tab:orange", "tab:green", "tab:blue"), strict=True))
MARKERS = dict(zip(PROJECTIONS, ("v", "o", "s"), strict=True))


def variant_rows(rows: Rows, variant: Variant) -> Rows:
    """Return the rows of a variant, in the order of the seeds."""
    return sorted((row for row in rows if row["variant"] == variant.name), key=lambda row: row["seed"])


def errors(rows: Rows, variant: Variant, name: str = "test") -> list[float]:
    """Return the error rates of a variant on the hand or another set, one per seed."""
    return [row["cer"][name] for row in variant_rows(rows, variant)]


def gains(rows: Rows, base: dict[str, float], variant: Variant) -> list[float]:
    """Return the reduction of the error rate on the hand by a variant, one per seed."""
    return [base["test"] - error for error in errors(rows, variant)]


def forgotten(rows: Rows, base: dict[str, float], variant: Variant) -> list[float]:
    """Return the increase of the mean error rate on the other sets by a variant, one per seed."""
    return [mean(row["cer"][name] - base[name] for name in OTHERS) for row in variant_rows(rows, variant)]


def rank_sentence(rows: Rows, base: dict[str, float]) -> str:
    """Return whether the claimed ranks suffice, that is, keep most of the gain of the highest rank."""
    highest = Variant(rank=max(RANKS))
    gain = Mean.of(gains(rows, base, highest))
    opening = f"Rank {highest.rank} takes {gain.percent()} (absolute) off the hand's error rate of {base['test']:.1%}"
    if not gain.is_positive:
        return f"**Undecided: whether rank 4 to 8 suffices.** {opening}: there is nothing to lose with a lower rank."
    most, words, figures = SUFFICES * gain.value, [], []
    for rank in CLAIMED:
        lost = Mean.difference(errors(rows, Variant(rank=rank)), errors(rows, highest))
        suffices, fails = lost.value + lost.half < most, lost.value - lost.half > most
        words.append("suffices" if suffices else "fails" if fails else "open")
        figures.append(f"rank {rank} errs by {lost.percent()} more ({words[-1]})")
    word = "Supported" if set(words) == {"suffices"} else "Refuted" if set(words) == {"fails"} else "Undecided"
    return (
        f"**{word}: rank 4 to 8 suffices.** {opening}; {', '.join(figures)}. A rank suffices here if it loses "
        f"less than {SUFFICES:.0%} of that gain ({100 * most:.1f} %), its interval included, and fails if more."
    )


def forgetting_sentence(rows: Rows, base: dict[str, float]) -> str:
    """Return whether the reader keeps its accuracy after an adapter is removed, and while it is loaded."""
    removed = [row["removed_is_bit_equal"] for row in rows if "removed_is_bit_equal" in row]
    exact = all(removed)
    out = (
        f"**{'Supported' if exact else 'Refuted'}: an adapter taken out leaves nothing.** The base's logits came back "
        f"bit for bit in {sum(removed)} of {len(removed)} trainings."
    )
    own = forgotten(rows, base, LORA)
    less = Mean.difference(forgotten(rows, base, EVERY_WEIGHT), own)
    word = "Supported" if less.is_positive else "Refuted" if less.is_negative else "Undecided"
    kept = Mean.of(own)
    alone = "it forgets too" if kept.is_positive else "no forgetting is shown"
    figures = "; ".join(
        f"{variant.method} adds {Mean.of(forgotten(rows, base, variant)).percent()}, and takes "
        f"{Mean.of(gains(rows, base, variant)).percent()} off the hand's"
        for variant in METHODS
    )
    return (
        f"{out} **{word}: an adapter that is in forgets less than training every weight**, by {less.percent()}; by "
        f"itself, {alone}. To the error rate on {' and '.join(OTHERS)}, absolute, in the mean: {figures}."
    )


def table(rows: Rows, base: dict[str, float], names: list[Variant]) -> str:
    """Return a Markdown table with one row per variant."""
    head = ["trained", "parameters", "KB in float16", "learning rate", "CPU minutes", "CER, the hand"]
    body = [["(nothing)", 0, 0, "", "", f"{base['test']:.1%}", *(f"{base[name]:.1%}" for name in OTHERS)]]
    for variant in names:
        own = variant_rows(rows, variant)
        cells = [Mean.of(errors(rows, variant, name)).percent() for name in ("test", *OTHERS)]
        minutes = mean(row["minutes"] for row in own)
        size = [f"{own[0]['parameters']:,}", f"{own[0]['bytes'] / 1000:,.0f}"]
        body.append([variant.name, *size, f"{own[0]['rate']:g}", f"{minutes:.1f}", *cells])
    return markdown([*head, *(f"CER, {name}" for name in OTHERS)], body)


def draw(rows: Rows, base: dict[str, float], names: list[Variant]) -> Figure:
    """Draw the error on the hand by the number of trained parameters, and the errors on the other sets by method."""
    figure = Figure(figsize=(12, 4.5))
    hand, rest = figure.subplots(1, 2)
    for variant in names:
        error, count = Mean.of(errors(rows, variant)), variant_rows(rows, variant)[0]["parameters"]
        colour = COLOURS[variant.targets] if variant.is_adapter else "black"
        marker = MARKERS[variant.projections] if variant.is_adapter else "D"
        hand.errorbar(count, 100 * error.value, 100 * error.half, fmt=marker, color=colour, capsize=3)
        label = f" {variant.rank}" if variant.is_adapter else f" {variant.method}"
        side = "left" if variant.is_adapter else "right"
        hand.annotate(label + " ", (count, 100 * error.value), fontsize=8, ha=side, va="bottom")
    hand.axhline(100 * base["test"], color="grey", linestyle="--", label="nothing trained")
    for half, colour in COLOURS.items():
        hand.plot([], [], "o", color=colour, label=f"rank, {half}")
    for layers, marker in MARKERS.items():
        hand.plot([], [], marker, color="grey", linestyle="", label=PROJECTIONS[layers])
    hand.set(xscale="log", xlabel="trained parameters", ylabel="CER on the hand, %")
    hand.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=8)
    _draw_others(rest, rows, base)
    return figure


def _draw_others(axes: Any, rows: Rows, base: dict[str, float]) -> None:
    for place, name in enumerate(OTHERS):
        shift = (place - (len(OTHERS) - 1) / 2) * 0.35
        means = [Mean.of(errors(rows, variant, name)) for variant in METHODS]
        axes.bar(
            [column + 1 + shift for column in range(len(means))],
            [100 * each.value for each in means],
            0.33,
            yerr=[100 * each.half for each in means],
            capsize=3,
            color=f"C{place}",
            label=name,
        )
        axes.bar(shift, 100 * base[name], 0.33, color=f"C{place}", alpha=0.5)
    labels = ["nothing,\nor adapter out", *(f"{each.method}\n{'rank 8, in' * each.is_adapter}" for each in METHODS)]
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylabel("CER on other sets, %")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8)
