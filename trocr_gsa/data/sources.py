"""Opens line data of every kind: `open_source("my_lines/")`.

Supported are Parquet files (compiled or other), an imagefolder with metadata.jsonl or .csv, a table of paths and texts
(.tsv, .csv), a folder of images with .gt.txt files, PAGE or ALTO files with the images of their pages, a folder saved
by `datasets`, and a dataset on the Hugging Face Hub.
"""

from __future__ import annotations

import os
from pathlib import Path

from trocr_gsa.data.pages.page_files import holds_pages, holds_xml
from trocr_gsa.data.pages.page_lines import open_pages

from .images import PICTURE_SUFFIXES
from .lists import LIST_SUFFIXES, METADATA, Columns, find_list, find_table, open_list
from .names import FolderNames, NameProblem, may_be_on_hub, shown, visible, writable
from .samples import LineDataset
from .stored import FilePictures, Record, StoredLines
from .tables import open_hub, open_parquet, open_saved
from .textfiles import read_text

SPLITS = ("train", "validation", "test")
TRUTH_SUFFIX = ".gt.txt"


def open_source(
    spec: str | Path,
    split: str = "train",
    image_column: str = "image",
    text_column: str = "text",
    document_column: str = "document",
) -> LineDataset:
    """Open a source of lines.

    Args:
        spec: a folder, a file (.parquet, .jsonl, .csv, .tsv, .xml), or `owner/name` on the Hub.
        split: the split to open, if the source has splits.
        image_column: image column of a table, or of metadata.jsonl if it is not `file_name`.
        text_column: text column of a table or of metadata.jsonl.
        document_column: document column of a table or of metadata.jsonl; the column may be missing.

    Returns: the usable lines. Its `problems` lists the other lines, and its `notes` has remarks about the usable ones.

    Raises:
        ValueError: if the source, the split or a column does not exist, or if no line can be used.
    """
    columns = Columns(image_column, text_column, document_column)
    check_source(spec)
    path = Path(spec)
    if path.is_file():
        if holds_pages(path):
            return open_pages(path)
        if path.suffix.lower() in LIST_SUFFIXES:
            return open_list(path, columns, path.parent)
        return open_parquet(path, columns)
    if path.is_dir():
        return _open_folder(path, split, columns)
    return open_hub(str(spec), split, columns)


def check_source(spec: str | Path, field: str = "source") -> None:
    """Check that a source is a folder, a file, or may be a name on the Hub.

    Args:
        spec: as for `open_source`.
        field: name of the user's argument, for the error message.

    Raises:
        ValueError: if there is no such folder or file, and it cannot be the name of a dataset on the Hub.
    """
    word = str(spec)
    if os.path.isfile(word) or os.path.isdir(word) or (isinstance(spec, str) and may_be_on_hub(word)):
        return
    raise ValueError(f"`{field}`: there is no folder or file {shown(word)}. Check the path.")


def _open_folder(root: Path, split: str, columns: Columns) -> LineDataset:
    if (root / "dataset_dict.json").is_file() or (root / "dataset_info.json").is_file():
        return open_saved(root, split, columns)
    folder = _split_folder(root, split)
    truths = find_truths(folder)
    if (metadata := find_list(folder)) is not None:
        lines = _open_list(metadata, columns, root)
        if truths:
            note = f"{len(truths)} .gt.txt files are not read, because there is {metadata.name}; the first is "
            lines.notes = [*lines.notes, f"{folder}: {note}{truths[0]}. Add their lines to it, or move them."]
        return lines
    if truths:
        pairs = _open_pairs(folder, truths, FolderNames(root, folder))
        if holds_pages(folder):
            note = f"{folder} also has pages (PAGE, ALTO), which are not read. Give one of their files."
            pairs.notes = [*pairs.notes, note]
        return pairs
    if holds_pages(folder):
        return open_pages(folder)
    if any(path.suffix == ".parquet" for path in visible(root)):
        return open_hub(str(root), split, columns)
    if (table := find_table(folder)) is not None:
        return _open_list(table, columns, root)
    if holds_xml(folder):
        return open_pages(folder)  # raises an error that says what is wrong
    raise ValueError(
        f"`source`: {folder} has neither {METADATA} nor .gt.txt files nor pages (PAGE, ALTO) nor a dataset. "
        f'Write {METADATA} with one {{"file_name": …, "text": …}} a line, or a .csv or .tsv file with a path and a '
        f"text in each row{_other_lists(folder)}; or put 001.gt.txt beside 001.png."
    )


