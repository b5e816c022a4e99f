"""Folders of lines to correct: texts are read from them and saved to them one at a time.

What is unusual: several people, also in several processes, may correct one folder. A text is saved only if it is still
the one that was shown; each save is atomic, and a lock keeps two of them apart. So nobody overwrites what they have not
seen.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

from PIL import Image

from trocr_gsa.atomic import write_bytes, write_json
from trocr_gsa.data.correction_queue import LIST
from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.images import PICTURE_SUFFIXES, load_image
from trocr_gsa.data.line import Line
from trocr_gsa.data.names import FolderNames
from trocr_gsa.data.pages import PageError, PageFile, find_pages, holds_pages, one_of_each
from trocr_gsa.data.pages.conversion import filled_in
from trocr_gsa.data.samples import clean_text
from trocr_gsa.data.sources import TRUTH_SUFFIX, find_truths, picture_beside
from trocr_gsa.data.textfiles import read_text
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.pages import read_pages

try:
    import fcntl
except ImportError:  # Windows: only the threads of one process are kept apart
    fcntl = None

MARKS = "corrected.json"  # the lines that people have looked at
LOCK = ".correcting.lock"
LONGEST_LIST = 10**9  # characters


@dataclass(frozen=True)
class Saved:
    """The text of a line as it is in the folder.

    Attributes:
        text: the text; empty if there is none.
        version: changes whenever the text does.
        is_corrected: whether a person has saved it.
    """

    text: str
    version: str
    is_corrected: bool


class ChangedError(ValueError):
    """A line that has another text than the one that was shown.

    Attributes:
        saved: what it is now.
    """

    def __init__(self, saved: Saved) -> None:
        super().__init__("another has changed this line since it was shown to you")
        self.saved = saved


class LinesToCorrect(Protocol):
    """A folder whose lines have texts."""

    @property
    def names(self) -> Sequence[str]:
        """Names of its lines."""
        ...

    def picture(self, name: str) -> Image.Image:
        """Return a line's picture.

        Raises:
            ImageError: if it cannot be read.
        """
        ...

    def saved(self, name: str) -> Saved:
        """Return a line's text as it is now."""
        ...

    def all_saved(self, names: Sequence[str]) -> list[Saved]:
        """Return what `saved` does for each line; what all lines share is read once."""
        ...

    def corrected(self) -> set[str]:
        """Return the names of the lines that a person has corrected."""
        ...

    def save(self, name: str, text: str, version: str, orientation: float) -> None:
        """Save a corrected text.

        Args:
            name: of the line.
            text: the new text.
            version: of the text that the person has seen.
            orientation: of the line on its page, degrees counter-clockwise.

        Raises:
            ChangedError: if the text is another one by now.
            ValueError: if the line is gone or cannot be written.
        """
        ...


