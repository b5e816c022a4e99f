"""Finds files by their names in a list or page file, and never outside of the user's folder.

What is unusual: names are copied between systems and may change: backslashes, upper and lower case, composed or
decomposed accents, percent-encoding. A file with exactly the given name is preferred; otherwise a file is found if it
is the only one that differs just in these respects.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

SHOWN_CHARACTERS = 120  # of a name in a message
MAX_PATH = 4096  # characters; no system has longer paths, and following a path with a million parts would take hours


class NameProblem(ValueError):
    """A name that must not be followed, or is ambiguous; the message is written after the name."""


class OutsideProblem(NameProblem):
    """A name that leads outside of the user's folder."""


class FolderNames:
    """Finds the files of folders by exact or similar names.

    Args:
        roots: folders, links resolved; files outside of them are never returned.
    """

    def __init__(self, *roots: Path) -> None:
        """Store the folders; a folder is listed only when a name is not found exactly."""
        self.roots = roots
        self._real = [os.path.realpath(root) for root in roots]
        self._real += [str(blobs) for root in roots if (blobs := _hub_blobs(root)) is not None]
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, folder: Path, name: str) -> Path | None:
        """Return the file in `folder` with this name, or a similar one; None if there is none.

        Raises:
            OutsideProblem: if it leads outside of the roots.
            NameProblem: if it is similar to several files.
        """
        if len(name) > MAX_PATH:
            return None
        for written in dict.fromkeys((name, name.replace("\\", "/"), unquote(name).replace("\\", "/"))):
            exact = self._inside(folder / written)
            if os.path.isfile(exact):  # False for names that are too long, where Path.is_file raises an error
                return exact
            near = None if Path(written).is_absolute() else self._find_similar(folder, written)
            if near is not None:
                return self._inside(near)
        return None

    def _inside(self, path: Path) -> Path:
        if not self.holds(path):
            raise OutsideProblem(f"leads outside of {self.roots[0]}, and is not followed. Put it into the folder.")
        return path

    def holds(self, path: Path) -> bool:
        """Whether a path lies inside the roots after resolving its links; it need not exist."""
        try:
            real = os.path.realpath(path)
        except ValueError:  # not a path: it has a NUL or a lone surrogate
            return True
        return any(real == root or real.startswith(os.path.join(root, "")) for root in self._real)

    def _find_similar(self, folder: Path, written: str) -> Path | None:
        """Follow a name part by part, where each part is an exact entry or the only similar entry."""
        path = folder
        for part in Path(written).parts:
            if part != ".." and not os.path.lexists(path / part):
                near = self._entries(path).get(_folded(part), [])
                composed = [entry for entry in near if _composed(entry) == _composed(part)]
                near = composed or near
                if len(near) > 1:
                    raise NameProblem(f"may mean {' or '.join(map(shown, near[:2]))}. Write the exact name.")
                if not near:
                    return None
                part = near[0]
            path = path / part
        return path if os.path.isfile(path) else None

    def _entries(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._listed:
            entries = defaultdict(list)
            try:
                for entry in sorted(os.listdir(folder)):
                    entries[_folded(entry)].append(entry)
            except (OSError, ValueError):  # not a folder, or no permission
                pass
            self._listed[folder] = dict(entries)
        return self._listed[folder]


def visible(folder: Path) -> Iterator[Path]:
    """Yield what lies below a folder, except hidden names and what lies in hidden folders.

    Editors and systems put copies there, such as .ipynb_checkpoints/ and ._0001.png.
    """
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]  # `os.walk` goes into those that are left
        yield from (Path(parent, name) for name in (*folders, *files) if not name.startswith("."))


def shown(name: str) -> str:
    """Return a name for a message: on one line, shortened, and with bytes that are not UTF-8 escaped."""
    name = writable(name)
    return name if len(name) <= SHOWN_CHARACTERS else f"{name[:SHOWN_CHARACTERS]}…"


def writable(name: str) -> str:
    """Return a name in which line breaks, other unprintable characters and bytes that are not UTF-8 are escaped."""
    if name.isprintable():
        return name
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)


def without_slash(word: str) -> str:
    """Return a folder's name without trailing slashes, so that `lines/` and `lines` are the same."""
    return word.rstrip("/") or word


def may_be_on_hub(word: str) -> bool:
    """Whether a word may be owner/name on the Hub: it has this form, and there is no local folder called owner."""
    owner, _, name = word.partition("/")
    return bool(owner and name) and "/" not in name and owner[0] not in ".~" and not os.path.isdir(owner)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(_composed(unquote(name)).lower())


def _hub_blobs(root: Path) -> Path | None:
    """Return the folder of the Hub's cache with the files that a snapshot links to; the root may be in a snapshot."""
    for folder in (root.absolute(), *root.absolute().parents):
        blobs = folder.parent.parent / "blobs"
        if folder.parent.name == "snapshots" and blobs.is_dir():
            return Path(os.path.realpath(blobs))
    return None


def check_folder(field: str, path: str | Path | None, else_give: str) -> None:
    """Check that a path is a folder, or may be a name on the Hub.

    Raises:
        ValueError: if it is neither; the message says what else to give.
    """
    if path is None or os.path.isdir(path):
        return
    if isinstance(path, Path) or not may_be_on_hub(path):
        raise ValueError(
            f"`{field}`: there is no folder {shown(str(path))}. Give {else_give}, or owner/name on the Hub."
        )


def split_source(source: str) -> tuple[str, float | None]:
    """Split `path:weight` into path and weight; the weight is None if it is missing, or the name is that of a folder.

    Raises:
        ValueError: if the weight is not positive.
    """
    if os.path.exists(source):  # a folder may be called 12:30
        return source, None
    path, _, word = source.rpartition(":")
    try:
        weight = float(word)
    except ValueError:
        return source, None
    if not path:
        return source, None
    if not 0 < weight < float("inf"):
        raise ValueError(f"`train`: the weight of {path} must be positive, got {word}.")
    return path, weight


def in_words(value: Any) -> str:
    """Describe a value of a row for a message, without the notation of Python."""
    for kind, name in ((dict, "an object"), (list, "a list"), (bytes, "bytes")):
        if isinstance(value, kind):
            return name
    is_json = value is None or isinstance(value, bool | str)
    return shown(json.dumps(value, ensure_ascii=False, allow_nan=False) if is_json else str(value))
