"""From words and YAML values to typed fields, with errors that name the field."""

import difflib
import types
from dataclasses import field
from typing import Any, Literal, Union, get_args, get_origin

import yaml


def bounded(default: Any, low: float | None = None, high: float | None = None) -> Any:
    """Return a dataclass field whose value must lie in [low, high]; None as a bound leaves that side open."""
    return field(default=default, metadata={"low": low, "high": high})


def refuse_unknown(values: dict[str, Any], known: set[str]) -> None:
    """Raise ValueError for the first key that is not known, naming the nearest known one."""
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known keys: {', '.join(sorted(known))}."
            raise ValueError(f"`{key}` is not a known key. {hint}")


def read_overrides(words: list[str]) -> dict[str, Any]:
    """Read `key=value`, `--key value`, `--key=value` and `--switch`; values are parsed as YAML.

    Raises:
        ValueError: if a word is none of these.
    """
    values: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        key, separator, value = word.removeprefix("--").partition("=")
        if word.startswith("--"):
            key = key.replace("-", "_")
            if not separator:
                value = rest.pop(0) if rest and not rest[0].startswith("--") and "=" not in rest[0] else "true"
        elif not separator:
            raise ValueError(f"`{word}` is not an override: write `key=value`.")
        try:
            values[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ValueError(f"`{key}`: cannot read the value {value!r}: {error}") from error
    return values


def coerce(name: str, value: Any, kind: Any) -> Any:
    """Convert `value` to the annotated type `kind`; `name` is the field named in errors.

    Raises:
        ValueError: if the value cannot be read as that type.
    """
    origin, options = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return coerce(name, value, next(option for option in options if option is not type(None)))
    if origin is Literal:
        if value not in options:
            raise ValueError(f"`{name}` must be one of {', '.join(map(str, options))}, got {value!r}.")
        return value
    if origin is list:
        items = value if isinstance(value, list) else [value]
        return [coerce(name, item, options[0]) for item in items]
    return _convert(name, value, kind)


def _convert(name: str, value: Any, kind: type) -> Any:
    if kind is bool or isinstance(value, bool):
        if kind is bool and isinstance(value, bool):
            return value
    elif kind is int and isinstance(value, (int, float)) and value == int(value):
        return int(value)
    elif kind is float and isinstance(value, (int, float, str)):
        try:
            return float(value)  # YAML reads 1e-3 as a word
        except ValueError:
            pass
    elif kind is str and isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(f"`{name}` must be {_NAMES[kind]}, got {value!r}.")


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a word or path"}
