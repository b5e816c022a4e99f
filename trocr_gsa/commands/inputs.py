"""Which files the words of a command mean."""

from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path


def find_pictures(words: Sequence[str]) -> Iterator[str]:
    """Yield the files that the words mean: a file itself, a folder's pictures, what matches a pattern.

    Raises:
        ValueError: if a folder holds no picture, or a pattern matches nothing.
    """
    for word in words:
        path = Path(word)
        found = sorted(_pictures_in(path)) if path.is_dir() else files_named(word)
        if not found:
            raise ValueError(f"`pictures`: {word} holds no picture. Give files, folders of pictures, or patterns.")
        yield from found


def files_named(word: str) -> list[str]:
    """Return what matches a pattern, folders aside; a word that is no pattern stands for itself."""
    if any(sign in word for sign in "*?[") and not Path(word).exists():
        return sorted(name for name in glob(word, recursive=True) if not Path(name).is_dir())
    return [word]


def _pictures_in(folder: Path) -> Iterator[str]:
    from trocr_gsa.data.images import PICTURE_SUFFIXES

    return (str(path) for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