def _other_lists(folder: Path) -> str:
    """Return a hint for a folder whose table may have another ending."""
    others = sorted(path.name for path in folder.iterdir() if path.suffix.lower() == ".txt" and path.is_file())
    return f" (if {shown(others[0])} is such a table, name it .tsv)" if others else ""


def _open_list(path: Path, columns: Columns, root: Path) -> StoredLines:
    """Open a list that was found in a folder; it must not be a link to a file outside of this folder."""
    if not FolderNames(root, path.parent).holds(path):
        raise ValueError(f"`source`: {path} is a link that leads outside of {root}. Put the file itself there.")
    return open_list(path, columns, root)


def _split_folder(root: Path, split: str) -> Path:
    """Return the folder of the split, or `root` if there are no splits.

    Raises:
        ValueError: if `split` is not a name, but a path that may lead outside of the folder, or there are only others.
    """
    if split in ("", "..") or Path(split).name != split:
        raise ValueError(f"`split` must be a name such as {', '.join(SPLITS)}, got {shown(repr(split))}.")
    if os.path.isdir(root / split):  # False for names that are too long, where Path.is_dir raises an error
        return root / split
    splits = [name for name in SPLITS if (root / name).is_dir()]
    if splits:
        raise ValueError(f"`split`: {root} has no {split!r}. It has {', '.join(splits)}.")
    return root


def find_truths(folder: Path) -> list[Path]:
    """Return the .gt.txt files below a folder, sorted."""
    return sorted(path for path in visible(folder) if path.name.lower().endswith(TRUTH_SUFFIX))


def _open_pairs(folder: Path, truths: list[Path], names: FolderNames) -> StoredLines:
    problems: list[str] = []
    records: list[Record] = []
    for truth in truths:
        name = str(truth.relative_to(folder))
        try:
            picture = picture_beside(truth, names)
            text = _truth(truth, names)
        except ValueError as error:
            problems.append(f"{shown(name)}: {error}")
            continue
        parent = truth.parent.relative_to(folder)
        document = None if parent == Path() else writable(str(parent))
        records.append(Record(str(picture), text, writable(str(picture.relative_to(folder))), document))
    return StoredLines(records, FilePictures(), problems, str(folder))


def _truth(path: Path, names: FolderNames) -> str:
    """Return the text of a .gt.txt file.

    Raises:
        ValueError: if it cannot be read; the message is written after the file's name.
    """
    if not names.holds(path):
        raise NameProblem("is a link that leads outside of the folder, and is not followed. Put the file itself there.")
    if path.exists() and not path.is_file():  # to open a named pipe would wait for ever
        raise ValueError("is not a file with a text. Put a file there, or remove it.")
    try:
        text = read_text(path).strip("\r\n")  # the newline at the end of a file is not part of its line
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror or error}).") from error
    count = sum(bool(line.strip()) for line in text.split("\n"))
    if count > 1:
        raise ValueError(f"has {count} lines of text, expected 1. Cut the picture into lines, or join the text.")
    return text


def picture_beside(truth: Path, names: FolderNames) -> Path:
    """Return the image of a .gt.txt file: 001.png, or as binarisation tools name it: 001.bin.png, 001.nrm.png.

    Raises:
        ValueError: if there is none, or several; the message is written after the file's name.
    """
    stem = truth.name[: -len(TRUTH_SUFFIX)]
    for middle in ("", ".bin", ".nrm"):
        paths = (names.find(truth.parent, stem + middle + suffix) for suffix in PICTURE_SUFFIXES)
        found = [path for path in paths if path is not None]
        if len(found) > 1:
            both = f"{shown(found[0].name)} and {shown(found[1].name)}"
            raise ValueError(f"{both} are both pictures of this text. Give every picture a text of its own.")
        if found:
            return found[0]
    raise ValueError(f"there is no picture {shown(stem)}.png, .jpg, .tif … beside it.")
