"""Checks values from a file against the types of a dataclass's fields."""

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

from huggingface_hub.dataclasses import type_validator


def check_types(kind: type, values: dict[str, Any], path: Path, field: str) -> None:
    """Check that values have the types that a dataclass declares; 1 and 1.0 are both accepted as int and float.

    Args:
        kind: the dataclass.
        values: values by the names of its fields; other names are ignored.
        path: path of the file.
        field: name of the user's argument, for error messages.

    Raises:
        ValueError: if a value has another type; the field is named.
    """
    hints = get_type_hints(kind)
    for spec in fields(kind):
        if spec.name not in values or (values[spec.name] is None and spec.default in (None, MISSING)):
            continue
        value = values[spec.name]
        if not any(_fits(spec.name, each, hints[spec.name]) for each in _readings(value)):
            hint = hints[spec.name]
            wanted = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
            raise ValueError(
                f"`{field}`: `{spec.name}` in {path} must be of type {wanted}, got {repr(value)[:60]}. Correct it, or "
                "fetch the file again."
            )


def _readings(value: Any) -> list[Any]:
    """Return a number as int and as float, because JSON does not distinguish 1 and 1.0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [value]
    try:
        return [value, float(value), int(value)]
    except (OverflowError, ValueError):  # an integer that no float holds; infinity and NaN
        return [value]


def _fits(name: str, value: Any, hint: Any) -> bool:
    try:
        type_validator(name, value, hint)
    except TypeError:
        return False
    return True
