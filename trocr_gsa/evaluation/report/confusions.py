"""Which letters are taken for which, left out, or put in."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trocr_gsa.evaluation.scored_line import ScoredLine

CONTEXT = 16  # letters around an example


@dataclass(frozen=True)
class Example:
    """One place where it happened: what stands before and after, cut with an ellipsis, and the line's name."""

    before: str
    after: str
    line: str


@dataclass(frozen=True)
class Confusion:
    """A mistake that was made `count` times.

    Attributes:
        stands: the letter that stands there; empty where one was put in.
        read: the letter that was read; empty where one was left out.
        count: over all readings.
        share: of the times that the letter stands there; None where one was put in.
        example: from the line that was otherwise read best.
    """

    stands: str
    read: str
    count: int
    share: float | None
    example: Example


@dataclass(frozen=True)
class Confusions:
    """The most frequent mistakes of each kind, and how many of the kind there are in all."""

    taken: Sequence[Confusion]
    left_out: Sequence[Confusion]
    put_in: Sequence[Confusion]
    totals: tuple[int, int, int]


def count_confusions(readings: Sequence[ScoredLine], most: int = 15) -> Confusions:
    """Count the mistakes of all readings.

    Args:
        readings: aligned.
        most: of each kind, the most frequent.
    """
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], Example] = {}
    letters: Counter[str] = Counter()
    for line in sorted(readings, key=lambda line: line.cer):
        letters.update(letter for edit in line.edits for letter in edit.reference)
        for pair, example in _mistakes(line):
            counts[pair] += 1
            examples.setdefault(pair, example)
    kinds: tuple[list[Confusion], ...] = ([], [], [])
    for (stands, read), count in counts.most_common():
        kind = 2 if not stands else 1 if not read else 0
        share = count / letters[stands] if stands else None
        kinds[kind].append(Confusion(stands, read, count, share, examples[stands, read]))
    taken, left_out, put_in = (kind[:most] for kind in kinds)
    totals = tuple(sum(each.count for each in kind) for kind in kinds)
    return Confusions(taken, left_out, put_in, totals)  # pyright: ignore[reportArgumentType]


def _mistakes(line: ScoredLine) -> Iterator[tuple[tuple[str, str], Example]]:
    """Yield (letter that stands there, letter read) and where it happened."""
    text = "".join(edit.reference for edit in line.edits)
    place = 0
    for edit in line.edits:
        if not edit.agrees:
            for step in range(max(len(edit.reference), len(edit.prediction))):
                stands, read = edit.reference[step : step + 1], edit.prediction[step : step + 1]
                start = place + step if edit.reference else place
                before, after = text[:start], text[start + len(stands) :]
                before = before if len(before) <= CONTEXT else "…" + before[-CONTEXT:]
                after = after if len(after) <= CONTEXT else after[:CONTEXT] + "…"
                yield (stands, read), Example(before, after, line.sample.name)
        place += len(edit.reference)
