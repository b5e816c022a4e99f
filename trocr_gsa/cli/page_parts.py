"""Pages that go into one file: kept in a folder beside it, a file a page, until all of them have been read.

What is unusual: a page's file appears when the page is read, with what was wrong in it. So whoever stops the run loses
no page that was finished, and whoever goes on with it hears again what had been left out.
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
    """What was read of the pages of one output.

    Args:
        output: the file that they will stand in, in the order given.
        run: what was asked for, by the names of the options: pages of another run are refused.
        join: files of one page each → one file of all, written to a stream; None: their texts follow one another.
    """

    def __init__(
        self, output: Path, run: dict[str, Any], join: Callable[[Iterable[Path], IO[bytes]], None] | None = None
    ) -> None:
        self.join = join
        self.output = Path(os.path.realpath(output))
        self.folder = self.output.with_name(self.output.name + ".pages")
        self.run = json.loads(to_json(run))  # as it is read back

    def begin(self, anew: bool) -> None:
        """Look at the pages that are there; `anew` throws them away.

        Raises:
            ValueError: if they are of another run.
        """
        if anew and self.folder.exists():
            shutil.rmtree(self.folder)
        remove_leftovers(self.folder)
        remove_leftovers(self.output.parent)
        before = _read(self.folder / RUN) or self.run
        for name in self.run | before:
            if before.get(name) != self.run.get(name):
                raise ValueError(
                    f"`--output`: {self.folder} was begun with other {name}: {before.get(name)} then, "
                    f"{self.run.get(name)} now. Finish that run with its own words, name another file, or begin anew "
                    "with --overwrite."
                )

    def holds(self, place: int) -> bool:
        """Whether the page at this place has been read."""
        return self._path(place).is_file()

    def problems(self, place: int) -> list[str]:
        """What was left out of a page that has been read."""
        return (_read(self._path(place)) or {}).get("problems", [])

    def add(self, place: int, content: bytes, problems: list[str]) -> None:
        """Keep what was read of a page, and what was not."""
        if not (self.folder / RUN).exists():  # not before a page is read: a run that never began leaves nothing
            write_json(self.folder / RUN, self.run)
        if self.join is None:
            write_json(self._path(place), {"content": content.decode(), "problems": problems})
        else:
            write_bytes(self._content_path(place), content)
            write_json(self._path(place), {"problems": problems})

    def merge(self, header: str, count: int) -> None:
        """Write the output of `count` pages, which appears when it is complete, and take the parts away."""
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
