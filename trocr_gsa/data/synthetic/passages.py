"""Running text to render: lines cut out of passages as a page breaks its paragraphs.

A file of passages has blank lines between them, or lines with a single % as `fortune` keeps its sayings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from trocr_gsa.data.samples import clean_text

from .corpus import TextSource, fit
from .writer import long_s

BETWEEN = re.compile(r"\n\s*%?\s*\n|^%\s*\n", re.M)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")
LETTERS_LEAST = 0.85  # of a passage, spaces counted in: less has a picture made of characters, or a program
FOREIGN = ("http", "www.", "@")
LENGTH = 51.0, 15.0  # mean and standard deviation of a line, in characters
SMALL_E_ABOVE = str.maketrans({"ä": "aͤ", "ö": "oͤ", "ü": "uͤ"})


def read_passages(path: str | Path) -> list[str]:
    """Return the passages of a UTF-8 file that are prose or verse, each in one line.

    Raises:
        ValueError: if the file is not UTF-8.
    """
    try:
        content = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"`passages`: {path} is not UTF-8 ({error}). Convert it first, for instance with iconv."
        ) from error
    passages = (clean_text(CONTROL.sub("", part)) for part in BETWEEN.split(content))
    return [passage for passage in passages if is_prose(passage)]


def is_prose(passage: str) -> bool:
    """Whether nearly all of a passage is letters and spaces, and none of it an address on a network."""
    letters = sum(char.isalpha() or char == " " for char in passage)
    return letters > 8 and letters >= LETTERS_LEAST * len(passage) and not any(sign in passage for sign in FOREIGN)


@dataclass(frozen=True)
class PassageCorpus:
    """Lines cut out of running text, each place equally likely.

    Args:
        passages: paragraphs, sayings, verses.
        long_s: probability in [0, 1] that a line writes ſ, where the font has it, and breaks words with old hyphens.
        umlauts_above: whether such a line may write aͤ oͤ uͤ.
        max_length: the longest line, in characters.

    Raises:
        ValueError: if there is no passage.
    """

    passages: tuple[str, ...]
    long_s: float = 0.0
    umlauts_above: bool = False
    max_length: int = 90

    def __post_init__(self) -> None:
        """Refuse texts without a passage."""
        if not self.passages:
            raise ValueError(
                "`passages` must hold running text, got none. Name files with paragraphs of prose or verse."
            )

    @classmethod
    def from_files(cls, paths: Iterable[str | Path], long_s: float = 0.0, umlauts_above: bool = False) -> PassageCorpus:
        """The passages of several files, each once."""
        passages = dict.fromkeys(passage for path in paths for passage in read_passages(path))
        return cls(tuple(passages), long_s, umlauts_above)

    @cached_property
    def ends(self) -> np.ndarray:
        """How many characters all passages up to each have; (passage,) int64."""
        return np.cumsum([len(passage) for passage in self.passages])

    def line(self, rng: np.random.Generator, charset: Collection[str]) -> str:
        """One line with the characters of `charset` only.

        Raises:
            ValueError: if twenty lines in a row have none of them.
        """
        for _ in range(20):
            text = fit(self._cut(rng, charset), charset)[: self.max_length].strip()
            if text and not unicodedata.combining(text[0]):
                return text
        raise ValueError("`charset` must have the letters of `passages`. Choose other fonts.")

    def _cut(self, rng: np.random.Generator, charset: Collection[str]) -> str:
        """Begin at a word, end at a word or break one; written in one spelling."""
        place = int(rng.integers(self.ends[-1]))
        passage = self.passages[int(np.searchsorted(self.ends, place, side="right"))]
        place -= int(self.ends[np.searchsorted(self.ends, place, side="right")]) - len(passage)
        text = passage[passage.rfind(" ", 0, place + 1) + 1 :]
        length = int(np.clip(rng.normal(*LENGTH), 4, self.max_length - 1))
        old = rng.random() < self.long_s and "ſ" in charset
        hyphens = ("-", "⸗", "⸗", "=", "¬") if old else ("-",)
        hyphen = hyphens[int(rng.integers(len(hyphens)))]
        if rng.random() < 0.5:
            text = text.replace("'", "’")
        text = text.replace("--", "—")
        if old:
            text = long_s(text.translate(SMALL_E_ABOVE) if self.umlauts_above and hyphen == "⸗" else text)
        if rng.random() < 0.01:
            text = text.upper()
        return break_line(text, length, hyphen if rng.random() < 0.35 else "")


def break_line(text: str, length: int, hyphen: str = "") -> str:
    """Return the beginning of `text`, at most `length` characters and a hyphen, never a part of a word without one.

    Args:
        text: running text.
        length: in characters.
        hyphen: breaks the last word, if two letters or more of it stand on either side; "" breaks none.
    """
    if len(text) <= length:
        return text
    if hyphen and text[length - 2 : length + 2].isalpha():
        return text[:length] + hyphen
    end = text.rfind(" ", 0, length + 1)
    return text[:end].rstrip() if end > 0 else text.split(" ", 1)[0]


@dataclass(frozen=True)
class MixedCorpus:
    """Lines of several sources of text.

    Args:
        sources: each with its weight, any positive number.

    Raises:
        ValueError: if there is no source, or a weight is not positive.
    """

    sources: Sequence[tuple[TextSource, float]]

    def __post_init__(self) -> None:
        """Refuse weights that choose nothing."""
        if not self.sources or any(weight <= 0 for _, weight in self.sources):
            raise ValueError(f"`sources` must have positive weights, got {[weight for _, weight in self.sources]}.")

    def line(self, rng: np.random.Generator, charset: Collection[str]) -> str:
        """One line of one of the sources."""
        weights = np.array([weight for _, weight in self.sources])
        source, _ = self.sources[int(rng.choice(len(weights), p=weights / weights.sum()))]
        return source.line(rng, charset)