class LineFolder:
    """Pictures of lines, with a .gt.txt file beside each whose text is known.

    In a folder of `read --queue`, a text that is still the one that was read is not corrected. In other folders, a text
    that is there was written by a person.

    Args:
        folder: with the pictures.

    Attributes:
        problems: messages about pictures that cannot be corrected here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._truths = _truths_of_pictures(folder)
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        files = [path for path in inside if path.suffix.lower() in PICTURE_SUFFIXES]
        shared = Counter(self._truth(path.name) for path in files)  # a text could be that of another picture
        self._files = {path.name: path for path in files if shared[self._truth(path.name)] == 1}
        self.problems = [
            f"{truth.name}: {count} pictures have this text file. Give each its own name."
            for truth, count in shared.items()
            if count > 1
        ]
        self.confidences: dict[str, float] = {}
        self._drafts: dict[str, str] = {}
        with suppress(FileNotFoundError):
            for row in csv.DictReader(io.StringIO(_list_of(folder))):
                with suppress(KeyError, TypeError, ValueError):
                    self.confidences[row["file"]] = float(row["confidence"])
                    self._drafts[row["file"]] = row["text"]

    @property
    def names(self) -> Sequence[str]:
        """See `LinesToCorrect`."""
        return list(self._files)

    def picture(self, name: str) -> Image.Image:
        """See `LinesToCorrect`."""
        return load_image(self._files[name], name)

    def saved(self, name: str) -> Saved:
        """See `LinesToCorrect`."""
        return self._saved(name, _marks(self.folder))

    def all_saved(self, names: Sequence[str]) -> list[Saved]:
        """See `LinesToCorrect`."""
        marks = _marks(self.folder)
        return [self._saved(name, marks) for name in names]

    def _saved(self, name: str, marks: set[str]) -> Saved:
        path = self._truth(name)
        text = clean_text(read_text(path)) if path.is_file() else None
        is_draft = not text or text == clean_text(self._drafts.get(name, ""))
        return Saved(text or "", _version(text), not is_draft or name in marks)

    def corrected(self) -> set[str]:
        """See `LinesToCorrect`."""
        marks = _marks(self.folder)
        return {name for name in self._files if self._saved(name, marks).is_corrected}

    def save(self, name: str, text: str, version: str, orientation: float) -> None:
        """See `LinesToCorrect`."""
        with _locked(self.folder):
            _check(self.saved(name), version, text)
            write_bytes(self._truth(name), f"{text}\n".encode())
            _mark(self.folder, name)

    def _truth(self, name: str) -> Path:
        return self._truths.get(name) or self.folder / (Path(name).stem + TRUTH_SUFFIX)


def _truths_of_pictures(folder: Path) -> dict[str, Path]:
    """Return the .gt.txt files that are there by the names of their pictures, as `open_source` finds these."""
    names, truths = FolderNames(folder), {}
    for truth in find_truths(folder):
        if truth.parent == folder:
            with suppress(ValueError):  # it has no picture, or several
                truths.setdefault(picture_beside(truth, names).name, truth)
    return truths


class PageFolder:
    """PAGE or ALTO files, with the pictures of their pages.

    Args:
        folder: with the files.
        pictures: folder in which pictures of lines are kept while it is used.
        reader: reads the lines once, so that the least certain come first.

    Attributes:
        readings: what was read in each line, by its name.
        problems: messages about lines that cannot be corrected here.
    """

    def __init__(self, folder: Path, pictures: Path, reader: LineReader) -> None:
        self.folder, self.problems = folder, []
        self._files: dict[str, tuple[PageFile, int]] = {}
        self._pictures: dict[str, Path] = {}
        self._texts: dict[Path, tuple[tuple[int, ...], dict[int, tuple[str, str]]]] = {}  # as they were last seen
        self.readings: dict[str, Line] = {}
        named: Counter[str] = Counter()

        def keep(image: Image.Image, line: Line) -> None:
            path = pictures / f"{len(self._pictures)}.png"
            image.save(path)
            self._pictures[line.source], self.readings[line.source] = path, line

        files, _ = one_of_each(find_pages(folder))
        for page in read_pages(reader, files, seen=keep):
            self.problems += page.problems
            if page.page is not None and isinstance(page.file, PageFile):
                for line in page.page.lines:
                    named[page.page.line_name(line)] += 1
                    self._files[page.page.line_name(line)] = page.file, line.position
        several = [name for name, count in named.items() if count > 1]  # a text could be saved to the wrong one
        self.problems += [f"{name}: {named[name]} lines have this id. Give each its own." for name in several]
        self._files = {name: file for name, file in self._files.items() if named[name] == 1 and name in self._pictures}

    @property
    def names(self) -> Sequence[str]:
        """See `LinesToCorrect`."""
        return list(self._files)

    def picture(self, name: str) -> Image.Image:
        """See `LinesToCorrect`."""
        return load_image(self._pictures[name], name)

    def saved(self, name: str) -> Saved:
        """See `LinesToCorrect`."""
        return self._saved(name, _marks(self.folder))

    def all_saved(self, names: Sequence[str]) -> list[Saved]:
        """See `LinesToCorrect`."""
        marks = _marks(self.folder)
        return [self._saved(name, marks) for name in names]

    def _saved(self, name: str, marks: set[str]) -> Saved:
        file, position = self._files[name]
        found, text = self._texts_of(file).get(position, ("", ""))
        if found != name:
            raise PageError(f"{name}: the file has changed, and this line is gone. Start the server again.")
        return Saved(text, _version(text), name in marks)

    def _texts_of(self, file: PageFile) -> dict[int, tuple[str, str]]:
        """Return name and text of each line of a page by its position, parsed again only if the file has changed."""
        status = file.path.stat()
        state = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._texts.get(file.path)
        if known is None or known[0] != state:
            page = file.read()
            texts: dict[int, tuple[str, str]] = {}
            if page is not None:
                texts = {line.position: (page.line_name(line), clean_text(line.text)) for line in page.lines}
            known = self._texts[file.path] = (state, texts)
        return known[1]

    def corrected(self) -> set[str]:
        """See `LinesToCorrect`."""
        return _marks(self.folder) & self._files.keys()

    def save(self, name: str, text: str, version: str, orientation: float) -> None:
        """See `LinesToCorrect`; other lines of the page stay as they are in the file."""
        file, position = self._files[name]
        with _locked(self.folder):
            _check(self.saved(name), version, text)
            page = file.read()
            assert page is not None  # `saved` has read it
            corrected = Line(text, 1.0, orientation)
            lines = [corrected if line.position == position else None for line in page.lines]
            content, _ = filled_in(page, lines, FORMATS[page.kind.lower()])
            write_bytes(file.path, content)
            _mark(self.folder, name)


def open_lines(
    folder: Path, pictures: Path, reader: LineReader
) -> tuple[LinesToCorrect, dict[str, Line], Sequence[str]]:
    """Open a folder, and read its lines where their confidence is not known.

    Args:
        folder: of pictures of lines, or of PAGE or ALTO files with their pictures.
        pictures: an empty folder for pictures of lines.
        reader: that reads them.

    Returns: the lines; what was read in each that can be read, by its name; and messages about the others.

    Raises:
        ValueError: if there is no line in the folder.
    """
    if not folder.is_dir():
        raise ValueError(f"`--correct`: there is no folder {folder}. Give a folder of lines or of PAGE or ALTO files.")
    lines: LinesToCorrect
    if holds_pages(folder):
        lines = PageFolder(folder, pictures, reader)
        found, problems = lines.readings, lines.problems
    else:
        lines = LineFolder(folder)
        unread = [name for name in lines.names if name not in lines.confidences]
        read = reader.read([folder / name for name in unread]) if unread else []
        problems = [*lines.problems, *(line.error for line in read if line.error is not None)]
        found = {name: line for name, line in zip(unread, read, strict=True) if line.error is None}
        found |= {name: Line("", confidence, 0.0) for name, confidence in lines.confidences.items()}
    readings = {name: found[name] for name in lines.names if name in found}
    if not readings:
        raise ValueError(
            f"`--correct`: {folder} has no pictures of lines, and no PAGE or ALTO files with lines, that can be read. "
            "`trocr-gsa read --queue 100` writes such a folder."
        )
    return lines, readings, problems


def _check(now: Saved, version: str, text: str) -> None:
    """Refuse to save over a text that the person has not seen, unless it is the same text."""
    if now.version != version and now.text != text:
        raise ChangedError(now)


def _version(text: str | None) -> str:
    return "none" if text is None else hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _list_of(folder: Path) -> str:
    try:
        return read_text(folder / LIST, LONGEST_LIST)
    except ValueError as error:
        raise ValueError(f"{folder / LIST} {error}") from error


def _marks(folder: Path) -> set[str]:
    try:
        return set(json.loads((folder / MARKS).read_bytes()))
    except FileNotFoundError:
        return set()
    except ValueError as error:
        raise ValueError(
            f"{folder / MARKS}: is damaged ({error}). Delete it: only marks are lost, no texts."
        ) from error


def _mark(folder: Path, name: str) -> None:
    if name not in (marks := _marks(folder)):
        write_json(folder / MARKS, sorted(marks | {name}))


_saving = Lock()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Context manager inside which nobody else saves to the folder."""
    with _saving, (folder / LOCK).open("a") as file:
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        yield
