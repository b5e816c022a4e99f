"""Characters in transcriptions that nobody put there on purpose, told once for a whole set.

A reader learns to write whatever its lines say, and an evaluation counts it. What cannot be seen (zero-width spaces,
byte order marks, soft hyphens, marks of direction, controls) or stands for something lost (U+FFFD) is therefore said,
and left as it is: some scripts need joiners, and only the owner of the texts knows.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

REPLACEMENT = "\ufffd"
UNSEEN = ("Cf", "Cc", "Cs")  # categories: format, control, half of a pair
SHOWN = 8  # kinds of characters that are named


def doubtful_characters(lines: Iterable[tuple[str, str]]) -> list[str]:
    """Say which doubtful characters the lines of a set hold: one message for all, or none.

    Args:
        lines: the name and the text of each.
    """
    counts: Counter[str] = Counter()
    first, holding = "", 0
    for name, text in lines:
        if text.isprintable() and REPLACEMENT not in text:
            continue
        if found := [letter for letter in text if _is_doubtful(letter)]:
            counts.update(found)
            first, holding = first or name, holding + 1
    if not counts:
        return []
    kinds = ", ".join(f"{_called(letter)} ({count})" for letter, count in counts.most_common(SHOWN))
    more = f" and {len(counts) - SHOWN} other kinds" if len(counts) > SHOWN else ""
    return [
        f"characters that cannot be seen or stand for lost ones, in {holding} lines, the first of them {first}: "
        f"{kinds}{more}. A reader learns to write them; remove what should not be there."
    ]


def is_seen(text: str) -> bool:
    """Whether there is anything in a text that a reader could see."""
    return any(not letter.isspace() and unicodedata.category(letter) not in UNSEEN for letter in text)


def _is_doubtful(letter: str) -> bool:
    return letter == REPLACEMENT or unicodedata.category(letter) in UNSEEN


def _called(letter: str) -> str:
    return f"U+{ord(letter):04X} {unicodedata.name(letter, '')}".strip()
