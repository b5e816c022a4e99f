"""Lists of lines: JSONL, CSV and TSV files whose rows name an image and its text.

What is unusual: a bad row is reported and does not affect other rows. So in every format a row is one line of the file
(a text has no line breaks), and numbers are kept as they are written: 12.50 and 007 are texts like any other.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .names import FolderNames, NameProblem, in_words, shown, writable
from .numbers import is_angle
from .stored import FilePictures, Record, StoredLines
from .textfiles import text_rows, usable

METADATA = "metadata.jsonl"
METADATA_NAMES = (METADATA, "metadata.csv", "metadata.tsv")
TABLE_SUFFIXES = (".csv", ".tsv")
LIST_SUFFIXES = (".jsonl", *TABLE_SUFFIXES)
FILE_NAME = "file_name"
PICTURE_HEADINGS = ("filename", "file", "path")  # of a table, besides file_name and the user's `image_column`
MAX_ROWS = 10_000_000  # of one list or table, so that a damaged or hostile file cannot fill the memory


@dataclass(frozen=True)
class Columns:
    """Names of the columns: image, text, and the document of the line (optional)."""

    image: str = "image"
    text: str = "text"
    document: str = "document"


def find_list(folder: Path) -> Path | None:
    """Return the folder's metadata file, or None."""
    names = {path.name.lower(): path for path in sorted(folder.iterdir(), reverse=True) if path.is_file()}
    return next((names[name] for name in METADATA_NAMES if name in names), None)


def find_table(folder: Path) -> Path | None:
    """Return the only .tsv or .csv file of a folder, or None.

    Raises:
        ValueError: if there are several.
    """
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in TABLE_SUFFIXES and path.is_file())
    found = [path for path in found if not path.name.startswith(".")]
    if len(found) > 1:
        raise ValueError(f"`source`: {folder} holds {found[0].name} and {found[1].name}. Give one of them.")
    return found[0] if found else None


def open_list(path: Path, columns: Columns, root: Path) -> StoredLines:
    """Open the lines of a list.

    Args:
        path: the list: .jsonl, .csv with a heading, or .tsv with a heading or with path and text in each row.
        columns: names of the headings, or of the objects' fields.
        root: the folder that the user gave; images outside of it and of the list's own folder are not opened.

    Raises:
        ValueError: if no line can be used.
    """
    names = FolderNames(root, path.parent)
    problems: list[str] = []
    records: list[Record] = []
    try:
        for number, fields in _rows(path, columns):
            if number > MAX_ROWS:
                raise ValueError(f"has more than {MAX_ROWS:,} rows. Split it.")
            try:
                records.append(_record(fields(), columns, path.parent, names))
            except (ValueError, KeyError, RecursionError) as error:
                problems.append(f"{path.name} line {number}: {_what_is_wrong(error)}")
            except _PictureProblem as error:
                problems.append(str(error))
    except (ValueError, OSError) as error:
        raise ValueError(f"`source`: {path}: {error}") from error
    return StoredLines(records, FilePictures(), problems, str(path.parent))


class _PictureProblem(Exception):
    """A row whose image does not exist; the message begins with the image's name."""


def _rows(path: Path, columns: Columns) -> Iterator[tuple[int, Callable[[], dict[str, Any]]]]:
    """Yield the number of each row and a function that parses it; blank rows are skipped."""
    rows = ((number, row) for number, row in text_rows(path) if row.strip())
    if path.suffix.lower() in TABLE_SUFFIXES:
        yield from _table_rows(rows, columns, path.suffix.lower())
    else:
        yield from ((number, partial(_json_object, row)) for number, row in rows)


def _json_object(row: str) -> dict[str, Any]:
    constants = {"parse_float": str, "parse_int": str, "parse_constant": _refuse_constant}
    fields = json.loads(usable(row), object_pairs_hook=_once_each, **constants)
    if not isinstance(fields, dict):
        raise ValueError(f'expected an object such as {{"file_name": …, "text": …}}, found {in_words(fields)}.')
    return fields


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"`{shown(twice)}` is given twice. Remove one of them.")
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is neither a text nor a number.")


def _table_rows(
    rows: Iterator[tuple[int, str]], columns: Columns, suffix: str
) -> Iterator[tuple[int, Callable[[], dict[str, Any]]]]:
    number, first = next(rows, (1, ""))
    separator, headings = _headings(first, columns, suffix)
    if headings is None:
        if suffix == ".csv":
            raise ValueError(
                f"the first row must be a heading that names {FILE_NAME} and {columns.text}, found {shown(first)}. "
                "Add it, or name the columns that hold them."
            )
        headings = [FILE_NAME, columns.text]
        yield number, partial(_table_row, first, separator, headings)
    yield from ((number, partial(_table_row, row, separator, headings)) for number, row in rows)


