"""Write the first table of docs/evidence.md: one row per claim, from the results of the experiments.

    python -m experiments verdicts

Nothing is measured. A verdict's word is the one that the claim's section of the page begins with, and the numbers come
from the same functions. An experiment without results has the verdict "not run".
"""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.marked_tables import markdown, write_between_markers
from experiments import adapter_tables, adapters, encoder_size, less_data, rotated_mnist_tables, theorems, translation
from experiments import angles as angle_limits
from experiments import translation_scores as scores
from experiments.adapter_variants import EVERY_WEIGHT, LORA, RANKS, Variant
from experiments.record import PAGE, RESULTS, Mean
from experiments.sizes import SIZES

ORDER_OF_RC = "h⁻¹h₁⁻¹h₂, [RC]"
EXACT = 1e-11  # largest relative error in float64 that is rounding


@dataclass(frozen=True)
class Verdict:
    """One row of the table.

    Attributes:
        claim: the claim in a few words, linked to its section.
        word: the verdict.
        number: one number with its interval, and what it is.
        size: size of the experiment.
    """

    claim: str
    word: str
    number: str
    size: str


def first_word(text: str) -> str:
    """Return the verdict with which a section begins, in lower case: the first bold words, up to a colon.

    Raises:
        ValueError: if the text has no bold words.
    """
    found = re.search(r"\*\*(.+?)[.:*]", text)
    if found is None:
        raise ValueError(f"`text` must contain a verdict in bold letters, got {text[:60]!r}.")
    return found[1].lower()


def lora_keeps_the_symmetry(results: dict[str, Any]) -> tuple[str, str, str]:
    """Return word, number and size for LoRA and equivariance."""
    measured = results["groups"]
    runs = [measured[group]["adapter"]["with"]["float64"] for group in theorems.GROUPS]
    largest = max(max(theorems.worst(run).values()) for run in runs)
    layers = len(runs[0]["layers"])
    size = f"packaged reader and adapter, {layers} layers, every element of {' and '.join(theorems.GROUPS)}, float64"
    return first_word(theorems.verdict(measured)), f"largest relative error {largest:.0e}", size


def corrected_encoding(results: dict[str, Any]) -> tuple[str, str, str]:
    """Return word, number and size for the relative pose of [RC] and the corrected one."""
    measured = results["groups"]
    errors = [theorems.worst_encodings(measured, group) for group in theorems.GROUPS]
    names = list(errors[0])
    corrected = max(max(each[names[0]].values()) for each in errors)
    published = min(max(each[ORDER_OF_RC].values()) for each in errors)
    word = "supported" if corrected < EXACT < published else "refuted"
    number = f"error of the corrected pose {corrected:.0e}, of [RC]'s at least {published:.0e}"
    return word, number, f"trained layer, three sums over poses, {' and '.join(theorems.GROUPS)}, float64"


def methods_keep_the_symmetry(results: dict[str, Any]) -> tuple[str, str, str]:
    """Return word, number and size for the other methods of PEFT."""
    errors = [row["symmetry_error"] for row in results["methods"]]
    control = results["on_one_pose_only"]
    word = "supported" if max(errors) < EXACT < control else "refuted"
    number = f"largest relative error {max(errors):.0e}; an adapter on one pose only: {control:.0e}"
    return word, number, f"{len(errors)} methods on the packaged reader, one line, float64"


def rotations_help(results: dict[str, Any]) -> tuple[str, str, str]:
    """Return word, number and size for rotated MNIST."""
    rows = results["rows"]
    gain, own = rotated_mnist_tables.gain(rows, "Z2", "R4"), rotated_mnist_tables.mean(rows, "R4")
    number = f"R4 minus Z2: {rotated_mnist_tables.points(gain)}; R4: {own.percent(2)}"
    seeds, trainings = len(rotated_mnist_tables.tests(rows, "R4")), len(rows)
    size = f"{seeds} seed{'s' if seeds > 1 else ''} of R4, {trainings} trainings of {results['epochs']} epochs"
    return first_word(rotated_mnist_tables.verdict(results)), number, size


def needs_less_data(results: dict[str, Any]) -> tuple[str, str, str]:
    """Return word, number and size for fewer training lines."""
    size, rows = SIZES[results["size"]], results["rows"]
    name, count = size.sets[0], max(size.counts)
    rivals = [v.name for v in less_data.VARIANTS if v.equal == "time" and v.kind != less_data.GSA]
    errors = {rival: less_data.errors(rows, name, count, rival, "turned") for rival in rivals}
    best = min(errors, key=lambda rival: sum(errors[rival]))
    gap = Mean.difference(less_data.errors(rows, name, count, less_data.GSA, "turned"), errors[best])
    number = f"CER less that of the best ViT: {gap.percent()} ({name}, {count} lines, turned)"
    return (
        first_word(less_data.verdict(rows, size)),
        number,
        _training(results["seeds"], f"{size.steps} steps", results),
    )


def needs_fewer_parameters(results: dict[str, Any]) -> tuple[str, str, str]:
    """Return word, number and size for smaller encoders."""
    size, rows = SIZES[results["size"]], results["rows"]
    name, width = size.sets[0], max(size.widths)
    of = (encoder_size.errors(rows, name, width, kind) for kind in (encoder_size.GSA, encoder_size.QUARTERS))
    number = f"CER less that of a ViT of its size: {Mean.difference(*of).percent()} ({name}, {width} wide)"
    word = first_word(encoder_size.verdict(rows, size))
    return word, number, _training(results["seeds"], f"{size.steps} steps", results)


