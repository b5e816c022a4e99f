"""Checks values from a file against the types of a dataclass's fields."""

import json
from dataclasses import MISSING, fields
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from huggingface_hub.dataclasses import type_validator

from trocr_gsa.data.names import in_words

NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", NoneType: "null"}
NAMES_OF_SEVERAL = {int: "whole numbers", float: "numbers", str: "texts"}


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
            raise ValueError(
                f"`{field}`: `{spec.name}` in {path} must be {_described(hints[spec.name])}, got {in_words(value)}. "
                "Correct it, or fetch the file again."
            )


def _described(hint: Any) -> str:
    """Describe a type for a message, in the terms of JSON instead of Python's."""
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        words = set(map(_described, inner))  # whose order depends on which unions Python has seen before
        return " or ".join(sorted(words, key=lambda word: (word == NAMES[NoneType], word)))
    if kind is Literal:
        return " or ".join(json.dumps(word, allow_nan=False) for word in inner)
    if kind is list:
        return f"a list of {NAMES_OF_SEVERAL[inner[0]]}" if inner and inner[0] in NAMES_OF_SEVERAL else "a list"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "a text"
    return NAMES.get(kind, "an object")


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
