"""What was read so far, in parts beside the file that it will become.

What is unusual:
- a process adds to no part but one that it began itself, so that whatever is killed leaves a torn last line at worst,
  and that is passed over;
- a part opens with what was asked for, so that the readings of another run are never mixed in;
- nothing says which process reads what: a line is done if a part holds it, however many processes there were.
"""

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from trocr_gsa.atomic import naming, open_atomically, remove_leftovers
from trocr_gsa.data.line import Alternative, Line
from trocr_gsa.data.numbers import round_characters, to_json
from trocr_gsa.data.words import Word

ABSENT = -1


class Parts:
    """The parts of one output.

    Args:
        output: the file that the lines will stand in, in the order of the pictures.
        run: what was asked for, by the names of the options: parts with anything else are refused.
        count: of pictures.
    """

    def __init__(self, output: Path, run: dict[str, Any], count: int) -> None:
        self.output = output.resolve()
        self.folder = self.output.with_name(self.output.name + ".parts")
        self.run = json.loads(to_json(run))  # as it is read back
        self.paths: list[Path] = []
        self.problems: dict[int, str] = {}
        self._part = np.full(count, ABSENT, dtype=np.int32)
        self._offset = np.zeros(count, dtype=np.int64)

    def begin(self, anew: bool) -> None:
        """Make place for parts; `anew` throws away those that are there."""
        if anew and self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(exist_ok=True)
        remove_leftovers(self.output.parent)

    @contextmanager
    def kept_if_used(self) -> Iterator[None]:
        """Leave no empty folder behind where what stands inside the block fails."""
        try:
            yield
        except BaseException:
            with suppress(OSError):  # it holds parts
                self.folder.rmdir()
            raise

    def look(self) -> None:
        """Find out what the parts hold.

        Raises:
            ValueError: if one is of another run.
        """
        self.paths = sorted(self.folder.glob("*.jsonl"))
        for number, path in enumerate(self.paths):
            with path.open("rb") as part:
                opening = part.readline()
                if opening.endswith(b"\n"):
                    self._check(path, opening)
                    self._look_through(number, part, len(opening))

    def missing(self) -> list[int]:
        """Return the places of the pictures that were not read; those that could not be are worth another try."""
        return np.flatnonzero(self._part == ABSENT).tolist()

    @contextmanager
    def writer(self) -> Iterator[Callable[[dict[int, Line]], None]]:
        """Begin a part, and yield what adds lines to it, by the places of their pictures."""
        path = self.folder / f"{uuid.uuid4().hex}.jsonl"
        with naming(path), path.open("x", encoding="utf-8") as part:
            _write(part, {"run": self.run})

            def add(lines: dict[int, Line]) -> None:
                for place, line in lines.items():
                    _write(part, {"place": place} | _as_kept(line))
                part.flush()

            yield add

    def merge(self, open_writer: Callable[[Any], Callable[[Line], object]]) -> None:
        """Write the output, which appears when it is complete, and take the parts away.

        Args:
            open_writer: stream → what writes a line to it.

        Raises:
            ValueError: if a picture is in no part.
        """
        with open_atomically(self.output, errors="backslashreplace") as stream:
            write = open_writer(stream)
            for line in self._lines():
                write(line)
        shutil.rmtree(self.folder)

    def _lines(self) -> Iterator[Line]:
        absent = [place for place in self.missing() if place not in self.problems]
        if absent:
            raise ValueError(
                f"`--output`: {len(absent)} of {len(self._part)} pictures are in no part in {self.folder}. All "
                "processes must see the same folder there; run the command again, and what is missing is read."
            )
        with ExitStack() as stack:
            parts = [stack.enter_context(path.open("rb")) for path in self.paths]
            for number, offset in zip(self._part.tolist(), self._offset.tolist(), strict=True):
                if number != ABSENT:
                    parts[number].seek(offset)
                    fields = json.loads(parts[number].readline())
                    del fields["place"]
                    yield _line(fields)

    def _look_through(self, number: int, part: Any, offset: int) -> None:
        for row in part:
            try:
                fields = json.loads(row) if row.endswith(b"\n") else {}
            except ValueError:  # torn by what took the machine down, not the process alone
                fields = {}
            place = fields.get("place")
            if place is not None and fields["error"] is None:
                self._part[place], self._offset[place] = number, offset
                self.problems.pop(place, None)
            elif place is not None and self._part[place] == ABSENT:
                self.problems[place] = fields["error"]
            offset += len(row)

    def _check(self, path: Path, opening: bytes) -> None:
        try:
            before = json.loads(opening)["run"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"`--output`: {path} is no part of a reading. Move it, or name another file.") from None
        for name in self.run | before:
            if before.get(name) != self.run.get(name):
                raise ValueError(
                    f"`--output`: {path} was begun with other {name}: {before.get(name)} then, {self.run.get(name)} "
                    "now. Finish that run with its own words, name another file, or begin anew with --overwrite."
                )


def _as_kept(line: Line) -> dict[str, Any]:
    """Return all that is known of a line, with rounded numbers, or they would be most of the part."""
    rounded: dict[str, Any] = {"character_confidences": round_characters(line.character_confidences)}
    for name in ("words", "alternatives"):
        value = getattr(line, name)
        rounded[name] = value and [each.as_fields() for each in value]
    return asdict(line) | rounded


def _line(fields: dict[str, Any]) -> Line:
    """Return the line that `_as_kept` described."""
    words, alternatives = fields.get("words"), fields.get("alternatives")
    read = {
        "character_confidences": tuple(fields.get("character_confidences", ())),
        "words": None if words is None else tuple(map(Word.from_fields, words)),
        "alternatives": None if alternatives is None else tuple(Alternative(**each) for each in alternatives),
    }
    return Line(**fields | read)


def _write(part: TextIO, fields: dict[str, Any]) -> None:
    part.write(to_json(fields) + "\n")
