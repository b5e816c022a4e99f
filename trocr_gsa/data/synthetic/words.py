"""Data about languages, from `languages.toml`: frequent words, names, dates, quotation marks, long s."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Language:
    """One language or spelling.

    Args:
        common: frequent words, the most frequent first.
        names: names of people and places.
        months: names of months in the form used in dates.
        dates: templates with {day}, {month}, {year}.
        abbreviations: abbreviations as in running text.
        quotes: pairs of quotation marks.
        elisions: short forms before an apostrophe.
        dictionary: file name of its word list; "" if there is none.
        weight: weight among the languages, any positive number.
        long_s: probability in [0, 1] that a line is written with ſ.
        umlauts_above: whether lines in old spelling may have aͤ oͤ uͤ.
    """

    common: tuple[str, ...]
    names: tuple[str, ...]
    months: tuple[str, ...]
    dates: tuple[str, ...]
    abbreviations: tuple[str, ...]
    quotes: tuple[str, ...]
    elisions: tuple[str, ...] = ()
    dictionary: str = ""
    weight: float = 1.0
    long_s: float = 0.0
    umlauts_above: bool = False


WORD_FIELDS = ("common", "names", "months")


def _read_language(name: str, tables: dict[str, dict[str, Any]]) -> Language:
    own = dict(tables[name])
    entries = {**tables[own.pop("like")], **own} if "like" in own else own
    words = {field: tuple(entries[field].split()) for field in WORD_FIELDS}
    lists = {key: tuple(value) for key, value in entries.items() if isinstance(value, list)}
    return Language(**{**entries, **lists, **words})


def _read_languages() -> dict[str, Language]:
    tables = tomllib.loads(files("trocr_gsa.data.synthetic").joinpath("languages.toml").read_text(encoding="utf-8"))
    return {name: _read_language(name, tables) for name in tables}


LANGUAGES = _read_languages()
