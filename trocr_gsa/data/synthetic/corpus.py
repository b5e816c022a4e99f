"""Random lines of text to render: words of a dictionary in the form of a book, a letter or a register.

The words come from the system's word lists (`/usr/share/dict`), mixed with the most frequent words of each language;
without a word list, only the frequent words are used. Old spelling has the long s (ſ) inside words. All randomness
comes from the given generator.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from trocr_gsa.data.samples import clean_text
from trocr_gsa.data.textfiles import text_rows, usable

from .words import LANGUAGES, Language
from .writer import LineWriter

DICTIONARIES = Path("/usr/share/dict")
PLAIN_WORD = re.compile(r"[^\W\d_]+")
FOLDED = {
    **{"ſ": "s", "ẞ": "SS", "ß": "ss", "æ": "ae", "œ": "oe", "Æ": "AE", "Œ": "OE", "ø": "o", "Ø": "O", "…": "..."},
    **dict.fromkeys("„“”«»", '"'),
    **dict.fromkeys("‘’", "'"),
    **dict(zip("łŁđĐı", "lLdDi", strict=True)),
    **dict.fromkeys("–—⸗¬", "-"),
}
# fixed, so that the lines of a seed stay the same; languages that are added later are used only if they are named
DEFAULT_LANGUAGES = ("german", "german-old", "french", "english", "italian", "latin")


class TextSource(Protocol):
    """A source of texts for the renderer."""

    def line(self, rng: np.random.Generator, charset: Collection[str], /) -> str:
        """Return one line, at least one character long, with only the characters of `charset`."""
        ...


@lru_cache(maxsize=16)
def load_words(path: str) -> tuple[str, ...]:
    """Return the words of a word list, one per row: letters only, without abbreviations in capitals."""
    text = Path(path).read_text(encoding="utf-8", errors="ignore")
    words = (line.strip() for line in text.splitlines())
    return tuple(w for w in words if 1 < len(w) < 19 and PLAIN_WORD.fullmatch(w) and (w[1:].islower()))


def fit(text: str, charset: Collection[str]) -> str:
    """Replace the characters of `text` that are not in `charset` (ſ → s, é → e, „ → "), or remove them."""
    kept = []
    for char in text:
        if char in charset:
            kept.append(char)
            continue
        plain = FOLDED.get(char) or "".join(
            c for c in unicodedata.normalize("NFD", char) if not unicodedata.combining(c)
        )
        kept.extend(c for c in plain if c in charset)
    return " ".join("".join(kept).split())


@dataclass(frozen=True)
class Corpus:
    """Random lines of text in several languages.

    Args:
        languages: names in `LANGUAGES`, drawn according to their weights.
        max_length: maximum length of a line, in characters.
        dictionaries: folder with the word lists.
    """

    languages: tuple[str, ...] = DEFAULT_LANGUAGES
    max_length: int = 90
    dictionaries: str = str(DICTIONARIES)

    def __post_init__(self) -> None:
        """Check that the languages are known."""
        for name in self.languages:
            if name not in LANGUAGES:
                raise ValueError(f"`languages` must be among {sorted(LANGUAGES)}, got {name!r}.")
        if not self.languages:
            raise ValueError("`languages` must name at least one language.")
        if self.max_length < 1:
            raise ValueError(f"`max_length` must be at least 1, got {self.max_length}.")

    def line(self, rng: np.random.Generator, charset: Collection[str]) -> str:
        """Return one line, at least one character long, with only the characters of `charset`.

        Raises:
            ValueError: if `charset` has too few letters.
        """
        weights = np.array([LANGUAGES[name].weight for name in self.languages])
        for _ in range(20):
            language = LANGUAGES[self.languages[rng.choice(len(weights), p=weights / weights.sum())]]
            writer = LineWriter(language, self.words(language), rng)
            text = fit(writer.line(self.max_length), charset)[: self.max_length].strip()
            if text and not unicodedata.combining(text[0]):
                return text
        raise ValueError("`charset` must have the small letters a to z. Choose fonts with Latin letters.")

    def words(self, language: Language) -> Sequence[str]:
        """Return the language's dictionary, or its frequent words if it is not installed."""
        path = Path(self.dictionaries) / language.dictionary
        return load_words(str(path)) if language.dictionary and path.is_file() else language.common


@dataclass(frozen=True)
class TextCorpus:
    """Lines of the user, all with the same probability.

    Args:
        lines: texts; characters that a font does not have are replaced or removed.

    Raises:
        ValueError: if all lines are empty.
    """

    lines: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that there is a line with text."""
        if not any(line.strip() for line in self.lines):
            raise ValueError("`lines` must hold at least one line of text, got none.")

    @classmethod
    def from_file(cls, path: str | Path) -> TextCorpus:
        """Read the lines of a text file that are not blank.

        Raises:
            ValueError: if a line is not UTF-8, or all lines are blank.
        """
        lines: list[str] = []
        for number, row in text_rows(Path(path)):
            try:
                lines.append(clean_text(usable(row)))
            except ValueError as error:
                raise ValueError(f"`text`: {path} line {number} {error}") from error
        return cls(tuple(filter(None, lines)))

    def line(self, rng: np.random.Generator, charset: Collection[str]) -> str:
        """Return one of the lines, with only the characters of `charset`.

        Raises:
            ValueError: if twenty lines in a row have none of these characters.
        """
        for _ in range(20):
            if text := fit(self.lines[rng.integers(len(self.lines))], charset):
                return text
        raise ValueError("`lines`: the font has none of their characters. Choose other fonts.")
