"""Results of an unfinished run, in part files beside the output file.

What is unusual:
- a process only appends to a part file that it created itself. A kill leaves at worst an incomplete last line, which is
  ignored;
- a part file begins with the options of the run, so that results of another run are never mixed in;
- the lines are not assigned to processes: a line is finished if any part file has it, however many processes there
  were.
"""

import json
import math
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from trocr_gsa.atomic import naming, open_atomically, remove_leftovers
from trocr_gsa.data.line import Alternative, Line, OtherText
from trocr_gsa.data.numbers import round_characters, to_json
from trocr_gsa.data.words import Word

ABSENT = -1


def check_same_run(path: Path, before: dict[str, Any], run: dict[str, Any]) -> None:
    """Check that an earlier run, whose intermediate files are at a path, had the same options.

    Raises:
        ValueError: if not.
    """
    for name in run | before:
        if before.get(name) != run.get(name):
            raise ValueError(
                f"`--output`: {path} was started with another {name}: {before.get(name)} then, {run.get(name)} now. "
                "Finish that run with its options, choose another output file, or start again with --overwrite."
            )


class Parts:
    """The part files of one output.

    Args:
        output: the final file, with the lines in the order of the images.
        run: the options of the run by name; part files with other options are refused.
        count: number of images.
    """

    def __init__(self, output: Path, run: dict[str, Any], count: int) -> None:
        self.output = output.resolve()
        self.folder = self.output.with_name(self.output.name + ".parts")
        self.run = json.loads(to_json(run))  # as it will be read back
        self.paths: list[Path] = []
        self.problems: dict[int, str] = {}
        self._part = np.full(count, ABSENT, dtype=np.int32)
        self._offset = np.zeros(count, dtype=np.int64)

    def begin(self, anew: bool) -> None:
        """Create the folder of the part files; `anew` first removes those that exist."""
        if anew and self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(exist_ok=True)
        remove_leftovers(self.output.parent)

    @contextmanager
    def kept_if_used(self) -> Iterator[None]:
        """Remove the folder if it is empty and the block fails."""
        try:
            yield
        except BaseException:
            with suppress(OSError):  # not empty
                self.folder.rmdir()
            raise

    def look(self) -> None:
        """Find the lines that the part files hold.

        Raises:
            ValueError: if one belongs to another run.
        """
        self.paths = sorted(self.folder.glob("*.jsonl"))
        for number, path in enumerate(self.paths):
            with path.open("rb") as part:
                opening = part.readline()
                if opening.endswith(b"\n"):
                    self._check(path, opening)
                    self._look_through(number, part, len(opening))

    def missing(self) -> list[int]:
        """Return the indices of images without a result; those that failed are tried again."""
        return np.flatnonzero(self._part == ABSENT).tolist()

    @contextmanager
    def writer(self) -> Iterator[Callable[[dict[int, Line]], None]]:
        """Create a part file, and yield a function that appends lines to it, by the indices of their images."""
        path = self.folder / f"{uuid.uuid4().hex}.jsonl"
        with naming(path), path.open("x", encoding="utf-8") as part:
            _write(part, {"run": self.run})

            def add(lines: dict[int, Line]) -> None:
                for place, line in lines.items():
                    _write(part, {"place": place} | _as_kept(line))
                part.flush()

            yield add

    def merge(self, open_writer: Callable[[Any], Callable[[Line], object]]) -> None:
        """Write the output, which appears once it is complete, and remove the part files.

        Args:
            open_writer: stream → a function that writes a line to it.

        Raises:
            ValueError: if an image has no result in any part file.
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
                f"`--output`: {len(absent)} of {len(self._part)} images have no result in {self.folder}. All processes "
                "must use the same folder. Run the command again: it reads the missing images."
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
            except ValueError:  # incomplete: the whole machine went down
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
            problem = f"`--output`: {path} is not a part file of a run. Move it, or choose another output file."
            raise ValueError(problem) from None
        check_same_run(path, before, self.run)


def _as_kept(line: Line) -> dict[str, Any]:
    """Return all fields of a line, with rounded numbers to keep the part files small."""
    also = [each.as_fields() for each in line.also]
    rounded: dict[str, Any] = {"character_confidences": round_characters(line.character_confidences)}
    for name in ("words", "alternatives"):
        value = getattr(line, name)
        rounded[name] = value and [each.as_fields() for each in value]
    return asdict(line) | rounded | {"also": also}


def _line(fields: dict[str, Any]) -> Line:
    """Return a line from the fields that `_as_kept` returned."""
    words, alternatives = fields.get("words"), fields.get("alternatives")
    read = {
        "confidence": _confidence(fields),
        "character_confidences": tuple(fields.get("character_confidences", ())),
        "words": None if words is None else tuple(map(Word.from_fields, words)),
        "alternatives": None if alternatives is None else tuple(Alternative(**each) for each in alternatives),
        "also": tuple(OtherText(**each | {"confidence": _confidence(each)}) for each in fields.get("also", ())),
    }
    return Line(**fields | read)


def _confidence(fields: dict[str, Any]) -> float:
    """Return a confidence as it was: JSON has no NaN."""
    return math.nan if fields.get("confidence") is None else fields["confidence"]


def _write(part: TextIO, fields: dict[str, Any]) -> None:
    part.write(to_json(fields) + "\n")
