"""Text files as people have them: UTF-8 with or without a byte-order mark, UTF-16 and UTF-32 with one.

Other encodings are not guessed, for a wrong guess gives wrong letters: the file or the row is named, with the remedy.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import count
from pathlib import Path

MAX_LETTERS = 1_000_000  # of one text or one row; a line of writing has a hundred
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
NOT_UTF8 = "is not UTF-8. Save it as UTF-8; of Latin-1, for instance: iconv -f LATIN1 -t UTF-8 OLD > NEW"


def read_text(path: Path, most: int = MAX_LETTERS) -> str:
    """Return the text of a file of at most so many letters.

    Raises:
        ValueError: if it is too long or in an encoding that it does not say; the message goes behind the file's name.
        OSError: if it cannot be read.
    """
    with open(path, encoding=_encoding(path), errors="surrogateescape") as stream:
        try:
            return usable(stream.read(most + 1), most)
        except UnicodeDecodeError as error:
            raise ValueError(_cut_short(error)) from error


def text_rows(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each row, as it is; `usable` says which of them can be used.

    Raises:
        ValueError: if a file in UTF-16 or UTF-32 is damaged; the message goes behind the file's name.
        OSError: if it cannot be read.
    """
    with open(path, encoding=_encoding(path), errors="surrogateescape") as stream:
        for number in count(1):
            try:
                row = rest = stream.readline(MAX_LETTERS + 1)
                while rest and not rest.endswith("\n"):
                    rest = stream.readline(MAX_LETTERS)
            except UnicodeDecodeError as error:
                raise ValueError(_cut_short(error)) from error
            if not row:
                return
            yield number, row.removesuffix("\n")


def usable(text: str, most: int = MAX_LETTERS) -> str:
    """Return a text as it is, if it can be used: of at most so many letters.

    Raises:
        ValueError: if it is too long, is in another encoding, or holds NULs.
    """
    if len(text) > most:
        raise ValueError(f"is longer than {most:,} letters, which nothing of its kind is. Cut it.")
    if "\0" in text:
        raise ValueError("holds NULs, as UTF-16 without a byte-order mark does. Save it as UTF-8.")
    if has_half_characters(text):
        raise ValueError(NOT_UTF8)
    return text


def has_half_characters(text: str) -> bool:
    """Whether a text holds surrogates, which stand for no character and cannot be written."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _encoding(path: Path) -> str:
    with open(path, "rb") as stream:
        start = stream.read(4)
    return next((name for mark, name in MARKS.items() if start.startswith(mark)), "utf-8-sig")


def _cut_short(error: UnicodeDecodeError) -> str:
    return f"is damaged {error.encoding.upper()} ({error.reason}). Save it as UTF-8."
