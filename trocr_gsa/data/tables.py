"""Lines in tables: Parquet files, folders saved by `datasets`, and datasets on the Hugging Face Hub."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .images import ImageSource
from .lists import MAX_ROWS, Columns
from .names import FolderNames, in_words, shown, writable
from .numbers import is_angle
from .stored import ParquetPictures, Record, StoredLines, embedded
from .textfiles import IS_POINTER, is_pointer


class TablePictures:
    """Images in a column of a `datasets` table: the key is the row.

    Args:
        table: a table of `datasets`.
        column: the column of images.
        folders: folders in which paths are followed; `datasets` stores paths of images that are not in the table.
    """

    def __init__(self, table: Any, column: str, folders: FolderNames) -> None:
        """Store the table, without decoding its images."""
        import datasets

        self.column, self.folders = column, folders
        feature = table.features[column]
        if isinstance(feature, datasets.Image):
            table = table.cast_column(column, datasets.Image(decode=False))
        self.table = table.select_columns([column])

    def __getitem__(self, key: int) -> ImageSource:
        """Return the image of a row."""
        return embedded(self.table[key][self.column], self.folders)


def open_parquet(path: Path, columns: Columns) -> StoredLines:
    """Open a Parquet file.

    Raises:
        ValueError: if it is not a Parquet file, a column is missing, or no line can be used.
    """
    try:
        metadata = pq.read_metadata(path)
        names = metadata.schema.to_arrow_schema().names
        rows = metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        if is_pointer(path):
            raise ValueError(f"`source`: {path} {IS_POINTER}") from error
        raise ValueError(
            f"`source`: {path} is not a Parquet file ({error}). Give a folder, or write one with `trocr-gsa compile`."
        ) from error
    if rows > MAX_ROWS:
        raise ValueError(f"`source`: {path} claims to have {rows:,} rows, more than {MAX_ROWS:,}. Split it.")
    _require(names, columns, str(path))
    try:
        table = {name: _values(path, name) for name in _known(names, columns)}
        pictures = ParquetPictures(str(path), columns.image)
    except MemoryError as error:
        raise ValueError(f"`source`: {path} does not fit into memory. Split it.") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"`source`: {path} is damaged ({error}). Write it again.") from error
    problems: list[str] = []
    records = list(_records(table, columns, path.name, problems))
    return StoredLines(records, pictures, problems, str(path))


def open_saved(root: Path, split: str, columns: Columns) -> StoredLines:
    """Open a folder that was saved by `datasets`.

    Raises:
        ValueError: if it cannot be loaded, the split or a column is missing, or no line can be used.
    """
    import datasets

    try:
        loaded = datasets.load_from_disk(str(root))
    except Exception as error:  # json, pyarrow and `datasets` raise errors of their own types
        raise ValueError(f"`source`: {root} cannot be loaded as a saved dataset: {_first_line(error)}") from error
    if isinstance(loaded, datasets.DatasetDict):
        if split not in loaded:
            raise ValueError(f"`split`: {root} has no {split!r}. It has {', '.join(map(str, loaded))}.")
        loaded = loaded[split]
    return _open_table(loaded, columns, str(root), FolderNames(root))


def open_hub(spec: str, split: str, columns: Columns) -> StoredLines:
    """Open a dataset on the Hub, or a folder of Parquet files, with `datasets`.

    Raises:
        ValueError: if it cannot be loaded, a column is missing, or no line can be used.
    """
    import datasets
    from datasets.exceptions import DatasetGenerationError

    is_here = os.path.isdir(spec)
    try:
        with _without_bar(is_here):
            loaded = datasets.load_dataset(spec, split=split)
    except Exception as error:  # the network, the Hub and every builder raise errors of their own types
        missing = f"{spec} could not" if is_here else f"there is no folder {shown(spec)} here, and the name could not"
        is_wrapped = isinstance(error, DatasetGenerationError)  # its own message says nothing about the cause
        what = _first_line((is_wrapped and error.__cause__) or error).rstrip(".")
        remedy = " Give one of its .parquet files." if is_here else ""
        raise ValueError(f"`source`: {missing} be loaded as a dataset (split {split!r}): {what}.{remedy}") from error
    return _open_table(loaded, columns, spec, FolderNames(*_picture_folders(spec)))


@contextmanager
def _without_bar(is_here: bool) -> Iterator[None]:
    """Context manager in which `datasets` draws no progress bar for a folder, which takes it a moment."""
    import datasets

    is_drawn = is_here and not datasets.are_progress_bars_disabled()
    if is_drawn:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if is_drawn:
            datasets.enable_progress_bars()


def _picture_folders(spec: str) -> list[Path]:
    """Return where `datasets` stores images that are not in the table: the folder itself, or the caches of the Hub."""
    from datasets import config
    from huggingface_hub.constants import HF_HUB_CACHE

    if os.path.isdir(spec):
        return [Path(spec)]
    extracted = Path(config.EXTRACTED_DATASETS_PATH)
    return [Path(HF_HUB_CACHE) / f"datasets--{spec.replace('/', '--')}", extracted]


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _open_table(table: Any, columns: Columns, origin: str, folders: FolderNames) -> StoredLines:
    _require(table.column_names, columns, origin)
    try:
        texts = {name: list(table[name]) for name in _known(table.column_names, columns)}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"`source`: {origin} is damaged ({_first_line(error)}). Write it again.") from error
    problems: list[str] = []
    records = list(_records(texts, columns, origin, problems))
    return StoredLines(records, TablePictures(table, columns.image, folders), problems, origin)


def _require(names: Sequence[str], columns: Columns, origin: str) -> None:
    for field, column in (("image_column", columns.image), ("text_column", columns.text)):
        if column not in names:
            raise ValueError(f"`{field}`: {origin} has no column {column!r}. It has {', '.join(names)}.")
    for name in (columns.image, *_known(names, columns)):
        if names.count(name) > 1:
            raise ValueError(f"`source`: {origin} has several columns {name!r}. Rename all but one.")


def _known(names: Sequence[str], columns: Columns) -> list[str]:
    return [name for name in (columns.text, columns.document, "name", "angle") if name in names]


def _values(path: Path, column: str) -> list[Any]:
    """Return the values of a column; a value that does not fit its type is replaced by the error.

    Texts are read with dictionary encoding, so that a long text that is repeated is in memory only once.
    """
    read = pq.read_table(path, columns=[column], read_dictionary=[column], page_checksum_verification=True)[column]
    values: list[Any] = []
    for chunk in read.chunks:
        if isinstance(chunk, pa.DictionaryArray):
            known = _plain(chunk.dictionary)
            values += [None if number is None else known[number] for number in chunk.indices.to_pylist()]
        else:
            values += _plain(chunk)
    return values


def _plain(array: pa.Array) -> list[Any]:
    try:
        return array.to_pylist()
    except ValueError:  # bytes that are not UTF-8, a date that Python does not know
        return [_value(cell) for cell in array]


def _value(cell: Any) -> Any:
    try:
        return cell.as_py()
    except ValueError as error:
        return error


def _records(table: Mapping[str, list[Any]], columns: Columns, origin: str, problems: list[str]) -> Iterator[Record]:
    """Yield the rows that can be used, and append a message to `problems` for each of the others."""
    for row in range(len(table[columns.text])):
        fields = {name: values[row] for name, values in table.items()}
        name = fields.get("name")
        name = writable(name) if isinstance(name, str) and name else f"{origin} row {row}"
        try:
            text = _word(fields, columns.text) or ""
            yield Record(row, text, name, _word(fields, columns.document), _degrees(fields.get("angle")))
        except ValueError as error:
            problems.append(f"{shown(name)}: {error}")


def _word(fields: Mapping[str, Any], column: str) -> str | None:
    value = fields.get(column)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Exception):
        raise ValueError(f"`{column}` cannot be read ({value}). Store it as a string in UTF-8.")
    raise ValueError(f"`{column}` must be a text, found {in_words(value)}. Store it as a string.")


def _degrees(value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, (int, float)) and not isinstance(value, bool) and is_angle(value):
        return float(value)
    raise ValueError(f"`angle` must be degrees, from -360 to 360, found {in_words(value)}.")
