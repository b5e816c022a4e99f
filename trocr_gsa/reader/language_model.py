"""How usual a text is: a character n-gram model of texts like those that are read.

What is unusual: it is learnt in seconds from a plain text file, and has no file format of its own. An n-gram is one
64-bit integer, the history before its last character; all n-grams of a length are one sorted array.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trocr_gsa.data.pages.xml_files import without_controls
from trocr_gsa.data.samples import clean_text
from trocr_gsa.data.textfiles import read_text

ORDER = 6
BITS = 10  # of a character's number; ORDER · BITS ≤ 64
MAX_CHARACTERS = 20_000_000  # of a text
WEIGHT = 0.1  # λ; larger ones read sets that the reader knows well worse (`experiments/rescoring.py`)
Numbers = NDArray[np.uint64]


class LanguageModel(Protocol):
    """What `LineReader.read` takes as `language_model`."""

    def choose(self, candidates: Sequence[tuple[str, float]]) -> int:
        """Return the index of the best text of a line.

        Args:
            candidates: texts with log p(text | image), −∞ if the reader rules a text out. The first one is what the
                reader wrote by itself.
        """
        ...


class CharacterModel:
    """p(c | h) = (n(hc) + d(h) · p(c | shorter h)) / (n(h) + d(h)), d(h) the number of different characters after h.

    h are up to `ORDER` − 1 characters before c. Without any, p(c) = 1 / number of different characters, where all that
    were never seen are one more. How a text is broken into lines makes no difference: a break is a space.

    Args:
        text: running text, transcribed as the reader writes.
        weight: λ of `choose`.

    Attributes:
        size: number of its characters.

    Raises:
        ValueError: if it is empty or too long.

    Source: Witten & Bell 1991, *The zero-frequency problem*, method C, interpolated.

    Example:
        >>> model = CharacterModel("the cat on the mat")
        >>> model.log_p("the cat") > model.log_p("tne cat")
        True
    """

    def __init__(self, text: str, weight: float = WEIGHT) -> None:
        text = _plain(text)
        self.weight, self.size = weight, len(text)
        if not 0 < self.size <= MAX_CHARACTERS:
            found = f"must have 1 to {MAX_CHARACTERS:,} characters, got {self.size:,}"
            raise ValueError(f"`text` {found}. Give running text like the lines that are read.")
        common = Counter(f" {text}").most_common((1 << BITS) - 1)
        self._numbers = {letter: number for number, (letter, _) in enumerate(common, 1)}  # 0: never seen
        self._counts = [_Counts(grams[max(length, 1) :]) for length, grams in enumerate(self._grams(text))]

    @classmethod
    def from_file(cls, path: str | Path) -> CharacterModel:
        """Learn from a text file in UTF-8.

        Raises:
            ValueError: if it cannot be read, is empty or too long, or has another encoding.
        """
        try:
            return cls(read_text(Path(path), MAX_CHARACTERS))
        except OSError as error:
            problem = f"cannot be read: {error.strerror or error}. Give a text file in UTF-8."
        except ValueError as error:
            problem = str(error).removeprefix("`text` ")
        raise ValueError(f"`language_model`: {path} {problem}")

    def choose(self, candidates: Sequence[tuple[str, float]]) -> int:
        """Return the index of argmax_text log p(text | image) + λ · log p(text)."""
        scores = [log_p + self.weight * self.log_p(text) for text, log_p in candidates]
        return int(np.argmax(scores))

    def log_p(self, text: str) -> float:
        """Return log p(text, space | space)."""
        return float(self._log_p_of_each(text).sum())

    def _log_p_of_each(self, text: str) -> NDArray[np.float64]:
        """Return log p of each character of a text, and of the space after it, given what comes before."""
        grams = self._grams(_plain(text))
        p = np.full(len(grams[0]), 1 / (len(self._numbers) + 1))
        for length, (some, counts) in enumerate(zip(grams, self._counts, strict=True)):
            count, total, different = counts.of(some[length:])
            known = (count + different * p[length:]) / np.maximum(total + different, 1)
            p[length:] = np.where(total > 0, known, p[length:])
        return np.log(p[1:])

    def _grams(self, text: str) -> list[Numbers]:
        """Return the n-grams that end at each character of a text between spaces, by their length − 1.

        The first length − 1 ones of each length are not complete.
        """
        letters = np.array([self._numbers.get(letter, 0) for letter in f" {text} "], dtype=np.uint64)
        grams = [letters]
        for length in range(1, ORDER):
            before = np.concatenate((np.zeros(length, dtype=np.uint64), letters))[: len(letters)]
            grams.append(grams[-1] | before << np.uint64(BITS * length))
        return grams


class _Counts:
    """How often each n-gram of a length was seen, and what came after each history."""

    def __init__(self, grams: Numbers) -> None:
        self.grams, self.counts = np.unique(grams, return_counts=True)
        self.histories, first = np.unique(_history(self.grams), return_index=True)
        self.totals = np.add.reduceat(self.counts, first) if len(first) else self.counts
        self.different = np.diff(first, append=len(self.grams))

    def of(self, grams: Numbers) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return n(hc), n(h) and d(h)."""
        history = _history(grams)
        count = _found(self.grams, self.counts, grams)
        return count, _found(self.histories, self.totals, history), _found(self.histories, self.different, history)


def _plain(text: str) -> str:
    return clean_text(without_controls(text))


def _history(grams: Numbers) -> Numbers:
    return grams >> np.uint64(BITS)


def _found(keys: Numbers, values: NDArray[np.int64], wanted: Numbers) -> NDArray[np.int64]:
    """Return the value of each wanted key, 0 for one that is missing."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64)
    places = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0)
