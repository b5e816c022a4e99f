"""The numbers of the page: of sets, angles, documents, and of one reader beside another.

What is unusual: a line that was read at four angles is one line. Its errors are summed over the angles before documents
are drawn, so that reading a line again makes no interval narrower.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from trocr_gsa.evaluation.scored_line import ScoredLine
from trocr_gsa.metrics.confidence import Bin, cer_of_surest, confidence_bins, expected_calibration_error
from trocr_gsa.metrics.error_rates import ErrorCount, bootstrap_interval, error_rate, paired_interval

from .aligned import SetReading

LONG = 10  # letters: a line of which one can tell which way up it is
KEPT = 0.9  # of the lines, when the least sure are set aside
SHARES_SET_ASIDE = tuple(step / 20 for step in range(11))  # 0 … 50 %


@dataclass(frozen=True)
class Rate:
    """A rate, and the interval that holds 95 % of resampled sets; None where there was one thing to draw from."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def top(self) -> float:
        """The largest number in it."""
        return self.value if self.high is None else max(self.value, self.high)


@dataclass(frozen=True)
class Summary:
    """How lines were read.

    Attributes:
        lines: how many, each counted once.
        cer: of their characters.
        wer: of their words.
        right: share of readings without an error.
        way_up: share of readings whose orientation is right; None at angles that the reader has no pose for.
        way_up_long: the same on lines of `LONG` letters or more; None where there are none.
        long_lines: how many these are.
    """

    lines: int
    cer: Rate
    wer: Rate
    right: float
    way_up: float | None
    way_up_long: float | None
    long_lines: int


@dataclass(frozen=True)
class Trust:
    """What confidence is worth on a set.

    Attributes:
        bins: of readings of like confidence, the least sure first.
        calibration_error: expected, in [0, 1].
        cer_kept: error rate of the surest `KEPT` of the readings.
        left: (share set aside, error rate of the others).
    """

    bins: Sequence[Bin]
    calibration_error: float
    cer_kept: float
    left: Sequence[tuple[float, float]]


def summarise_readings(by_angle: Sequence[Sequence[ScoredLine]], poses: Sequence[float]) -> Summary:
    """Sum up the same lines, read at one or several angles.

    Args:
        by_angle: for each angle the same lines in the same order, at least one.
        poses: degrees that the reader can say.
    """
    readings = [line for lines in by_angle for line in lines]
    documents = [line.document for line in by_angle[0]]
    told = [line for line in readings if line.angle in poses]
    long = [line for line in told if line.character_errors.length >= LONG]
    return Summary(
        lines=len(by_angle[0]),
        cer=_rate([[line.character_errors for line in lines] for lines in by_angle], documents),
        wer=_rate([[line.word_errors for line in lines] for lines in by_angle], documents),
        right=sum(line.character_errors.errors == 0 for line in readings) / len(readings),
        way_up=_way_up(told),
        way_up_long=_way_up(long),
        long_lines=sum(line.character_errors.length >= LONG for line in by_angle[0]),
    )


def summarise_documents(reading: SetReading, poses: Sequence[float]) -> list[tuple[str, Summary]]:
    """Return each document of a set with its summary, the worst first; intervals draw the document's lines."""
    places: dict[str, list[int]] = {}
    for place, document in enumerate(reading.documents):
        places.setdefault(document, []).append(place)
    found = [
        (document, summarise_readings([[lines[place] for place in inside] for lines in reading.by_angle], poses))
        for document, inside in places.items()
    ]
    return sorted(found, key=lambda pair: -pair[1].cer.value)


def trust(readings: Sequence[ScoredLine]) -> Trust:
    """Say what confidence is worth on at least one reading."""
    confidences, counts = [line.line.confidence for line in readings], [line.character_errors for line in readings]
    bins = confidence_bins(confidences, counts)
    left = [(aside, cer_of_surest(confidences, counts, 1 - aside)) for aside in SHARES_SET_ASIDE]
    return Trust(bins, expected_calibration_error(bins), cer_of_surest(confidences, counts, KEPT), left)


def difference(base: Sequence[Sequence[ScoredLine]], other: Sequence[Sequence[ScoredLine]]) -> Rate:
    """Return the error rate of another reader of the same lines less that of the first, with its paired interval."""
    documents = [line.document for line in base[0]]
    first, second = (_pooled([[line.character_errors for line in lines] for lines in each]) for each in (base, other))
    value = error_rate(second) - error_rate(first)
    return Rate(value) if len(documents) == 1 else Rate(value, *paired_interval(first, second, documents))


def _rate(counts_by_angle: Sequence[Sequence[ErrorCount]], documents: Sequence[Hashable]) -> Rate:
    counts = _pooled(counts_by_angle)
    if len(counts) == 1:
        return Rate(error_rate(counts))
    return Rate(error_rate(counts), *bootstrap_interval(counts, documents))


def _pooled(counts_by_angle: Sequence[Sequence[ErrorCount]]) -> list[ErrorCount]:
    """Return each line's errors at all angles together."""
    return [
        ErrorCount(sum(count.errors for count in line), sum(count.length for count in line))
        for line in zip(*counts_by_angle, strict=True)
    ]


def _way_up(readings: Sequence[ScoredLine]) -> float | None:
    if not readings:
        return None
    return sum(line.is_way_up_right for line in readings) / len(readings)
