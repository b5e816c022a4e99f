"""One door to lines of every kind: `open_source("my_lines/")`.

Known are a compiled or other parquet file, an imagefolder with metadata.jsonl, a folder of pictures with .gt.txt files,
PAGE or ALTO files with the pictures of their pages, a folder saved by `datasets`, and the name of a dataset on the
Hugging Face Hub.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from .images import PICTURE_SUFFIXES
from .pages.listing import holds_pages
from .pages.source import open_pages
from .samples import LineDataset
from .stored import FilePictures, ParquetPictures, Record, StoredLines

METADATA = "metadata.jsonl"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Columns:
    """Names of the columns: picture, text, and the document a line belongs to (absent where there is none)."""

    image: str = "image"
    text: str = "text"
    document: str = "document"


def open_source(
    spec: str | Path,
    split: str = "train",
    image_column: str = "image",
    text_column: str = "text",
    document_column: str = "document",
) -> LineDataset:
    """Open lines of any kind.

    Args:
        spec: a folder, a .parquet file, a .xml file, or `owner/name` on the Hub.
        split: the part to open, where the source has parts.
        image_column: of a table, or of metadata.jsonl where it is not `file_name`.
        text_column: of a table or of metadata.jsonl.
        document_column: the same; may be absent.

    Returns: the usable lines; `problems` lists the others.

    Raises:
        ValueError: if the source, the split or a column does not exist, or if no line can be used.
    """
    columns = Columns(image_column, text_column, document_column)
    path = Path(spec)
    if path.is_file():
        if holds_pages(path):
            return open_pages(path)
        return _open_parquet(path, columns)
    if path.is_dir():
        return _open_folder(path, split, columns)
    return _open_hub(str(spec), split, columns)


def _open_folder(root: Path, split: str, columns: Columns) -> LineDataset:
    if (root / "dataset_dict.json").is_file() or (root / "dataset_info.json").is_file():
        return _open_saved(root, split, columns)
    folder = _split_folder(root, split)
    if (folder / METADATA).is_file():
        return _open_imagefolder(folder, columns)
    if any(folder.rglob("*.gt.txt")):
        return _open_pairs(folder)
    if holds_pages(folder):
        return open_pages(folder)
    if any(root.rglob("*.parquet")):
        return _open_hub(str(root), split, columns)
    raise ValueError(
        f"`source`: {folder} has neither {METADATA} nor .gt.txt files nor pages (PAGE, ALTO) nor a dataset. "
        f'Write {METADATA} with one {{"file_name": …, "text": …}} a line, or put 001.gt.txt beside 001.png.'
    )


def _split_folder(root: Path, split: str) -> Path:
    """The split's own folder, or `root` where there are no splits."""
    if (root / split).is_dir():
        return root / split
    splits = [name for name in SPLITS if (root / name).is_dir()]
    if splits:
        raise ValueError(f"`split`: {root} has no {split!r}. It has {', '.join(splits)}.")
    return root


