"""Scores of texts that adapters write: exact match with Wilson's interval, chrF and CER with intervals over hands."""

import math
from collections.abc import Sequence

import numpy as np

from trocr_gsa.metrics import error_rates as metrics

GOAL = 0.95  # share of dates and numbers that must be exactly right, at every quarter turn
Z = 1.959964  # 97.5 % point of the normal distribution
DRAWS = 200  # of hands, for the interval of chrF


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share.

    (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n), with p = right / count and n = count

    Args:
        right: number of successes.
        count: number of trials, at least 1.
    """
    share, shrink = right / count, 1 + Z**2 / count
    middle = (share + Z**2 / (2 * count)) / shrink
    half = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / shrink
    return max(0.0, middle - half), min(1.0, middle + half)


def scored(meant: Sequence[str], written: Sequence[str], hands: Sequence[str]) -> dict[str, float]:
    """Return `exact`, `chrf` and `cer` (shares, and chrF from 0 to 1), each with `_low` and `_high`.

    Args:
        meant: the text that should be written for each line.
        written: the text that is written.
        hands: the hand of each line; chrF and CER are resampled by hands.
    """
    right = sum(one == other for one, other in zip(meant, written, strict=True))
    counts = [metrics.count_character_errors(*pair) for pair in zip(meant, written, strict=True)]
    intervals = {
        "exact": wilson(right, len(meant)),
        "chrf": _chrf_interval(meant, written, hands),
        "cer": metrics.bootstrap_interval(counts, hands),
    }
    values = {
        "exact": right / len(meant),
        "chrf": metrics.chrf(meant, written) / 100,
        "cer": metrics.error_rate(counts),
    }
    lows = {f"{name}_low": low for name, (low, _) in intervals.items()}
    return values | lows | {f"{name}_high": high for name, (_, high) in intervals.items()}


def gain(meant: Sequence[str], written: Sequence[str], rival: Sequence[str], hands: Sequence[str]) -> dict[str, float]:
    """Return by how much the CER is lower than a rival's, as `value`, `low` and `high`, resampled by hands."""
    own, other = (
        [metrics.count_character_errors(*pair) for pair in zip(meant, texts, strict=True)] for texts in (written, rival)
    )
    low, high = metrics.paired_interval(own, other, hands)
    return {"value": metrics.error_rate(other) - metrics.error_rate(own), "low": low, "high": high}


def _chrf_interval(meant: Sequence[str], written: Sequence[str], hands: Sequence[str]) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    of_hand: dict[str, list[int]] = {}
    for place, hand in enumerate(hands):
        of_hand.setdefault(hand, []).append(place)
    names, found = list(of_hand), []
    for _ in range(DRAWS):
        places = [place for hand in rng.integers(len(names), size=len(names)) for place in of_hand[names[hand]]]
        found.append(metrics.chrf([meant[place] for place in places], [written[place] for place in places]) / 100)
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.1f} %"


def with_interval(score: tuple[float, float, float]) -> str:
    """Return a share with its interval."""
    return f"{percent(score[0])} ({100 * score[1]:.1f}–{100 * score[2]:.1f})"
