"""Parses command-line words and YAML values into typed fields, with errors that name the field.

What is unusual:
- text fields are taken literally: a folder may be called 0123, 12:30, yes or 2024-01-05;
- a file is read node by node, and may only have values and lists of values: aliases that would expand to large or
  nested values are an error before they are expanded;
- numbers are decimal: YAML's other notations (0123 is 83, 12:30 is 750) are an error.
"""

import difflib
import reprlib
import sys
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from textwrap import shorten
from typing import Any, Literal, Union, get_args, get_origin

import yaml

from trocr_gsa.data.names import shown

MAX_DEPTH = 20  # of brackets; a configuration has one, and `architecture` two
MAX_DIGITS = 400  # of a number, which has at most 309 before the decimal point
NULLS = ("", "null", "~")
MAX = {int: 2**63 - 1, float: sys.float_info.max}  # largest numbers of torch and numpy
SHOWN_CHARACTERS = 200  # of YAML's error message
SHOWN_KEYS = 1000  # characters
NULL_TAG = "tag:yaml.org,2002:null"
_NAMES = {bool: "true or false", int: "a whole number", float: "a finite number", str: "a word or path"}


class _Brief(reprlib.Repr):
    """A short form of any value, with those that YAML writes differently from Python as in YAML."""

    def repr_date(self, value: object, level: int) -> str:
        return str(value)

    repr_datetime = repr_date  # reprlib calls the method that has the type's name

    def repr_bool(self, value: bool, level: int) -> str:
        return str(value).lower()

    def repr_NoneType(self, value: None, level: int) -> str:
        return "null"


_brief = _Brief()
_brief.maxlevel, _brief.maxlist, _brief.maxdict, _brief.maxstring, _brief.maxother = 2, 4, 4, 80, 80
brief = _brief.repr


def argument(default: Any, help: str, low: float | None = None, high: float | None = None) -> Any:
    """Return a dataclass field with its help text.

    Args:
        default: the default value, or a function that returns it.
        help: one line for `finetune --help`.
        low: minimum of a number, or None.
        high: maximum of a number, or None.
    """
    metadata = {"help": help, "low": low, "high": high}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def refuse_unknown(values: Mapping[Any, Any], known: set[str]) -> None:
    """Raise ValueError for the first unknown key; the message names the most similar known key."""
    for key in values:
        if key not in known:
            word = shown(str(key))
            near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
            listed = shorten(", ".join(sorted(known)), SHOWN_KEYS, placeholder=" …")
            hint = f"Did you mean `{near[0]}`?" if near else f"Known keys: {listed}."
            raise ValueError(f"`{word}` is not a known key. {hint}")


def is_text(kind: Any) -> bool:
    """Whether a field of this annotated type is a word or path, or a list of them."""
    if get_origin(kind) in (Union, types.UnionType, list):
        return any(is_text(option) for option in get_args(kind) if option is not type(None))
    return kind is str or get_origin(kind) is Literal


