"""Counts of substituted, deleted and inserted characters."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trocr_gsa.evaluation.scored_line import ScoredLine

CONTEXT = 16  # characters before and after an example


@dataclass(frozen=True)
class Example:
    """An example of an error: the text before and after it, shortened with an ellipsis, and the line's name."""

    before: str
    after: str
    line: str


@dataclass(frozen=True)
class Confusion:
    """An error that was made `count` times.

    Attributes:
        reference: the character in the reference; empty for an insertion.
        prediction: the character that was read; empty for a deletion.
        count: number of times, over all readings.
        share: share of the character's occurrences in the references; None for an insertion.
        example: an example from the line with the lowest error rate.
    """

    reference: str
    prediction: str
    count: int
    share: float | None
    example: Example


@dataclass(frozen=True)
class Confusions:
    """The most frequent errors of each kind, and the total number of errors of each kind."""

    substitutions: Sequence[Confusion]
    deletions: Sequence[Confusion]
    insertions: Sequence[Confusion]
    totals: tuple[int, int, int]


def count_confusions(readings: Sequence[ScoredLine], most: int = 15) -> Confusions:
    """Count the errors of all readings.

    Args:
        readings: scored lines.
        most: maximum number of different errors of each kind.
    """
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], Example] = {}
    occurrences: Counter[str] = Counter()
    for line in sorted(readings, key=lambda line: line.cer):
        occurrences.update(letter for edit in line.edits for letter in edit.reference)
        for pair, example in _errors(line):
            counts[pair] += 1
            examples.setdefault(pair, example)
    kinds: tuple[list[Confusion], ...] = ([], [], [])
    for (reference, prediction), count in counts.most_common():
        kind = 2 if not reference else 1 if not prediction else 0
        share = count / occurrences[reference] if reference else None
        kinds[kind].append(Confusion(reference, prediction, count, share, examples[reference, prediction]))
    substitutions, deletions, insertions = (kind[:most] for kind in kinds)
    totals = tuple(sum(each.count for each in kind) for kind in kinds)
    return Confusions(substitutions, deletions, insertions, totals)  # pyright: ignore[reportArgumentType]


def _errors(line: ScoredLine) -> Iterator[tuple[tuple[str, str], Example]]:
    """Yield (character of the reference, character that was read) for each error, with an example."""
    text = "".join(edit.reference for edit in line.edits)
    place = 0
    for edit in line.edits:
        if not edit.agrees:
            for step in range(max(len(edit.reference), len(edit.prediction))):
                reference, prediction = edit.reference[step : step + 1], edit.prediction[step : step + 1]
                start = place + step if edit.reference else place
                before, after = text[:start], text[start + len(reference) :]
                before = before if len(before) <= CONTEXT else "…" + before[-CONTEXT:]
                after = after if len(after) <= CONTEXT else after[:CONTEXT] + "…"
                yield (reference, prediction), Example(before, after, line.sample.name)
        place += len(edit.reference)
