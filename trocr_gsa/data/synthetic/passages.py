"""Running text to render: lines cut out of passages, with line breaks as on a page.

In a file, passages are separated by blank lines, or by lines with a single % as in the files of `fortune`.
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
MIN_LETTERS = 0.85  # share of letters and spaces; ASCII art and programs have less
FOREIGN = ("http", "www.", "@")
LENGTH = 51.0, 15.0  # mean and standard deviation of a line, in characters
SMALL_E_ABOVE = str.maketrans({"ä": "aͤ", "ö": "oͤ", "ü": "uͤ"})


def read_passages(path: str | Path) -> list[str]:
    """Return the passages of a UTF-8 file that are prose or verse, each on one line.

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
    """Whether a passage consists mostly of letters and spaces, without a network address."""
    letters = sum(char.isalpha() or char == " " for char in passage)
    return letters > 8 and letters >= MIN_LETTERS * len(passage) and not any(sign in passage for sign in FOREIGN)


@dataclass(frozen=True)
class PassageCorpus:
    """Lines cut out of running text, each position with the same probability.

    Args:
        passages: paragraphs, sayings, verses.
        long_s: probability in [0, 1] that a line has ſ (if the font has it) and old hyphens.
        umlauts_above: whether such a line may have aͤ oͤ uͤ.
        max_length: maximum length of a line, in characters.

    Raises:
        ValueError: if there is no passage.
    """

    passages: tuple[str, ...]
    long_s: float = 0.0
    umlauts_above: bool = False
    max_length: int = 90

    def __post_init__(self) -> None:
        """Check that there is a passage."""
        if not self.passages:
            raise ValueError(
                "`passages` must hold running text, got none. Name files with paragraphs of prose or verse."
            )

    @classmethod
    def from_files(cls, paths: Iterable[str | Path], long_s: float = 0.0, umlauts_above: bool = False) -> PassageCorpus:
        """Read the passages of several files, without duplicates."""
        passages = dict.fromkeys(passage for path in paths for passage in read_passages(path))
        return cls(tuple(passages), long_s, umlauts_above)

    @cached_property
    def ends(self) -> np.ndarray:
        """Cumulative number of characters up to the end of each passage; (passage,) int64."""
        return np.cumsum([len(passage) for passage in self.passages])

    def line(self, rng: np.random.Generator, charset: Collection[str]) -> str:
        """Return one line with only the characters of `charset`.

        Raises:
            ValueError: if twenty lines in a row have none of these characters.
        """
        for _ in range(20):
            text = fit(self._cut(rng, charset), charset)[: self.max_length].strip()
            if text and not unicodedata.combining(text[0]):
                return text
        raise ValueError("`charset` must have the letters of `passages`. Choose other fonts.")

    def _cut(self, rng: np.random.Generator, charset: Collection[str]) -> str:
        """Cut a line that begins at a word and ends at a word or with a hyphen, in one spelling."""
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
    """Return the beginning of `text`, at most `length` characters plus a hyphen; without a hyphen only whole words.

    Args:
        text: running text.
        length: in characters.
        hyphen: hyphen for breaking the last word, if at least two letters are on either side; "": do not break words.
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
        sources: sources of text, each with its weight, any positive number.

    Raises:
        ValueError: if there is no source, or a weight is not positive.
    """

    sources: Sequence[tuple[TextSource, float]]

    def __post_init__(self) -> None:
        """Check that all weights are positive."""
        if not self.sources or any(weight <= 0 for _, weight in self.sources):
            raise ValueError(f"`sources` must have positive weights, got {[weight for _, weight in self.sources]}.")

    def line(self, rng: np.random.Generator, charset: Collection[str]) -> str:
        """Return one line of one of the sources."""
        weights = np.array([weight for _, weight in self.sources])
        source, _ = self.sources[int(rng.choice(len(weights), p=weights / weights.sum()))]
        return source.line(rng, charset)
