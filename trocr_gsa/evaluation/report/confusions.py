"""Counts of substituted, deleted and inserted characters.

What is unusual: a line that was read at four angles counts as one line. Each of its readings counts a quarter.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trocr_gsa.evaluation.scored_line import ScoredLine

from .aligned import SetReading

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
        count: number of times in the lines, each read once; the mean over the angles.
        share: share of the character's occurrences in the references; None for an insertion.
        example: an example from the line with the lowest error rate.
    """

    reference: str
    prediction: str
    count: float
    share: float | None
    example: Example


@dataclass(frozen=True)
class Confusions:
    """The most frequent errors of each kind, and the total number of errors of each kind."""

    substitutions: Sequence[Confusion]
    deletions: Sequence[Confusion]
    insertions: Sequence[Confusion]
    totals: tuple[float, float, float]


def count_confusions(sets: Sequence[SetReading], most: int = 15) -> Confusions:
    """Count the errors of all lines, as the mean over the angles at which they were read.

    Args:
        sets: the sets of one reader.
        most: maximum number of different errors of each kind.
    """
    counts: defaultdict[tuple[str, str], float] = defaultdict(float)
    examples: dict[tuple[str, str], Example] = {}
    occurrences: defaultdict[str, float] = defaultdict(float)
    weighted = [(line, 1 / len(each.runs)) for each in sets for line in each.readings]
    for line, weight in sorted(weighted, key=lambda pair: pair[0].cer):
        for letter in "".join(edit.reference for edit in line.edits):
            occurrences[letter] += weight
        for pair, example in _errors(line):
            counts[pair] += weight
            examples.setdefault(pair, example)
    kinds: tuple[list[Confusion], ...] = ([], [], [])
    for (reference, prediction), count in sorted(counts.items(), key=lambda item: -item[1]):
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
