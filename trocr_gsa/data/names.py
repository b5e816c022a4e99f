"""Finding a file by the name that a list or a page gives it, and never one outside of the folder that was given.

What is unusual: names travel between systems, and come back with backslashes, in other case, with accents composed or
taken apart, or percent-encoded. The file that is named exactly wins; otherwise the only one that differs in no more.
"""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote

SHOWN_LETTERS = 120  # of a name in a message
LONGEST_PATH = 4096  # letters; no system has longer ones, and to follow a million steps would take hours


class NameProblem(ValueError):
    """A name that must not be followed, or means several files; the message goes behind the name."""


class OutsideProblem(NameProblem):
    """A name that leads outside of the folder that was given."""


class FolderNames:
    """The files of a folder by the names that others give them.

    Args:
        roots: folders, links followed; nothing outside of all of them is ever returned.
    """

    def __init__(self, *roots: Path) -> None:
        """Look at nothing yet: a folder is listed when a name is not found as it is written."""
        self.roots = roots
        self._real = [os.path.realpath(root) for root in roots]
        self._real += [str(blobs) for root in roots if (blobs := _hub_blobs(root)) is not None]
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, folder: Path, name: str) -> Path | None:
        """Return the file that a name in `folder` means; None if there is none.

        Raises:
            OutsideProblem: if it leads outside of the roots.
            NameProblem: if it is as near to several files.
        """
        if len(name) > LONGEST_PATH:
            return None
        for written in dict.fromkeys((name, name.replace("\\", "/"), unquote(name).replace("\\", "/"))):
            exact = self._inside(folder / written)
            if os.path.isfile(exact):  # where Path.is_file raises, on names that are too long, this says no
                return exact
            near = None if Path(written).is_absolute() else self._nearly(folder, written)
            if near is not None:
                return self._inside(near)
        return None

    def _inside(self, path: Path) -> Path:
        if not self.holds(path):
            raise OutsideProblem(f"leads outside of {self.roots[0]}, and is not followed. Put it into the folder.")
        return path

    def holds(self, path: Path) -> bool:
        """Whether a path, its links followed, stays inside; one that leads nowhere does if it says so."""
        try:
            real = os.path.realpath(path)
        except ValueError:  # no path: it holds a NUL or half a character
            return True
        return any(real == root or real.startswith(os.path.join(root, "")) for root in self._real)

    def _nearly(self, folder: Path, written: str) -> Path | None:
        """Follow a name part by part, each as it is written or by the only entry that is nearly the same."""
        path = folder
        for part in Path(written).parts:
            if part != ".." and not os.path.lexists(path / part):
                near = self._entries(path).get(_folded(part), [])
                composed = [entry for entry in near if _composed(entry) == _composed(part)]
                near = composed or near
                if len(near) > 1:
                    raise NameProblem(f"is as near to {' and '.join(map(shown, near[:2]))}. Write the name as it is.")
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
            except (OSError, ValueError):  # no folder, or one that may not be looked into
                pass
            self._listed[folder] = dict(entries)
        return self._listed[folder]


def shown(name: str) -> str:
    """Return a name as a message and UTF-8 can hold it: on one line, not endless, bytes that are no UTF-8 escaped."""
    name = writable(name)
    return name if len(name) <= SHOWN_LETTERS else f"{name[:SHOWN_LETTERS]}…"


def writable(name: str) -> str:
    """Return a name with what UTF-8 or one line cannot hold escaped."""
    if name.isprintable():
        return name
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)


def without_slash(word: str) -> str:
    """Return a folder's name as it is without a slash behind it: `lines/` and `lines` are one."""
    return word.rstrip("/") or word


def may_be_on_hub(word: str) -> bool:
    """Whether a word that is no folder here may be owner/name on the Hub: no folder here is called owner."""
    owner, _, name = word.partition("/")
    return bool(owner and name) and "/" not in name and owner[0] not in ".~" and not os.path.isdir(owner)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(_composed(unquote(name)).lower())


def _hub_blobs(root: Path) -> Path | None:
    """Where the Hub's cache keeps the files that a snapshot, in or above the folder, links to."""
    for folder in (root.absolute(), *root.absolute().parents):
        blobs = folder.parent.parent / "blobs"
        if folder.parent.name == "snapshots" and blobs.is_dir():
            return Path(os.path.realpath(blobs))
    return None


def check_folder(field: str, path: str | Path | None, else_give: str) -> None:
    """Refuse what can only be meant as a folder and is none; any other name may be one on the Hub.

    Raises:
        ValueError: if there is no such folder; the message says what else to give.
    """
    if path is None or os.path.isdir(path):
        return
    if isinstance(path, Path) or not may_be_on_hub(path):
        raise ValueError(
            f"`{field}`: there is no folder {shown(str(path))}. Give {else_give}, or owner/name on the Hub."
        )


def split_source(source: str) -> tuple[str, float | None]:
    """Split `path:weight` into path and weight; without a weight, or where a folder is called so, it is None.

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
