"""German and French words in the spelling of old books and letters, each with its modern spelling.

The words are those of Debian's word lists (packages wogerman, wngerman and wfrench). What is unusual: a rule is not
trusted alone. A pair counts only if its modern word is in the list of modern words, and its old word is not: "Theil" is
the old form of "Teil", but "wirthschaft" of nothing, because there is no "wirtschaft" with a small letter.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from trocr_gsa.data.synthetic.corpus import DICTIONARIES, load_words
from trocr_gsa.data.synthetic.words import LANGUAGES
from trocr_gsa.data.synthetic.writer import long_s

WORDS_OF_A_LINE = 3, 8  # least, and one more than most
OLD_WORDS, FREQUENT_WORDS = 0.55, 0.3  # shares of the words of a line; the others are spelled as today
WITH_LONG_S = 0.5  # share of the lines with ſ
MARKS = re.compile(r"^\W+|\W+$")

# (modern, old) as regular expressions and replacements, for a word with its capital
GERMAN = (
    (r"(?i)\b(t)(?=eil|ier|ür|or$|ore|al$|äler|at$|aten|ätig|un$|urm|ürme|räne|aler$)", r"\1h"),
    (r"(?<=[a-rt-zäöüß])t(?=eil)|(?<=[cdghlnrs])t(?=um$|ums$|ümer|ümlich)", "th"),
    (r"(?i)(?<=\bro)t(?=$|e[nrsm]?$|[bfgsw])|(?<=\bno)t(?=$|[bdfghlrswz])|(?<=\bra)t(?=$|en?$|[hgs])", "th"),
    (r"(?i)(?<=\bmu)t(?=$|es?$|ig|los)|(?<=\bwer)t|(?<=\bwir)t(?=$|[ein]|s[ch])|(?<=mü)t|(?<=\bblü)t", "th"),
    (r"(?i)(?<=\bglu)t|(?<=\bflu)t|(?<=\bmie)t|(?<=heira)t|(?<=\ba)t(?=em)|(?<=\barmu)t|(?<=\bheima)t", "th"),
    (r"ieren$", "iren"),
    (r"ierung", "irung"),
    (r"nis$", "niß"),
    (r"(?i)(?<=\bs)ei(?=n)|(?<=\bb)ei\b|(?<=\bm)ei(?=n)|(?<=\bfr)ei|(?<=\bzw)ei|(?<=er)ei$", "ey"),
    (r"\bK(?=an[odz]|api|ass|lass|o[mn]|red|ul|ur[is])", "C"),
    (r"\bZ(?=ent|ig|ir|i[vt])", "C"),
    (r"(?<=[aeou])k(?=t)|(?<=[Pp]un)k(?=t)", "c"),
    (r"(?<=\b[Gg])i(?=b)", "ie"),
    (r"\b([Hh])ilf", r"\1ülf"),
)
FRENCH = (
    (r"ai(?=s$|t$|ent$)", "oi"),
    (r"(?<=[ae])nts$", "ns"),
    (r"ê", "es"),
    (r"(?<=[aeiouy])î|(?<=\b[a-z])î|î(?=tre)", "is"),
    (r"ô", "os"),
    (r"(?<=[bcdfglmnprst])û", "us"),
    (r"^é(?=[cptv])", "es"),
    (r"i$", "y"),
    (r"^(s)(?=av)", r"\1ç"),
    (r"è(?=rent$|res?$|tes?$|nes?$)", "e"),
    (r"emps$", "ems"),
)


@dataclass(frozen=True)
class Spelling:
    """The old and the modern spelling of one language.

    Args:
        language: a key of `LANGUAGES`, for the frequent words.
        modern: the words of today.
        old: words of a list of an older spelling; may be empty.
        rules: pairs of a regular expression for what is modern, and its old replacement.
    """

    language: str
    modern: tuple[str, ...]
    old: tuple[str, ...]
    rules: Sequence[tuple[str, str]]

    @cached_property
    def pairs(self) -> dict[str, str]:
        """Old word → modern word, unique in both directions of the check: see the module."""
        known, found = frozenset(self.modern), {}
        for word in self.modern:
            for old in _old_forms(word, self.rules):
                if old not in known:
                    found.setdefault(old, word)
        for old in self.old:
            modern = old.replace("ß", "ss")
            if old not in known and modern in known:
                found[old] = modern
        return found

    def line(self, rng: np.random.Generator) -> tuple[str, str]:
        """Return a line in old spelling, and the same line in modern spelling."""
        old_words, pairs, frequent = self._old_words, self.pairs, LANGUAGES[self.language].common
        written, meant = [], []
        for _ in range(rng.integers(*WORDS_OF_A_LINE)):
            kind = rng.random()
            if kind < OLD_WORDS:
                old = old_words[rng.integers(len(old_words))]
                modern = pairs[old]
            else:
                words = frequent if kind < OLD_WORDS + FREQUENT_WORDS else self.modern
                old = modern = words[rng.integers(len(words))]
            written.append(old)
            meant.append(modern)
        text = " ".join(written)
        if rng.random() < WITH_LONG_S:
            text = " ".join(map(long_s, written))
        return text, " ".join(meant)

    @cached_property
    def _old_words(self) -> list[str]:
        return list(self.pairs)


def _old_forms(word: str, rules: Sequence[tuple[str, str]]) -> set[str]:
    """Return the word with each rule alone, and with all of them one after the other."""
    forms, together = set(), word
    for modern, old in rules:
        forms.add(re.sub(modern, old, word))
        together = re.sub(modern, old, together)
    return (forms | {together}) - {word}


@lru_cache
def spellings(folder: Path = DICTIONARIES) -> tuple[Spelling, ...]:
    """Return the spellings of German and French.

    Args:
        folder: with the word lists `ngerman`, `ogerman` and `french`.

    Raises:
        ValueError: if one of them is missing.
    """
    for name in ("ngerman", "ogerman", "french"):
        if not (folder / name).is_file():
            raise ValueError(
                f"`folder`: there is no word list {folder / name}. Install Debian's wngerman, wogerman and wfrench."
            )
    german, before, french = (load_words(str(folder / name)) for name in ("ngerman", "ogerman", "french"))
    return Spelling("german", german, before, GERMAN), Spelling("french", french, (), FRENCH)


def spelling_pairs(count: int, seed: int) -> dict[str, str]:
    """Return lines in old spelling → the same lines in modern spelling.

    Args:
        count: number of different lines.
        seed: random seed.
    """
    rng, found = np.random.default_rng(seed), {}
    of_language = spellings()
    while len(found) < count:
        old, modern = of_language[rng.integers(len(of_language))].line(rng)
        found[old] = modern
    return found


class Dictionary:
    """The rival of an adapter: a transcription, and then each of its words looked up.

    Args:
        pairs: old word → modern word.
        modern: words that are left as they are.
    """

    def __init__(self, pairs: Mapping[str, str], modern: frozenset[str]) -> None:
        self.pairs, self.modern = pairs, modern

    @classmethod
    def of_all(cls) -> "Dictionary":
        """Return the dictionary of all languages, which knows every word that is drawn."""
        pairs: dict[str, str] = {}
        for spelling in spellings():
            pairs = spelling.pairs | pairs
        return cls(pairs, frozenset(word for spelling in spellings() for word in spelling.modern))

    def modernised(self, text: str) -> str:
        """Return a line with its words in modern spelling; a word that is not known loses only its ſ."""
        return " ".join(map(self._word, text.replace("ſ", "s").split()))

    def _word(self, word: str) -> str:
        bare = MARKS.sub("", word)
        known = bare in self.modern or bare not in self.pairs
        return word if known else word.replace(bare, self.pairs[bare])
