"""Confidences and other numbers as they are written into files: with digits to sort by, and all of them finite."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

DIGITS, DIGITS_OF_CHARACTER = 6, 4  # significant ones: a line of a hard hand has 1e-9 as easily as 0.9


def confidence_fields(line: float, of_characters: Sequence[float]) -> dict[str, Any]:
    """Return a line's confidence and those of its characters, rounded, by the names that files give them.

    Args:
        line: its confidence.
        of_characters: that of each of its characters.
    """
    rounded = round_characters(of_characters)
    return {
        "confidence": float(significant(line)),
        "character_confidence": float(significant(geometric_mean(rounded, line))),
        "character_confidences": rounded,
    }


def round_characters(confidences: Sequence[float]) -> list[float]:
    """Return the confidences of characters as files have them."""
    return [float(significant(each, DIGITS_OF_CHARACTER)) for each in confidences]


def csv_row(fields: Mapping[str, Any]) -> list[Any]:
    """Return what stands in a row of a table: of several numbers, one after the other with spaces between."""
    return [" ".join(map(str, value)) if isinstance(value, list) else value for value in fields.values()]


def significant(value: float, digits: int = DIGITS) -> str:
    """Return a number with so many significant digits, small ones as 1.2e-09."""
    return f"{value:.{digits}g}"


def geometric_mean(values: Sequence[float], of_none: float) -> float:
    """Return (Π_i v_i)^(1/n) of n values, 0 or more; `of_none` where there is none."""
    if not values:
        return of_none
    return 0.0 if 0.0 in values else math.exp(math.fsum(map(math.log, values)) / len(values))


def to_json(value: Any, **options: Any) -> str:
    """Return JSON as its standard has it: a number that is not finite becomes null.

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
