"""Writing files and folders atomically: they appear only when they are complete.

What is unusual: the content is written under a hidden name in the same folder, flushed to disk, and then renamed. So a
writer that is killed, or finds the disk full, leaves the old file unchanged. A writer holds a lock on its hidden file.
A hidden file without a lock is left over from a killed writer, and `remove_leftovers` removes it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows: without locks, leftovers are never removed
    fcntl = None

UNFINISHED = re.compile(r"\.(.*)\.[0-9a-f]{16}\.unfinished")
KEPT_CHARACTERS = 50  # of the name: even with four bytes each, the hidden name has less than 255 bytes
DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def open_atomically(
    path: str | Path, mode: str = "w", errors: str = "strict", newline: str | None = None
) -> Iterator[IO]:
    """Open a file for writing that replaces the old file when the block ends, unless an error was raised.

    A path that is not a regular file, such as /dev/stdout or a pipe, cannot be replaced and is written to directly.

    Args:
        path: path of the file; missing parent folders are created. If it is a link, its target is replaced.
        mode: "w" for UTF-8 text, or "wb".
        errors: how to encode characters that UTF-8 cannot encode (they occur in file names), as in `open`.
        newline: as in `open`.

    Raises:
        OSError: if it cannot be written; the error names the file.
    """
    path = Path(os.path.realpath(path))
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "errors": errors, "newline": newline}
    if path.exists() and not path.is_file():
        with path.open(mode, **text) as stream:
            yield stream
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, path.name)
    fresh = _hidden(path)
    try:
        with fresh.open(mode.replace("w", "x"), **text) as stream:
            _lock(stream.fileno())
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            shutil.copymode(path, fresh)
        fresh.replace(path)
        _flush_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        _name_the_file(error, path)
        raise


def write_text(path: str | Path, text: str, errors: str = "strict") -> None:
    """Write a UTF-8 file that appears only when it is complete; see `open_atomically`."""
    with open_atomically(path, errors=errors) as stream:
        stream.write(text)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file that appears only when it is complete; see `open_atomically`."""
    with open_atomically(path, "wb") as stream:
        stream.write(content)


def write_json(path: str | Path, values: Any, indent: int = 2, sort_keys: bool = False) -> None:
    """Write a JSON file that appears only when it is complete.

    Raises:
        ValueError: if a number is not finite, because JSON cannot represent it.
        OSError: if it cannot be written.
    """
    text = json.dumps(values, indent=indent, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n", errors="backslashreplace")  # a lone surrogate becomes JSON's own \udcff


def write_folder(folder: Path, write: Callable[[Path], object], keep_previous: bool = False) -> None:
    """Replace a folder atomically.

    Args:
        folder: the folder to replace or create.
        write: a function that writes the content into a given empty folder.
        keep_previous: keep the old folder at `previous(folder)` instead of removing it.

    Raises:
        OSError: if writing fails, for example on a full disk; the old folder is then unchanged.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    recover(folder)
    remove_leftovers(folder.parent, folder.name)
    fresh = _hidden(folder)
    fresh.mkdir()
    try:
        with _locked_folder(fresh):
            write(fresh)
            _flush(fresh)
            if folder.exists():
                shutil.rmtree(previous(folder), ignore_errors=True)
                folder.rename(previous(folder))
            fresh.rename(folder)
    except BaseException as error:
        shutil.rmtree(fresh, ignore_errors=True)
        recover(folder)
        _name_the_file(error, folder)
        raise
    _flush_folder(folder.parent)
    if not keep_previous:
        shutil.rmtree(previous(folder), ignore_errors=True)


def previous(folder: Path) -> Path:
    """Return the path to which a replaced folder is moved."""
    return folder.with_name(f".{folder.name}.previous")


def recover(folder: Path) -> None:
    """Restore a folder whose replacement was interrupted between the two renames."""
    if not folder.exists():
        with suppress(FileNotFoundError):  # there is no previous folder, or another process was faster
            previous(folder).rename(folder)


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Remove the hidden files of killed writers from a folder, for one file name or for all; keep those in use."""
    with suppress(OSError):
        for found in filter(None, map(UNFINISHED.fullmatch, os.listdir(folder))):  # names only: there may be thousands
            path = folder / found[0]
            if name[:KEPT_CHARACTERS] in ("", found[1]) and not _is_being_written(path):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name[:KEPT_CHARACTERS]}.{secrets.token_hex(8)}.unfinished")


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        with suppress(OSError):  # a file system without locks; there leftovers are not removed either
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # waits while `_is_being_written` of another process looks


def _is_being_written(path: Path) -> bool:
    if fcntl is None:
        return True
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Context manager that adds the file name to errors about a full or failing disk.

    Raises:
        OSError: naming the file, if the disk is full or fails; other errors are passed on unchanged.
    """
    try:
        yield
    except Exception as error:
        _name_the_file(error, path)
        raise


def _name_the_file(error: BaseException, path: Path) -> None:
    """Raise an error that names the file, if the disk caused `error`: the system's own error has no file name.

    torch raises its own error with the system's error as its cause, and safetensors quotes the system's error.
    """
    cause: BaseException | None = error
    while cause is not None:
        quoted = re.search(r"\(os error (\d+)\)", str(cause))
        number = cause.errno if isinstance(cause, OSError) else int(quoted[1]) if quoted else None
        if number in DISK_FAULTS:
            if not _names_another_file(cause):
                raise OSError(number, os.strerror(number), str(path)) from error
            return
        cause = cause.__cause__ or cause.__context__


def _names_another_file(error: BaseException) -> bool:
    """Whether an error already names files that the user knows, and not only a hidden one; a copy names two files."""
    found = (getattr(error, "filename", None), getattr(error, "filename2", None))
    names = [os.fsdecode(name) for name in found if isinstance(name, (str, bytes))]
    return bool(names) and not any(UNFINISHED.fullmatch(part) for name in names for part in Path(name).parts)


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
