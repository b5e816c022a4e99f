"""Lines whose pictures are stored somewhere: checked once when opened, decoded when asked for.

Opening reads every text and every picture's header. What cannot be used is left out and listed in `problems`, one clear
line each. A table's pictures are in the table: a path that it gives instead is followed into the folders that are known
to hold its pictures, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from .doubtful import doubtful_characters, is_seen
from .images import ImageError, ImageSource, image_size, load_image
from .names import FolderNames, shown
from .samples import LineDataset, LineSample, clean_text
from .textfiles import has_half_characters


@dataclass(frozen=True)
class Record:
    """Where a line's picture is (a key into the dataset's `Pictures`), and what is known of it."""

    key: int | str
    text: str
    name: str
    document: str | None = None
    angle: float = 0.0


class Pictures(Protocol):
    """Pictures by key; picklable, so that worker processes open their own."""

    def __getitem__(self, key: Any, /) -> ImageSource:
        """The picture, undecoded.

        Raises:
            ImageError: if there is none that may be opened; the message goes behind the line's name.
        """
        ...


class FilePictures:
    """Pictures in files: the key is the path."""

    def __getitem__(self, key: str) -> str:
        """The path itself."""
        return key


class ParquetPictures:
    """Pictures in a column of a parquet file: the key is the row.

    Args:
        path: the file.
        column: bytes, or a struct with `bytes` and `path` as `datasets` writes it.
    """

    def __init__(self, path: str, column: str) -> None:
        """Read the column into memory, once a process.

        Not by a memory map: the values are copied out of the file in any case, and who maps a file that is written
        anew dies of it (SIGBUS). Without a buffer for the whole file, 307 MB of pictures take 0.4 GB at most, not 0.7.
        """
        self.path, self.column = path, column
        self.values = pq.read_table(path, columns=[column], memory_map=False, pre_buffer=False)[column]

    def __getitem__(self, key: int) -> ImageSource:
        """The row's bytes."""
        return embedded(self.values[key].as_py())

    def __reduce__(self) -> tuple[type[ParquetPictures], tuple[str, str]]:
        """Travel to another process as a path, not as the pictures."""
        return ParquetPictures, (self.path, self.column)


def embedded(value: Any, folders: FolderNames | None = None) -> ImageSource:
    """The picture in a cell of a table: bytes, or a struct with `bytes` and `path` as `datasets` writes it.

    Args:
        value: the cell.
        folders: where a path without bytes may lead; None: nowhere.

    Raises:
        ImageError: if it holds no picture, or only the path of one; the message goes behind the line's name.
    """
    content = value.get("bytes") if isinstance(value, dict) else value
    path = value.get("path") if isinstance(value, dict) else value
    if content is None and path is None:
        return b""
    if isinstance(content, bytes):
        return content
    if not isinstance(path, str):
        raise ImageError(f"the cell holds {type(value).__name__} instead of a picture. Store pictures as bytes.")
    if folders is None or not Path(path).is_absolute() or not folders.holds(Path(path)):
        raise ImageError(
            f"the table holds only the path {shown(path)}, which is not followed. Store the picture itself as bytes."
        )
    return path


class StoredLines(LineDataset):
    """Lines kept in files or tables.

    Args:
        records: every line that the source names.
        pictures: where the records' keys lead.
        problems: what the source itself had to leave out.
        origin: the source, for messages.

    Raises:
        ValueError: if no line is left.
    """

    def __init__(self, records: Iterable[Record], pictures: Pictures, problems: Sequence[str], origin: str) -> None:
        """Check every record's text and picture header."""
        self.pictures, self.origin = pictures, origin
        self.records: list[Record] = []
        self._sizes: list[tuple[int, int]] = []
        found = list(problems)
        seen: set[int | str] = set()
        for record in records:
            try:
                self._sizes.append(self._checked_size(record, seen))
                self.records.append(record)
            except ImageError as error:
                found.append(str(error))
        self.problems = found
        if not self.records:
            raise ValueError(
                f"{origin} has no line that can be used. " + (f"First problem: {found[0]}" if found else "It is empty.")
            )
        self.notes = doubtful_characters((shown(record.name), record.text) for record in self.records)

    def _checked_size(self, record: Record, seen: set[int | str]) -> tuple[int, int]:
        name = shown(record.name)
        if record.key in seen:
            raise ImageError(f"{name}: named twice; the second line is left out. Give every picture one line.")
        seen.add(record.key)
        if has_half_characters(record.text):
            raise ImageError(f"{name}: the text holds half a character (a lone surrogate). Transcribe the line anew.")
        if not is_seen(record.text):
            raise ImageError(f"{name}: the text is empty. Transcribe the line, or remove it.")
        try:
            return image_size(self._picture(record), name)
        except OSError as error:  # a folder that may not be looked into, a disk that fails
            raise ImageError(f"{name}: the picture cannot be read ({error.strerror or error}).") from error

    def _picture(self, record: Record) -> ImageSource:
        try:
            return self.pictures[record.key]
        except ValueError as error:
            raise ImageError(f"{shown(record.name)}: {error}") from error

    def __len__(self) -> int:
        """Number of usable lines."""
        return len(self.records)

    def __getitem__(self, index: int) -> LineSample:
        """Decode line index mod len."""
        record = self.records[index % len(self.records)]
        image = load_image(self._picture(record), record.name)
        return LineSample(image, self.text(index), record.name, record.document, record.angle)

    def text(self, index: int) -> str:
        """The text of line index mod len."""
        return clean_text(self.records[index % len(self.records)].text)

    def size(self, index: int) -> tuple[int, int]:
        """The size that the picture's header gives."""
        return self._sizes[index % len(self._sizes)]
