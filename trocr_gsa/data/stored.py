"""Lines with stored images: checked once when the source is opened, decoded when a line is used.

Opening a source reads every text and the header of every image. Lines that cannot be used are left out and listed in
`problems`, one message each. A table contains its images; if it has a path instead, the path is followed only into the
folders that are known to contain its images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from .doubtful import broken_texts, doubtful_characters, is_seen
from .images import ImageError, ImageSource, image_size, load_image
from .names import FolderNames, shown
from .samples import LineDataset, LineSample, clean_text
from .textfiles import has_surrogates


@dataclass(frozen=True)
class Record:
    """A line of a source: the key of its image in the dataset's `Pictures`, its text, name, document and angle."""

    key: int | str
    text: str
    name: str
    document: str | None = None
    angle: float = 0.0


class Pictures(Protocol):
    """Images by key; picklable, so that worker processes can open their own."""

    def __getitem__(self, key: Any, /) -> ImageSource:
        """Return the image, not decoded.

        Raises:
            ImageError: if there is no image that may be opened; the message is written after the line's name.
        """
        ...


class FilePictures:
    """Images in files: the key is the path."""

    def __getitem__(self, key: str) -> str:
        """Return the path."""
        return key


class ParquetPictures:
    """Images in a column of a Parquet file: the key is the row.

    Args:
        path: the file.
        column: the column, with bytes, or with structs of `bytes` and `path` as `datasets` writes them.
    """

    def __init__(self, path: str, column: str) -> None:
        """Read the column into memory, once per process.

        This does not use a memory map: the values are copied out of the file in any case, and a process that maps a
        file is killed (SIGBUS) when the file is overwritten. Without `pre_buffer`, 307 MB of images need at most 0.4 GB
        instead of 0.7 GB.
        """
        self.path, self.column = path, column
        self.values = pq.read_table(path, columns=[column], memory_map=False, pre_buffer=False)[column]

    def __getitem__(self, key: int) -> ImageSource:
        """Return the image of a row."""
        return embedded(self.values[key].as_py())

    def __reduce__(self) -> tuple[type[ParquetPictures], tuple[str, str]]:
        """Pickle the path instead of the images."""
        return ParquetPictures, (self.path, self.column)


def embedded(value: Any, folders: FolderNames | None = None) -> ImageSource:
    """Return the image in a cell of a table: bytes, or a struct with `bytes` and `path` as `datasets` writes it.

    Args:
        value: the cell.
        folders: folders in which a path without bytes is followed; None: it is never followed.

    Raises:
        ImageError: if the cell has no image, or only a path; the message is written after the line's name.
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
            f"the table has only the path {shown(path)}, which is not followed. Store the picture itself as bytes."
        )
    return path


class StoredLines(LineDataset):
    """Lines stored in files or tables.

    Args:
        records: all lines of the source.
        pictures: the images, by the keys of the records.
        problems: messages about lines that the source has already left out.
        origin: name of the source, for messages.

    Raises:
        ValueError: if no line is left.
    """

    def __init__(self, records: Iterable[Record], pictures: Pictures, problems: Sequence[str], origin: str) -> None:
        """Check the text and the image header of every record."""
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
        texts = [(shown(record.name), record.text) for record in self.records]
        self.notes = [*broken_texts(texts), *doubtful_characters(texts)]

    def _checked_size(self, record: Record, seen: set[int | str]) -> tuple[int, int]:
        name = shown(record.name)
        if record.key in seen:
            raise ImageError(f"{name}: named twice; the second line is left out. Give every picture one line.")
        seen.add(record.key)
        if has_surrogates(record.text):
            raise ImageError(f"{name}: the text has half a character (a lone surrogate). Transcribe the line again.")
        if not is_seen(record.text):
            raise ImageError(f"{name}: the text is empty. Transcribe the line, or remove it.")
        try:
            return image_size(self._picture(record), name)
        except OSError as error:  # missing permissions, or a failing disk
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
        """Return line index mod len, decoded."""
        record = self.records[index % len(self.records)]
        image = load_image(self._picture(record), record.name)
        return LineSample(image, self.text(index), record.name, record.document, record.angle)

    def text(self, index: int) -> str:
        """Return the text of line index mod len."""
        return clean_text(self.records[index % len(self.records)].text)

    def size(self, index: int) -> tuple[int, int]:
        """Return the size from the image's header."""
        return self._sizes[index % len(self._sizes)]