def read_overrides(words: list[str], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Read `key=value`, `--key value`, `--key=value` and `--switch`.

    Args:
        words: words of the command line.
        kinds: annotated type by key; values of other keys are parsed as YAML.

    Raises:
        ValueError: if a word has none of these forms.
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
            raise ValueError(f"`{shown(word)}` is not an override: write `key=value`.")
        values[key] = _read_word(key, value, kinds.get(key))
    return values


def _read_word(key: str, word: str, kind: Any) -> Any:
    """Return the value of one word of the command line."""
    text = is_text(kind)
    if text and not (get_origin(kind) is list and word.startswith("[") and word.endswith("]")):
        return None if word in NULLS else word
    try:
        node = yaml.compose(word, Loader=_Loader)
    except (yaml.YAMLError, RecursionError) as error:
        quote = ' Put a word with # or a comma in a list in quotes: ["a, b", c].' if text else ""
        raise ValueError(f"`{shown(key)}`: cannot read the value {brief(word)}: {_reason(error)}.{quote}") from error
    return None if node is None else _value(key, node, text)


def read_mapping(content: str, is_text_key: Callable[[str], bool]) -> dict[str, Any]:
    """Read YAML with `key: value` lines, in which a value is a word, a number, a list of these, or a mapping.

    Args:
        content: content of a file.
        is_text_key: whether the value of a key is taken literally.

    Raises:
        ValueError: if it has another form, or a key is given twice.
    """
    try:
        root = yaml.compose(content, Loader=_Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"is not valid YAML: {_reason(error)}. Write lines of the form `key: value`.") from error
    if not isinstance(root, yaml.MappingNode):
        raise ValueError(f"must hold `key: value` lines, got {'nothing' if root is None else f'a {root.id}'}.")
    return _mapping(root, is_text_key, nested=True)


class _Loader(yaml.SafeLoader):
    """A loader without deep nesting, for which yaml's search for keys takes seconds."""

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:  # yaml names it so
        if self.flow_level >= MAX_DEPTH:
            raise RecursionError
        super().fetch_flow_collection_start(TokenClass)


def _mapping(node: yaml.MappingNode, is_text_key: Callable[[str], bool], nested: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        if name in values:
            raise ValueError(f"`{shown(name)}` is given twice. Remove one of them.")
        if nested and isinstance(value, yaml.MappingNode):
            values[name] = _mapping(value, is_text_key, nested=False)
        else:
            values[name] = _value(name, value, is_text_key(name))
    return values


def _value(key: str, node: yaml.Node, as_text: bool) -> Any:
    """Return the value of a node: a scalar, or a list of scalars."""
    if isinstance(node, yaml.ScalarNode):
        return _scalar(key, node, as_text)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
        return [_scalar(key, item, as_text) for item in node.value]
    raise ValueError(
        f"`{shown(key)}` must be a word, a number, or a list of these, got one inside another. Write `key: value`, or "
        "`key: [one, another]`."
    )


def _scalar(key: str, node: yaml.ScalarNode, as_text: bool) -> Any:
    if as_text or node.tag == NULL_TAG:
        return None if node.tag == NULL_TAG else node.value
    try:
        if len(node.value) > MAX_DIGITS:
            raise ValueError(f"it has {len(node.value):,} characters, more than any number")
        value = yaml.constructor.SafeConstructor().construct_document(node)
        number = _decimal(node.value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value != number:
            raise ValueError("write it as a plain decimal number")
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"`{shown(key)}`: cannot read the value {brief(node.value)}: {_reason(error)}.") from error
    return number if isinstance(value, str) and number is not None else value  # YAML reads 1e-3 as a string


def _decimal(word: str) -> float | None:
    """Parse a finite decimal number; None for other words."""
    for kind in (int, float):
        with suppress(ValueError):
            number = kind(word)
            return number if abs(number) <= MAX[float] else None
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return shorten(str(error), SHOWN_CHARACTERS).rstrip(".")


def coerce(name: str, value: Any, kind: Any) -> Any:
    """Convert `value` to the annotated type `kind`; `name` is the name of the field for errors.

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
            raise ValueError(f"`{name}` must be one of {', '.join(map(str, options))}, got {brief(value)}.")
        return value
    if origin is list:
        items = value if isinstance(value, list) else [] if value is None else [value]
        return [_convert(name, item, options[0]) for item in items]
    return _convert(name, value, kind)


def _convert(name: str, value: Any, kind: type) -> Any:
    converted = None
    if kind is bool or isinstance(value, bool):
        converted = value if kind is bool and isinstance(value, bool) else None
    elif kind is str and isinstance(value, (str, int, float)):
        converted = str(value)
    elif kind in (int, float) and isinstance(value, (int, float, str)):
        converted = _number(value, kind)
    if converted is None:
        raise ValueError(f"`{name}` must be {_NAMES[kind]}, got {brief(value)}.")
    return converted


def _number(value: float | str, kind: type) -> float | None:
    """Return a number of this type, or None."""
    number = _decimal(value) if isinstance(value, str) else value
    if number is None or not abs(number) <= MAX[kind]:
        return None
    return kind(number) if kind is float or number == int(number) else None
