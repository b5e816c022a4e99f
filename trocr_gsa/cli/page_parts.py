"""Intermediate files of pages that go into one output file: one file per page, in a folder beside the output.

What is unusual: a page's file appears when the page has been read, and includes its messages. So a run that is stopped
loses no finished page, and when it is resumed it reports again what was left out.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from trocr_gsa.atomic import open_atomically, remove_leftovers, write_bytes, write_json
from trocr_gsa.data.numbers import to_json

RUN = "run.json"


class PageParts:
    """The pages of one output that have been read.

    Args:
        output: the file for all pages, in the order given.
        run: the settings of the run, by the names of the options: pages of a run with other settings are refused.
        join: merges files of one page each into a stream; None: the texts are concatenated.
    """

    def __init__(
        self, output: Path, run: dict[str, Any], join: Callable[[Iterable[Path], IO[bytes]], None] | None = None
    ) -> None:
        self.join = join
        self.output = Path(os.path.realpath(output))
        self.folder = self.output.with_name(self.output.name + ".pages")
        self.run = json.loads(to_json(run))  # with the types that JSON has, to compare with the file

    def begin(self, overwrite: bool) -> None:
        """Check the pages of an earlier run, or delete them if `overwrite`.

        Raises:
            ValueError: if that run had other settings.
        """
        from trocr_gsa.reader.parts import check_same_run

        if overwrite and self.folder.exists():
            shutil.rmtree(self.folder)
        remove_leftovers(self.folder)
        remove_leftovers(self.output.parent)
        check_same_run(self.folder, _read(self.folder / RUN) or self.run, self.run)

    def holds(self, place: int) -> bool:
        """Whether the page at this index has been read."""
        return self._path(place).is_file()

    def problems(self, place: int) -> list[str]:
        """Return messages about what was left out of a page that has been read."""
        return (_read(self._path(place)) or {}).get("problems", [])

    def add(self, place: int, content: bytes, problems: list[str]) -> None:
        """Store a page that was read, with its messages."""
        if not (self.folder / RUN).exists():  # only now, so that a run without a page leaves no folder
            write_json(self.folder / RUN, self.run)
        if self.join is None:
            write_json(self._path(place), {"content": content.decode(), "problems": problems})
        else:
            write_bytes(self._content_path(place), content)
            write_json(self._path(place), {"problems": problems})

    def merge(self, header: str, count: int) -> None:
        """Write the output of `count` pages atomically, and remove the intermediate files."""
        read = [place for place in range(count) if self.holds(place)]
        with open_atomically(self.output, "wb") as stream:
            if self.join is not None:
                self.join(map(self._content_path, read), stream)
            else:
                stream.write(header.encode())
                for place in read:
                    stream.write(_read(self._path(place))["content"].encode())  # pyright: ignore[reportOptionalSubscript]
        shutil.rmtree(self.folder, ignore_errors=True)

    def _content_path(self, place: int) -> Path:
        return self.folder / f"{place}.page"

    def _path(self, place: int) -> Path:
        return self.folder / f"{place}.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
