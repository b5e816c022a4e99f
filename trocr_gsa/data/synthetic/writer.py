"""Writes a random line of text as in a book, a letter or a register, in one language and one spelling."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .words import Language

ROMAN = tuple("I II III IV V VI VII VIII IX X XI XII XIV XVI XIX XXIV MDCXI MDCCXC".split())


def long_s(word: str) -> str:
    """Replace every s that is followed by a letter by ſ."""
    return re.sub(r"s(?=[^\W\d_])", "ſ", word)


class LineWriter:
    """Writes one line in one language with one random generator."""

    def __init__(self, language: Language, words: Sequence[str], rng: np.random.Generator) -> None:
        """Choose the line's spelling, hyphen and quotation marks."""
        self.language, self.words, self.rng = language, words, rng
        self.old_spelling = self.chance(language.long_s)
        self.hyphen = self.pick(("-", "-", "⸗", "⸗", "=", "—", "¬") if self.old_spelling else ("-", "-", "-", "—"))
        self.quotes = self.pick(language.quotes)

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.rng.random() < probability

    def pick(self, options: Sequence[str]) -> str:
        """Return one of `options`."""
        return options[int(self.rng.random() * len(options))]

    def line(self, max_length: int) -> str:
        """Return a line of a random kind, mostly running text."""
        kind = self.rng.random()
        if kind < 0.80:
            return self.running_text(int(np.clip(self.rng.normal(51, 15), 4, max_length)))
        if kind < 0.87:
            return self.spell(self.word()) + self.pick(("", "", "", ".", ",", "-", ":"))
        if kind < 0.91:
            return self.heading()
        if kind < 0.95:
            return self.date()
        return self.entry()

    def word(self) -> str:
        """Return a frequent word or one of the dictionary, where long words are less likely."""
        if self.chance(0.42):
            return self.language.common[min(int(self.rng.exponential(28)), len(self.language.common) - 1)]
        word = self.pick(self.words)
        return word if len(word) < 12 or self.chance(0.4) else self.pick(self.words)

    def spell(self, word: str) -> str:
        """Write a word in the line's spelling."""
        if not self.old_spelling:
            return word
        if self.language.umlauts_above and self.umlaut_above:
            word = word.translate(str.maketrans({"ä": "aͤ", "ö": "oͤ", "ü": "uͤ"}))
        return long_s(word)

    @property
    def umlaut_above(self) -> bool:
        """Whether this line has umlauts with a small e above; the choice is the same for the whole line."""
        return self.hyphen == "⸗"

    def running_text(self, length: int) -> str:
        """Return sentences cut to `length` characters; the last word may be hyphenated."""
        parts: list[str] = []
        capital, size = self.chance(0.3), 0
        while size < length:
            word = self.token(capital)
            capital = word[-1] in ".!?"
            parts.append(word)
            size += len(word) + 1
        text = " ".join(parts)
        if len(text) <= length:
            return text
        if self.chance(0.3) and text[length - 1 : length + 2].isalpha() and text[length - 3 : length].isalpha():
            return text[:length].rstrip() + self.hyphen
        return text[: text.rfind(" ", 0, length + 1)] if " " in text[:length] else text[:length]

    def token(self, capital: bool) -> str:
        """Return a word of running text with its punctuation, or a number."""
        roll = self.rng.random()
        if roll < 0.03:
            return self.number() + self.pick(("", ",", "."))
        if roll < 0.04:
            return self.pick(self.language.abbreviations)
        word = self.word()
        if capital or (roll > 0.93 and self.chance(0.5)):
            word = word[0].upper() + word[1:]
        word = self.spell(word)
        if roll < 0.055 and self.language.elisions:
            word = self.pick(self.language.elisions) + self.pick("'’") + word
        if 0.06 < roll < 0.075:
            word = self.pick(("({})", "{}-{}", "[{}]", "{}—")).format(word, self.spell(self.word()))
        elif 0.08 < roll < 0.1:
            word = self.quotes[0] + word + self.pick(("", self.quotes[1]))
        return word + self.mark()

    def mark(self) -> str:
        """Return the punctuation after a word, mostly none."""
        roll = self.rng.random()
        if roll > 0.19:
            return ""
        return (
            ","
            if roll < 0.09
            else "."
            if roll < 0.14
            else self.pick((";", ":", "!", "?", ".", " —", " -", self.quotes[1]))
        )

    def number(self) -> str:
        """Return a year, a count, a page, a Roman numeral, a fraction or a price."""
        kind = int(self.rng.integers(8))
        if kind < 2:
            return str(self.rng.integers(1480, 2000))
        if kind == 2:
            return self.pick(ROMAN) + self.pick(("", "."))
        if kind == 3:
            return f"{self.rng.integers(1, 400)}{self.pick('-/.–')}{self.rng.integers(1, 900)}"
        if kind == 4:
            return self.pick(("§ ", "S. ", "p. ", "Nr. ", "n° ", "fol. ", "§. ")) + str(self.rng.integers(1, 500))
        return str(self.rng.integers(0, (10, 100, 10000)[kind - 5]))

    def heading(self) -> str:
        """Return a few words with initial capitals, or in capitals."""
        words = [self.word() for _ in range(self.rng.integers(1, 5))]
        if self.chance(0.4):
            return " ".join(words).upper() + self.pick(("", ".", ":"))
        return " ".join(self.spell(w[0].upper() + w[1:]) for w in words) + self.pick(("", ".", ""))

    def date(self) -> str:
        """Return a date in the language's form, sometimes with a place."""
        day, year = self.rng.integers(1, 32), self.rng.integers(1520, 2000)
        text = self.pick(self.language.dates).format(
            day=day, month=self.spell(self.pick(self.language.months)), year=year
        )
        return text if self.chance(0.6) else f"{self.pick(self.language.names)}, {text}"

    def entry(self) -> str:
        """Return a line of a register: number, name, word, amount."""
        fields = [
            self.pick(self.language.names),
            self.spell(self.word()),
            self.number(),
            self.pick(self.language.abbreviations),
        ]
        order = self.rng.permutation(len(fields))[: self.rng.integers(1, 5)]
        return self.pick((" ", ", ", " . ", "; ")).join(fields[i] for i in order)
