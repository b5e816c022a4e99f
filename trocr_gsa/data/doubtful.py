"""Reports suspicious characters in transcriptions, with one message for a whole data set.

A reader learns to write them, and an evaluation counts them. They are invisible (zero-width spaces, byte order marks,
soft hyphens, direction marks, control characters, fillers) or stand for something lost (U+FFFD). They are reported but
not removed: some scripts need joiners, and only the owner of the texts knows.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

LOST = "\ufffc\ufffd"  # stand for an object, and for a character
BLANK = "\u115f\u1160\u2800\u3164\uffa0"  # letters and signs by their category, but nothing is drawn
INVISIBLE_CATEGORIES = ("Cf", "Cc", "Cs")  # Unicode categories: format, control, surrogate
MAX_NAMED = 8  # different characters named in a message


def doubtful_characters(lines: Iterable[tuple[str, str]]) -> list[str]:
    """Return a list with one message about the suspicious characters in the lines of a set; empty if there are none.

    Args:
        lines: name and text of each line.
    """
    counts: Counter[str] = Counter()
    first, holding = "", 0
    for name, text in lines:
        if text.isprintable() and not any(letter in text for letter in LOST + BLANK):
            continue
        if found := [letter for letter in text if _is_doubtful(letter)]:
            counts.update(found)
            first, holding = first or name, holding + 1
    if not counts:
        return []
    kinds = ", ".join(f"{_called(letter)} ({count})" for letter, count in counts.most_common(MAX_NAMED))
    more = f" and {len(counts) - MAX_NAMED} other characters" if len(counts) > MAX_NAMED else ""
    return [
        f"invisible or lost characters in {holding} lines, the first of which is {first}: "
        f"{kinds}{more}. A reader learns to write them; remove those that should not be there."
    ]


def broken_texts(lines: Iterable[tuple[str, str]]) -> list[str]:
    """Return a list with one message about the texts with line breaks in a set; empty if there are none.

    Args:
        lines: name and text of each line.
    """
    names = [name for name, text in lines if "\n" in text.strip()]
    if not names:
        return []
    return [
        f"line breaks in the texts of {len(names)} lines, the first of which is {names[0]}: each is read as a space. "
        "Check that these pictures show one line."
    ]


def is_seen(text: str) -> bool:
    """Whether a text has any visible character."""
    return any(not letter.isspace() and not _is_invisible(letter) for letter in text)


def _is_doubtful(letter: str) -> bool:
    # white space is none: `clean_text` makes it a space
    return letter in LOST or (_is_invisible(letter) and not letter.isspace())


def _is_invisible(letter: str) -> bool:
    return letter in BLANK or unicodedata.category(letter) in INVISIBLE_CATEGORIES or _is_no_character(letter)


def _is_no_character(letter: str) -> bool:
    """Whether a code point is one of the 66 that Unicode reserves for internal use."""
    return ord(letter) & 0xFFFE == 0xFFFE or "\ufdd0" <= letter <= "\ufdef"


def _called(letter: str) -> str:
    return f"U+{ord(letter):04X} {unicodedata.name(letter, '')}".strip()