def _open_imagefolder(folder: Path, columns: Columns) -> StoredLines:
    problems: list[str] = []

    def records() -> Iterator[Record]:
        with open(folder / METADATA, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                    name = row.get("file_name") or row[columns.image]
                    text, document = row[columns.text], row.get(columns.document)
                    angle = float(row.get("angle") or 0.0)
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    problems.append(f"{METADATA} line {number}: {_what_is_wrong(error)}")
                    continue
                yield Record(str(folder / str(name)), _as_text(text), str(name), document, angle)

    found = list(records())
    return StoredLines(found, FilePictures(), problems, str(folder))


def _what_is_wrong(error: Exception) -> str:
    """Say why a line of metadata was left out."""
    if isinstance(error, KeyError):
        return f"the field {error} is missing. Add it, or name the column that holds it."
    return f'expected an object such as {{"file_name": …, "text": …}} ({error}).'


def _as_text(value: object) -> str:
    return "" if value is None else str(value)


def _open_pairs(folder: Path) -> StoredLines:
    problems: list[str] = []
    records: list[Record] = []
    for truth in sorted(folder.rglob("*.gt.txt")):
        stem = truth.name.removesuffix(".gt.txt")
        picture = next((p for s in PICTURE_SUFFIXES if (p := _picture_beside(truth, stem, s)) is not None), None)
        name = str(truth.relative_to(folder))
        if picture is None:
            problems.append(f"{name}: no picture {stem}.png, .jpg, .tif … lies beside it.")
            continue
        try:
            text = truth.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            problems.append(f"{name}: is not UTF-8. Save it as UTF-8.")
            continue
        parent = truth.parent.relative_to(folder)
        document = None if parent == Path() else str(parent)
        records.append(Record(str(picture), text, str(picture.relative_to(folder)), document))
    return StoredLines(records, FilePictures(), problems, str(folder))


def _picture_beside(truth: Path, stem: str, suffix: str) -> Path | None:
    """The picture of a .gt.txt file: 001.png, or what binarising tools leave: 001.bin.png, 001.nrm.png."""
    candidates = (truth.with_name(stem + middle + suffix) for middle in ("", ".bin", ".nrm"))
    return next((p for p in candidates if p.is_file()), None)


def _open_parquet(path: Path, columns: Columns) -> StoredLines:
    try:
        names = pq.read_schema(path).names
    except (OSError, ValueError) as error:
        raise ValueError(
            f"`source`: {path} is no parquet file ({error}). Give a folder, or write one with `trocr-gsa compile`."
        ) from error
    _require(names, columns, str(path))
    wanted = [name for name in (columns.text, columns.document, "name", "angle") if name in names]
    table = pq.read_table(path, columns=wanted).to_pydict()
    records = _table_records(table, columns, path.name)
    return StoredLines(records, ParquetPictures(str(path), columns.image), (), str(path))


def _table_records(table: dict[str, list[Any]], columns: Columns, origin: str) -> list[Record]:
    texts = table[columns.text]
    absent = [None] * len(texts)
    rows = zip(
        texts, table.get(columns.document, absent), table.get("name", absent), table.get("angle", absent), strict=True
    )
    return [
        Record(
            i, _as_text(text), name or f"{origin} row {i}", None if document is None else str(document), angle or 0.0
        )
        for i, (text, document, name, angle) in enumerate(rows)
    ]


def _require(names: list[str], columns: Columns, origin: str) -> None:
    for field, column in (("image_column", columns.image), ("text_column", columns.text)):
        if column not in names:
            raise ValueError(f"`{field}`: {origin} has no column {column!r}. It has {', '.join(names)}.")


class TablePictures:
    """Pictures in a column of a `datasets` table: the key is the row."""

    def __init__(self, table: Any, column: str) -> None:
        """Hold the table with its pictures undecoded."""
        import datasets

        self.column = column
        feature = table.features[column]
        if isinstance(feature, datasets.Image):
            table = table.cast_column(column, datasets.Image(decode=False))
        self.table = table.select_columns([column])

    def __getitem__(self, key: int) -> Any:
        """The row's {"bytes", "path"}."""
        return self.table[key][self.column] or b""


def _open_saved(root: Path, split: str, columns: Columns) -> StoredLines:
    import datasets

    loaded = datasets.load_from_disk(str(root))
    if isinstance(loaded, datasets.DatasetDict):
        if split not in loaded:
            raise ValueError(f"`split`: {root} has no {split!r}. It has {', '.join(map(str, loaded))}.")
        loaded = loaded[split]
    return _open_table(loaded, columns, str(root))


def _open_hub(spec: str, split: str, columns: Columns) -> StoredLines:
    import datasets

    try:
        loaded = datasets.load_dataset(spec, split=split)
    except Exception as error:  # the network, the Hub and every builder have errors of their own
        raise ValueError(
            f"`source`: {spec!r} is neither a folder nor a file here, and could not be loaded as a dataset "
            f"(split {split!r}): {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    return _open_table(loaded, columns, spec)


def _open_table(table: Any, columns: Columns, origin: str) -> StoredLines:
    _require(table.column_names, columns, origin)
    known = [name for name in (columns.text, columns.document, "name", "angle") if name in table.column_names]
    texts = {name: list(table[name]) for name in known}
    return StoredLines(_table_records(texts, columns, origin), TablePictures(table, columns.image), (), origin)
