"""Which files the words of a command mean."""

import os
from collections.abc import Collection, Iterator, Sequence
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trocr_gsa.data.frames import PicturePage

PAGE_SUFFIXES = (".xml", ".alto", ".pdf")


def find_pictures(words: Sequence[str]) -> "Iterator[str | PicturePage]":
    """Yield the pictures that the words mean: a file itself, a folder's pictures, what matches a pattern.

    A TIFF of several pages is as many pictures.

    Raises:
        ValueError: if a folder is not there or holds no picture, a pattern matches nothing, or a file is a PDF.
    """
    from trocr_gsa.data.images import PICTURE_SUFFIXES, pages_of

    for word in words:
        path = Path(word)
        found = sorted(_files_in(path, PICTURE_SUFFIXES)) if path.is_dir() else files_named(word)
        pdf = next((name for name in found or _files_in(path, (".pdf",)) if name.lower().endswith(".pdf")), None)
        if pdf is not None:
            raise ValueError(f"`pictures`: {pdf} is of pages, not of one line. Add --segment, which finds its lines.")
        if not found:
            raise ValueError(f"`pictures`: {word} holds no picture. Give files, folders of pictures, or patterns.")
        yield from (page for name in found for page in pages_of(name))


def files_named(word: str) -> list[str]:
    """Return what matches a pattern, folders aside; a word that is no pattern stands for itself.

    Raises:
        ValueError: if a word can only be meant as a folder, and there is none; a missing file is left out later.
    """
    from trocr_gsa.data.images import PICTURE_SUFFIXES

    if os.path.exists(word):
        return [word]
    if any(sign in word for sign in "*?["):
        return sorted(name for name in glob(word, recursive=True) if not Path(name).is_dir())
    if word.endswith("/") or Path(word).suffix.lower() not in (*PICTURE_SUFFIXES, *PAGE_SUFFIXES):
        raise ValueError(f"`pictures`: there is no folder or file {word}. Check the path.")
    return [word]


def _files_in(folder: Path, suffixes: Collection[str]) -> Iterator[str]:
    return (str(path) for path in folder.rglob("*") if path.suffix.lower() in suffixes)