def reads_at_any_angle(results: dict[str, Any]) -> tuple[str, str, str]:
    """Return word, number and size for angles between the rotations of the group."""
    size, rows = SIZES[results["size"]], results["rows"]
    name = size.sets[0]
    gap = Mean.difference(
        angle_limits.mean_errors(rows, name, "C8", angle_limits.ANGLES),
        angle_limits.mean_errors(rows, name, "C4", angle_limits.ANGLES),
    )
    near = Mean.of(angle_limits.mean_errors(rows, name, "C4", [a for a in angle_limits.ANGLES if a % 90 == 0]))
    number = f"C4 at quarter turns: {near.percent()} CER; C8 less C4 over all angles: {gap.percent()}"
    word = "at quarter turns only" if not gap.is_negative else "with finer groups"
    return word, number, _training(results["seeds"], f"{size.steps} steps", results)


def a_low_rank_suffices(results: dict[str, Any]) -> tuple[str, str, str]:
    """Return word, number and size for the rank of adapters."""
    rows, highest = results["rows"], Variant(rank=max(RANKS))
    lost = Mean.difference(adapter_tables.errors(rows, Variant(rank=8)), adapter_tables.errors(rows, highest))
    number = f"rank 8 errs by {lost.percent()} more than rank {highest.rank} (CER)"
    return first_word(adapter_tables.rank_sentence(rows, results["base"])), number, _adapters(results)


def adapters_forget_less(results: dict[str, Any]) -> tuple[str, str, str]:
    """Return word, number and size for forgetting."""
    rows, base = results["rows"], results["base"]
    whole, own = (adapter_tables.forgotten(rows, base, variant) for variant in (EVERY_WEIGHT, LORA))
    less = Mean.difference(whole, own)
    word = "supported" if less.is_positive else "refuted" if less.is_negative else "undecided"
    number = f"other sets' CER rises by {Mean.of(own).percent()} with LoRA, by {Mean.of(whole).percent()} without"
    return word, number, _adapters(results)


def adapters_translate(results: dict[str, Any]) -> tuple[str, str, str]:
    """Return word, number and size for adapters that write another text."""
    turns = results["tasks"]["date"]["turns"].values()
    worst = min((turn["adapter"] for turn in turns), key=lambda score: score["exact"])
    share = scores.with_interval((worst["exact"], worst["exact_low"], worst["exact_high"]))
    one = next(iter(turns))
    size = f"{one['lines']} lines in {one['hands']} unseen hands, at the worst quarter turn"
    return first_word(translation.verdict(results["tasks"])), f"dates and numbers exactly right: {share}", size


CLAIMS: Sequence[tuple[str, str, str, Callable[[dict[str, Any]], tuple[str, str, str]]]] = (
    ("LoRA keeps every layer equivariant", "the-theorems", "theorems", lora_keeps_the_symmetry),
    ("The relative pose must be h₁⁻¹h₂; [RC]'s is not equivariant", "the-theorems", "theorems", corrected_encoding),
    ("So does every method that changes pointwise maps", "adapters.md", "peft_methods", methods_keep_the_symmetry),
    ("More rotations are better", "rotated-mnist-more-rotations-are-better-up-to-a-point", "rotated_mnist",
     rotations_help),
    ("It needs less data", "less-data-no-augmentation", "less_data", needs_less_data),
    ("It needs fewer parameters", "fewer-parameters", "encoder_size", needs_fewer_parameters),
    ("It reads at any angle", "arbitrary-angles", "angles", reads_at_any_angle),
    ("Rank 4 to 8 suffices", "rank-and-forgetting-of-adapters", "adapters", a_low_rank_suffices),
    ("Adapters forget less than full training", "rank-and-forgetting-of-adapters", "adapters", adapters_forget_less),
    ("An adapter translates while it transcribes", "another-text-dates-in-digits-modern-spelling", "translation",
     adapters_translate),
)  # claim, section or page, results, row  # fmt: skip


def verdicts() -> list[Verdict]:
    """Return a row for every claim."""
    rows = []
    for claim, place, name, row in CLAIMS:
        path = RESULTS / f"{name}.json"
        found = row(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else ("not run", "–", "–")
        rows.append(Verdict(f"[{claim}]({place if place.endswith('.md') else f'#{place}'})", *found))
    return rows


def main() -> None:
    """Print the table, and write it to the page."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    cells = ([row.claim, row.word, row.number, row.size] for row in verdicts())
    table = markdown(["claim", "verdict", "one number, with its 95 % interval", "size of the experiment"], cells)
    print(table)
    write_between_markers(PAGE, "verdicts", __file__, table)


def _training(seeds: int, length: str, results: dict[str, Any]) -> str:
    """Return the size of an experiment that trains small readers."""
    return f"{results['size']} size: {seeds} seeds, {len(results['rows'])} trainings of {length}"


def _adapters(results: dict[str, Any]) -> str:
    """Return the size of the experiment on adapters."""
    size = results["size"]
    return (
        f"{len(results['rows'])} trainings of {size['steps']} steps, {adapters.SEEDS} seeds, {size['test']} test lines"
    )


if __name__ == "__main__":
    main()
