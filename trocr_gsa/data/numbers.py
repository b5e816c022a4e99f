"""Formats of confidences, and the range of angles.

In files, confidences have enough digits for sorting and are always finite. On screens, they have what people take in at
a glance.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

MAX_DEGREES = 360
DIGITS, DIGITS_OF_CHARACTER = 6, 4  # significant digits: the confidence of a difficult line may be 1e-9
SMALLEST_SHOWN = 0.001  # of a share, to people


def is_angle(degrees: float) -> bool:
    """Whether a number is an angle of at most one turn; at 1e30, neighbouring numbers are many turns apart."""
    return -MAX_DEGREES <= degrees <= MAX_DEGREES


def confidence_fields(line: float, of_characters: Sequence[float]) -> dict[str, Any]:
    """Return the rounded confidences of a line and its characters, by their names in output files.

    Args:
        line: confidence of the line.
        of_characters: confidence of each of its characters.
    """
    rounded = round_characters(of_characters)
    return {
        "confidence": float(significant(line)),
        "character_confidence": float(significant(geometric_mean(rounded, line))),
        "character_confidences": rounded,
    }


def round_characters(confidences: Sequence[float]) -> list[float]:
    """Return the confidences of characters, rounded for output files."""
    return [float(significant(each, DIGITS_OF_CHARACTER)) for each in confidences]


def csv_row(fields: Mapping[str, Any]) -> list[Any]:
    """Return the cells of a CSV row; a list of numbers becomes one cell, separated by spaces, and NaN an empty one."""
    cells = (" ".join(map(str, value)) if isinstance(value, list) else value for value in fields.values())
    return [None if isinstance(cell, float) and math.isnan(cell) else cell for cell in cells]


def significant(value: float, digits: int = DIGITS) -> str:
    """Format a number with the given number of significant digits, small ones as 1.2e-09."""
    return f"{value:.{digits}g}"


def geometric_mean(values: Sequence[float], of_none: float) -> float:
    """Return (Π_i v_i)^(1/n) of n values, which are 0 or more; `of_none` if n is 0."""
    if not values:
        return of_none
    return 0.0 if 0.0 in values else math.exp(math.fsum(map(math.log, values)) / len(values))


def to_json(value: Any, **options: Any) -> str:
    """Return standard JSON, in which numbers that are not finite become null.

    Args:
        value: as for `json.dumps`.
        options: for `json.dumps`.
    """
    return json.dumps(_without_nan(value), allow_nan=False, **options)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return value


def percent(share: float) -> str:
    """Return a share in percent, for people: 58.2 %, or less than 0.1 %."""
    return f"{100 * share:.1f} %" if share >= SMALLEST_SHOWN else f"less than {100 * SMALLEST_SHOWN:g} %"
