"""The numbers of the report: for sets, angles and documents, and comparisons of readers.

What is unusual: a line that was read at four angles counts as one line. Its errors are summed over the angles before
documents are drawn, so that reading a line at more angles does not make the interval narrower.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from trocr_gsa.evaluation.scored_line import ScoredLine
from trocr_gsa.metrics.confidence import Bin, cer_of_surest, confidence_bins, expected_calibration_error
from trocr_gsa.metrics.error_rates import ErrorCount, bootstrap_interval, error_rate, paired_interval

from .aligned import SetReading

LONG = 10  # characters of a line that is long enough to recognise its orientation
KEPT = 0.9  # share of the lines that is kept when the least confident ones are set aside
SHARES_SET_ASIDE = tuple(step / 20 for step in range(11))  # 0 … 50 %


@dataclass(frozen=True)
class Rate:
    """A rate with its 95 % bootstrap interval; None if there is only one line or document."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def top(self) -> float:
        """The upper end of the interval, or the rate."""
        return self.value if self.high is None else max(self.value, self.high)


@dataclass(frozen=True)
class Summary:
    """Summary of the readings of some lines.

    Attributes:
        lines: number of lines, each counted once.
        cer: character error rate.
        wer: word error rate.
        right: share of readings without an error.
        orientation: share of readings with the correct orientation; None for angles that the reader cannot predict.
        orientation_long: the same for lines with `LONG` characters or more; None if there are none.
        long_lines: number of these lines.
    """

    lines: int
    cer: Rate
    wer: Rate
    right: float
    orientation: float | None
    orientation_long: float | None
    long_lines: int


@dataclass(frozen=True)
class Trust:
    """Quality of the confidence on a set.

    Attributes:
        bins: bins of readings with similar confidence, the least confident first.
        calibration_error: expected calibration error, in [0, 1].
        cer_kept: error rate of the most confident `KEPT` of the readings.
        left: pairs of (share set aside, error rate of the others).
    """

    bins: Sequence[Bin]
    calibration_error: float
    cer_kept: float
    left: Sequence[tuple[float, float]]


def summarise_readings(by_angle: Sequence[Sequence[ScoredLine]], poses: Sequence[float]) -> Summary:
    """Summarise the readings of lines at one or several angles.

    Args:
        by_angle: for each angle the same lines in the same order, at least one.
        poses: orientations in degrees that the reader can predict.
    """
    readings = [line for lines in by_angle for line in lines]
    documents = [line.document for line in by_angle[0]]
    predictable = [line for line in readings if line.angle in poses]
    long = [line for line in predictable if line.character_errors.length >= LONG]
    return Summary(
        lines=len(by_angle[0]),
        cer=_rate([[line.character_errors for line in lines] for lines in by_angle], documents),
        wer=_rate([[line.word_errors for line in lines] for lines in by_angle], documents),
        right=sum(line.character_errors.errors == 0 for line in readings) / len(readings),
        orientation=_orientation_accuracy(predictable),
        orientation_long=_orientation_accuracy(long),
        long_lines=sum(line.character_errors.length >= LONG for line in by_angle[0]),
    )


def summarise_documents(reading: SetReading, poses: Sequence[float]) -> list[tuple[str, Summary]]:
    """Return the summary of each document of a set, the worst first; intervals resample the document's lines."""
    places: dict[str, list[int]] = {}
    for place, document in enumerate(reading.documents):
        places.setdefault(document, []).append(place)
    found = [
        (document, summarise_readings([[lines[place] for place in inside] for lines in reading.by_angle], poses))
        for document, inside in places.items()
    ]
    return sorted(found, key=lambda pair: -pair[1].cer.value)


def trust(readings: Sequence[ScoredLine]) -> Trust:
    """Compute the quality of the confidence on at least one reading."""
    confidences, counts = [line.line.confidence for line in readings], [line.character_errors for line in readings]
    bins = confidence_bins(confidences, counts)
    left = [(aside, cer_of_surest(confidences, counts, 1 - aside)) for aside in SHARES_SET_ASIDE]
    return Trust(bins, expected_calibration_error(bins), cer_of_surest(confidences, counts, KEPT), left)


def difference(base: Sequence[Sequence[ScoredLine]], other: Sequence[Sequence[ScoredLine]]) -> Rate:
    """Return the difference of two readers' error rates on the same lines, other − base, with its paired interval."""
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
    """Return the sum of each line's errors over all angles."""
    return [
        ErrorCount(sum(count.errors for count in line), sum(count.length for count in line))
        for line in zip(*counts_by_angle, strict=True)
    ]


def _orientation_accuracy(readings: Sequence[ScoredLine]) -> float | None:
    if not readings:
        return None
    return sum(line.is_orientation_correct for line in readings) / len(readings)