def _headings(first: str, columns: Columns, suffix: str) -> tuple[str, list[str] | None]:
    """Return the separator of the columns, and their names or None if the first row is not a heading.

    Raises:
        ValueError: if a column that is read has the name of another.
    """
    for separator in "\t" if suffix == ".tsv" else ",;\t":
        headings: list[str] = []
        with suppress(ValueError):  # it is not a heading; the error is raised when it is parsed as a row
            headings = [cell.strip() for cell in _cells(usable(first), separator)]
        picture = next((name for name in (FILE_NAME, columns.image, *PICTURE_HEADINGS) if name in headings), None)
        if columns.text in headings and picture is not None:
            for name in (picture, columns.text, columns.document, "angle"):
                if headings.count(name) > 1:
                    raise ValueError(f"the heading names {name} twice. Rename one of the columns.")
            return separator, [FILE_NAME if name == picture else name for name in headings]
    return "\t", None


def _table_row(row: str, separator: str, headings: Sequence[str]) -> dict[str, Any]:
    cells = _cells(usable(row), separator)
    if len(cells) != len(headings):
        raise ValueError(f"expected {len(headings)} columns ({', '.join(headings)}), found {len(cells)}.")
    return dict(zip(headings, cells, strict=True))


def _cells(row: str, separator: str) -> list[str]:
    """Split a row by the rules of CSV, or at tabs if not all its words are quoted.

    Quotation marks in a text are usual. So a single cell is only unquoted if all marks inside it are doubled.
    """
    if separator == "\t" and not all(map(_is_quoted_or_number, row.split("\t"))):
        return [_unquoted(cell) for cell in row.split("\t")]
    try:
        return next(csv.reader([row], delimiter=separator, strict=True))
    except csv.Error as error:
        raise ValueError(f"its quotation marks do not match ({error}).") from error


def _is_quoted_or_number(cell: str) -> bool:
    return (len(cell) > 1 and cell[0] == cell[-1] == '"') or re.fullmatch(r"-?[0-9.]*", cell) is not None


def _unquoted(cell: str) -> str:
    """Undo the quoting of a cell whose inner quotation marks are all doubled; other quotation marks are text."""
    inside = cell[1:-1]
    if len(cell) > 2 and cell[0] == cell[-1] == '"' and '""' in inside and '"' not in inside.replace('""', ""):
        return inside.replace('""', '"')
    return cell


def _record(fields: dict[str, Any], columns: Columns, folder: Path, names: FolderNames) -> Record:
    """Check the fields of a row, and find its image."""
    is_elsewhere = not fields.get(FILE_NAME) and (columns.image in fields or columns.image != Columns.image)
    name = _word(fields, columns.image if is_elsewhere else FILE_NAME)
    text, document = _word(fields, columns.text), _word(fields, columns.document, required=False)
    angle = _degrees(fields.get("angle"))
    try:
        picture = names.find(folder, name or "")
    except NameProblem as error:
        raise _PictureProblem(f"{shown(name or '')}: {error}") from error
    if picture is None:
        raise _PictureProblem(f"{shown(name or 'a picture without a name')}: no such file. Check the path.")
    return Record(str(picture), text or "", writable(name or ""), document and writable(document), angle)


def _word(fields: dict[str, Any], column: str, required: bool = True) -> str | None:
    value = fields[column] if required else fields.get(column)
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"`{column}` must be a text, found {in_words(value)}. Write one text in quotes.")


def _degrees(value: Any) -> float:
    if value is None or value == "":
        return 0.0
    with suppress(ValueError):
        if isinstance(value, str) and is_angle(float(value)):
            return float(value)
    raise ValueError(f"`angle` must be degrees, from -360 to 360, found {in_words(value)}.")


def _what_is_wrong(error: Exception) -> str:
    """Return why a row was left out."""
    if isinstance(error, KeyError):
        return f"the field {error} is missing. Add it, or name the column that holds it."
    if isinstance(error, RecursionError):
        return 'is nested too deep. Expected an object such as {"file_name": …, "text": …}.'
    if isinstance(error, json.JSONDecodeError):
        return f'expected an object such as {{"file_name": …, "text": …}} ({error}).'
    return str(error)
