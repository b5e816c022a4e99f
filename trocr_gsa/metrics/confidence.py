"""Calibration of a reader's confidence: bins, calibration error, error rate of the most confident lines, temperature.

What is unusual: all bins have the same number of lines. Most confidences are close to 1, so with bins of equal width
nearly all lines would be in one bin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .error_rates import ErrorCount, error_rate

MAX_CONFIDENCE = 1 - 1e-9  # replaces a confidence of 1, with which a single wrong line would outweigh all others
TEMPERATURES = (1e-3, 1e3)


@dataclass(frozen=True)
class Bin:
    """Lines of similar confidence.

    Attributes:
        lines: number of lines; at least one.
        confidence: their mean confidence, in [0, 1].
        right: share of lines read without an error, in [0, 1].
        cer: their character error rate, 0 or more.
    """

    lines: int
    confidence: float
    right: float
    cer: float


def confidence_bins(confidences: Sequence[float], counts: Sequence[ErrorCount], bins: int = 10) -> list[Bin]:
    """Split lines into bins of similar confidence with equal numbers of lines; equal confidences share a bin.

    Args:
        confidences: confidence of each line, in [0, 1].
        counts: character errors of each line.
        bins: maximum number of bins.

    Returns: the bins that are not empty, the least confident first.

    Raises:
        ValueError: if there is no line, or not one confidence in [0, 1] per line.
    """
    sure = _checked(confidences, len(counts))
    inner_edges = np.quantile(sure, np.linspace(0, 1, bins + 1)[1:-1], method="higher")
    place = np.searchsorted(inner_edges, sure, side="right")
    found = []
    for number in np.unique(place):
        inside = np.flatnonzero(place == number)
        errors = [counts[line] for line in inside.tolist()]
        right = float(np.mean([count.errors == 0 for count in errors]))
        found.append(Bin(len(inside), float(sure[inside].mean()), right, error_rate(errors)))
    return found


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error: the mean difference between confidence and share of correct lines.

    ECE = Σ_b (n_b / N) · | right_b − confidence_b |

    Args:
        bins: at least one bin, from `confidence_bins`.

    Source: Guo, Pleiss, Sun, Weinberger 2017, eq. 3, with bins of equal size in place of bins of equal width.
    """
    return sum(each.lines * abs(each.right - each.confidence) for each in bins) / sum(each.lines for each in bins)


def cer_of_surest(confidences: Sequence[float], counts: Sequence[ErrorCount], share: float) -> float:
    """Return the character error rate of the most confident lines, for example if a person reads the other lines.

    Args:
        confidences: confidence of each line, in [0, 1].
        counts: character errors of each line.
        share: share of the lines to keep, in (0, 1]; at least one line. Of equal confidences, the first are kept.

    Raises:
        ValueError: if `share` is out of range, there is no line, or not one confidence in [0, 1] per line.
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must lie in (0, 1], got {share}.")
    order = np.argsort(-_checked(confidences, len(counts)), kind="stable")
    kept = max(1, round(share * len(counts)))
    return error_rate([counts[line] for line in order[:kept].tolist()])


def fit_temperature(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Fit the temperature T for which confidence^(1/T) best predicts whether a line was read without an error.

    NLL(T) = −Σ_right (1/T) log c − Σ_wrong log(1 − c^(1/T));      with s = 1/T and a = −log c, the minimum is where
    Σ_right a = Σ_wrong a / (e^(s·a) − 1).

    NLL is convex in s, so there is one minimum; it is found by bisection of log s.

    Args:
        confidences: confidence c of each line in (0, 1], at temperature 1.
        right: whether the line was read without an error.

    Raises:
        ValueError: if there is not one confidence in [0, 1] per line, or all or none of the lines are correct.
    """
    sure = _checked(confidences, len(right))
    was_right = np.asarray(right, dtype=bool)
    if was_right.all() or not was_right.any():
        which = "all" if was_right.all() else "none"
        raise ValueError(
            f"`right`: {which} of {len(was_right)} lines were read without an error, so no temperature can be fitted. "
            "Take more lines, some with errors and some without."
        )
    surprise = -np.log(np.clip(sure, 1e-30, MAX_CONFIDENCE))
    target, wrong = surprise[was_right].sum(), surprise[~was_right]
    low, high = np.log(TEMPERATURES)
    for _ in range(60):  # log T to 1e-17
        middle = (low + high) / 2
        found = (wrong / np.expm1(np.minimum(wrong / np.exp(middle), 700))).sum()
        low, high = (low, middle) if found > target else (middle, high)
    return float(np.exp((low + high) / 2))


def _checked(confidences: Sequence[float], lines: int) -> np.ndarray:
    sure = np.asarray(confidences, dtype=float)
    if len(sure) != lines or not lines:
        raise ValueError(f"`confidences` must have one number per line, got {len(sure)} for {lines} lines.")
    if not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError(f"`confidences` must lie in [0, 1], got {sure.min()} to {sure.max()}.")
    return sure
