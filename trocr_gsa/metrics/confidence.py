"""How far a reader's confidence can be trusted: bins, their error, what setting lines aside saves, and a temperature.

What is unusual: bins hold as many lines each. Confidences of lines crowd below 1, and in bins of equal width nearly all
lines would share one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .error_rates import ErrorCount, error_rate

SUREST = 1 - 1e-9  # what a confidence of 1 is taken for: a single line, wrong for certain, would outweigh all others
TEMPERATURES = (1e-3, 1e3)


@dataclass(frozen=True)
class Bin:
    """Lines of like confidence.

    Attributes:
        lines: how many; at least one.
        confidence: their mean, in [0, 1].
        right: share of them read without an error, in [0, 1].
        cer: their character error rate, 0 or more.
    """

    lines: int
    confidence: float
    right: float
    cer: float


def confidence_bins(confidences: Sequence[float], counts: Sequence[ErrorCount], bins: int = 10) -> list[Bin]:
    """Split lines into bins of like confidence, as many lines in each as ties allow: equal confidences share a bin.

    Args:
        confidences: one a line, in [0, 1].
        counts: character errors, one a line.
        bins: at most; there are fewer where there are fewer confidences.

    Returns: the bins that hold a line, the least sure first.

    Raises:
        ValueError: if there is not one confidence in [0, 1] a line, or no line.
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
    """Return how far confidence is from the share of lines read right, in [0, 1].

    ECE = Σ_b (n_b / N) · | right_b − confidence_b |

    Args:
        bins: at least one, as `confidence_bins` gives them.

    Source: Guo, Pleiss, Sun, Weinberger 2017, eq. 3, with bins of as many lines in place of bins of equal width.
    """
    return sum(each.lines * abs(each.right - each.confidence) for each in bins) / sum(each.lines for each in bins)


def cer_of_surest(confidences: Sequence[float], counts: Sequence[ErrorCount], share: float) -> float:
    """Return the character error rate of the surest lines: what is left when the others are set aside for a person.

    Args:
        confidences: one a line, in [0, 1].
        counts: character errors, one a line.
        share: of lines that are kept, in (0, 1]; at least one line is. Of equal confidences, the first are kept.

    Raises:
        ValueError: if `share` is out of range, there is not one confidence in [0, 1] a line, or no line.
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must lie in (0, 1], got {share}.")
    order = np.argsort(-_checked(confidences, len(counts)), kind="stable")
    kept = max(1, round(share * len(counts)))
    return error_rate([counts[line] for line in order[:kept].tolist()])


def fit_temperature(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Return the T with which confidence^(1/T) best says whether a line was read without an error.

    NLL(T) = −Σ_right (1/T) log c − Σ_wrong log(1 − c^(1/T)),      a minimum where, with s = 1/T and a = −log c,
    Σ_right a = Σ_wrong a / (e^(s·a) − 1).

    NLL is convex in s, so that there is one minimum; it is found by bisection of log s.

    Args:
        confidences: c of each line in (0, 1], at temperature 1.
        right: whether the line was read without an error.

    Raises:
        ValueError: if there is not one confidence in [0, 1] a line, or all lines were read right, or none.
    """
    sure = _checked(confidences, len(right))
    was_right = np.asarray(right, dtype=bool)
    if was_right.all() or not was_right.any():
        which = "all" if was_right.all() else "none"
        raise ValueError(
            f"`right`: {which} of {len(was_right)} lines were read right, and no temperature fits that. "
            "Take more lines, some of which are read right and some wrong."
        )
    surprise = -np.log(np.clip(sure, 1e-30, SUREST))
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
        raise ValueError(f"`confidences` must hold one number a line, got {len(sure)} for {lines} lines.")
    if not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError(f"`confidences` must lie in [0, 1], got {sure.min()} to {sure.max()}.")
    return sure
