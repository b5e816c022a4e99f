"""Dates and numbers in words, as letters and registers have them, each with its ISO date or its digits.

French, German and English dates, dates of the French republican calendar, and numbers alone. Days and years are in
words or in digits, in the forms that writers mix: "le vingt-quatre mars mil huit cent douze", "the fourth of May
eighteen hundred and twelve", "am vierundzwanzigsten März achtzehnhundertzwölf", "24 mars 1812", "dix-huit brumaire an
VIII".
"""

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache, lru_cache

import numpy as np
from convertdate import french_republican
from num2words import num2words

FIRST, LAST = date(1650, 1, 1), date(1920, 12, 31)
REPUBLIC = date(1792, 9, 22), date(1805, 12, 31)  # the days on which the republican calendar was in use
LARGEST = 999_999  # of the numbers alone
IN_WORDS = 0.75  # probability that a day or a year is in words
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV")  # republican years

MONTHS = {
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split(),
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
    "en": "January February March April May June July August September October November December".split(),
}


class Pen:
    """The choices of one writer.

    Args:
        rng: random generator.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def pick(self, *options: str) -> str:
        """Return one of the options."""
        return options[self.rng.integers(len(options))]

    def writes_words(self) -> bool:
        """Whether the next number is in words."""
        return bool(self.rng.random() < IN_WORDS)

    def day(self, first: date, last: date) -> date:
        """Return a day between two days."""
        return first + timedelta(days=int(self.rng.integers((last - first).days + 1)))


@lru_cache(maxsize=100_000)
def words(number: int, language: str, kind: str = "cardinal") -> str:
    """Return a number in words; `kind` is cardinal, ordinal or year."""
    return num2words(number, lang=language, to=kind)


def french_date(pen: Pen) -> tuple[str, str]:
    """Return a French date: "le vingt-quatre mars mil huit cent douze"."""
    when = pen.day(FIRST, LAST)
    month = pen.pick(MONTHS["fr"][when.month - 1], "de " + MONTHS["fr"][when.month - 1]).replace("de a", "d'a")
    return _french(pen, _french_day(pen, when.day), month.replace("de o", "d'o"), _french_year(pen, when.year), when)


def republican_date(pen: Pen) -> tuple[str, str]:
    """Return a date of the republican calendar: "le dix-huit brumaire an huit"."""
    when = pen.day(*REPUBLIC)
    year, month, day = _republican(when)
    number = ROMAN[year - 1] if not pen.writes_words() else words(year, "fr")
    name = french_republican.MOIS[month - 1]
    if month > 12:
        of_year = words(day, "fr", "ordinal") if pen.writes_words() else f"{day}{'er' if day == 1 else 'e'}"
        return _french(pen, of_year, "jour complémentaire", pen.pick("an ", "de l'an ") + number, when)
    spelled = pen.pick(name, name.lower(), name.lower())
    return _french(pen, _french_day(pen, day), spelled, pen.pick("an ", "l'an ") + number, when)


@cache  # each takes milliseconds: it looks for the equinox
def _republican(when: date) -> tuple[int, int, int]:
    """Return year, month and day of the republican calendar."""
    return french_republican.from_gregorian(when.year, when.month, when.day)


def _french(pen: Pen, day: str, month: str, year: str, when: date) -> tuple[str, str]:
    return f"{pen.pick('le ', 'Le ', 'ce ', 'du ', '')}{day} {month} {year}", when.isoformat()


def _french_day(pen: Pen, day: int) -> str:
    if not pen.writes_words():
        return pen.pick("1er", "1") if day == 1 else str(day)
    return "premier" if day == 1 else words(day, "fr")


def _french_year(pen: Pen, year: int) -> str:
    if not pen.writes_words():
        return str(year)
    rest = words(year % 100, "fr") if year % 100 else ""
    by_hundreds = f"{words(year // 100, 'fr')} cent {rest}".rstrip()
    in_full = "mil" + words(year, "fr").removeprefix("mille")
    return pen.pick(in_full, in_full, in_full, "l'an " + in_full, by_hundreds)


def german_date(pen: Pen) -> tuple[str, str]:
    """Return a German date: "am vierundzwanzigsten März achtzehnhundertzwölf"."""
    when = pen.day(FIRST, LAST)
    day = f"{when.day}{pen.pick('.', '.', 'ten' if when.day < 20 else 'sten')}"
    if pen.writes_words():
        day = words(when.day, "de", "ordinal") + "n"
    year = str(when.year)
    if pen.writes_words():
        year = pen.pick(words(when.year, "de", "year"), words(when.year, "de"))
    month = pen.pick(MONTHS["de"][when.month - 1], "des " + MONTHS["de"][when.month - 1] + "s" * (when.month > 8))
    year = pen.pick(year, year, "im Jahre " + year)
    return f"{pen.pick('am ', 'Am ', 'den ', 'Den ', 'vom ')}{day} {month} {year}", when.isoformat()


def english_date(pen: Pen) -> tuple[str, str]:
    """Return an English date: "the fourth of May eighteen hundred and twelve"."""
    when = pen.day(FIRST, LAST)
    month = MONTHS["en"][when.month - 1]
    in_words = pen.writes_words()
    day = words(when.day, "en", "ordinal") if in_words else num2words(when.day, lang="en", to="ordinal_num")
    day_and_month = pen.pick(f"the {day} of {month}", f"The {day} day of {month}", f"{month} the {day}")
    if not in_words:
        day_and_month = pen.pick(day_and_month, f"{when.day} {month}", f"{month} {day},")
    year = _english_year(pen, when.year)
    return f"{day_and_month} {year}", when.isoformat()


def _english_year(pen: Pen, year: int) -> str:
    if not pen.writes_words():
        return str(year)
    rest = f" and {words(year % 100, 'en')}" if year % 100 else ""
    by_hundreds = f"{words(year // 100, 'en')} hundred{rest}"
    in_full = words(year, "en").replace(",", "")
    return pen.pick(by_hundreds, by_hundreds, in_full, words(year, "en", "year"))


def number_alone(pen: Pen) -> tuple[str, str]:
    """Return a number in words, as likely of few digits as of many."""
    number = int(LARGEST ** pen.rng.random())
    text = words(number, pen.pick("fr", "de", "en")).replace(",", "")
    return pen.pick(text, text.capitalize()), str(number)


KINDS: dict[Callable[[Pen], tuple[str, str]], float] = {
    french_date: 0.26, german_date: 0.22, english_date: 0.22, republican_date: 0.15, number_alone: 0.15,
}  # fmt: skip


def date_pairs(count: int, seed: int) -> dict[str, str]:
    """Return texts as written → what they mean.

    Args:
        count: number of different texts.
        seed: random seed; another seed gives other texts, of which some are the same.
    """
    rng = np.random.default_rng(seed)
    kinds, found = list(KINDS), {}
    while len(found) < count:
        kind = kinds[rng.choice(len(kinds), p=list(KINDS.values()))]
        text, meaning = kind(Pen(rng))
        found[text] = meaning
    return found
