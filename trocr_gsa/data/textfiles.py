"""Reads text files in UTF-8 with or without a byte order mark, and in UTF-16 and UTF-32 with one.

Other encodings are not guessed, because a wrong guess gives wrong characters. The error names the file or row and says
how to convert it.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import count
from pathlib import Path

MAX_CHARACTERS = 1_000_000  # of one text or one row; a line of text has about a hundred
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # must come before the mark of UTF-16, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
POINTER = "version https://git-lfs"  # begins what Git leaves in place of a large file that was not fetched
IS_POINTER = "is a Git LFS pointer, not the file itself. Run git lfs pull in its repository."
NOT_UTF8 = "is not UTF-8. Save it as UTF-8; from Latin-1, for instance: iconv -f LATIN1 -t UTF-8 OLD > NEW"


def read_text(path: Path, most: int = MAX_CHARACTERS) -> str:
    """Return the text of a file with at most `most` characters.

    Raises:
        ValueError: if it is too long or in an unknown encoding; the message is written after the file's name.
        OSError: if it cannot be read.
    """
    with open(path, encoding=_encoding(path), errors="surrogateescape") as stream:
        try:
            return usable(stream.read(most + 1), most)
        except UnicodeDecodeError as error:
            raise ValueError(_cut_short(error)) from error


def text_rows(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and the unchanged text of each row; `usable` checks a row.

    Raises:
        ValueError: if a file in UTF-16 or UTF-32 is damaged; the message is written after the file's name.
        OSError: if it cannot be read.
    """
    with open(path, encoding=_encoding(path), errors="surrogateescape") as stream:
        for number in count(1):
            try:
                row = rest = stream.readline(MAX_CHARACTERS + 1)
                while rest and not rest.endswith("\n"):
                    rest = stream.readline(MAX_CHARACTERS)
            except UnicodeDecodeError as error:
                raise ValueError(_cut_short(error)) from error
            if not row:
                return
            yield number, row.removesuffix("\n")


def usable(text: str, most: int = MAX_CHARACTERS) -> str:
    """Return a text unchanged, after checking that it has at most `most` characters and a known encoding.

    Raises:
        ValueError: if it is too long, in another encoding, has NUL characters, or is a Git LFS pointer.
    """
    if text.startswith(POINTER):
        raise ValueError(IS_POINTER)
    if len(text) > most:
        raise ValueError(f"is longer than {most:,} characters, the limit for a text. Cut it.")
    if "\0" in text:
        raise ValueError("has NUL characters, as UTF-16 without a byte order mark has. Save it as UTF-8.")
    if has_surrogates(text):
        raise ValueError(NOT_UTF8)
    return text


def is_pointer(path: Path) -> bool:
    """Whether a file is a Git LFS pointer."""
    with open(path, "rb") as stream:
        return stream.read(len(POINTER)) == POINTER.encode()


def has_surrogates(text: str) -> bool:
    """Whether a text has surrogates, which are not characters and cannot be encoded."""
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
