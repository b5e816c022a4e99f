"""Files and folders that appear only when they are whole.

What is unusual: what is written stands under a hidden name beside its place, is flushed to disk, and then takes that
place by a rename. So whoever is killed, or finds the disk full, leaves what was there before. A writer holds a lock on
its hidden name; what lies there without one is left over from a killed writer, and `remove_leftovers` removes it.
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
except ImportError:  # Windows: nothing is locked there, and so nothing removed
    fcntl = None

UNFINISHED = re.compile(r"\.(.*)\.[0-9a-f]{16}\.unfinished")
LONGEST_KEPT = 50  # characters of a name: with four bytes each, a hidden name still has less than 255
DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def open_atomically(
    path: str | Path, mode: str = "w", errors: str = "strict", newline: str | None = None
) -> Iterator[IO]:
    """Open a file for writing that takes its place when the block ends, and never if it fails.

    What is no regular file, such as /dev/stdout or a pipe, cannot be replaced, and is written to as it is.

    Args:
        path: of the file; folders above it are made. Where it is a link, the file that it leads to is replaced.
        mode: "w" for text, which is UTF-8, or "wb".
        errors: what becomes of letters that UTF-8 has no form for, such as a file's name may hold.
        newline: as `open` takes it.

    Raises:
        OSError: if it cannot be written; it names the file.
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
    """Write a UTF-8 file that appears only when it is whole; see `open_atomically`."""
    with open_atomically(path, errors=errors) as stream:
        stream.write(text)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file that appears only when it is whole; see `open_atomically`."""
    with open_atomically(path, "wb") as stream:
        stream.write(content)


def write_json(path: str | Path, values: Any, indent: int = 2, sort_keys: bool = False) -> None:
    """Write a JSON file that appears only when it is whole.

    Raises:
        ValueError: if a number is not finite, which JSON has no form for.
        OSError: if it cannot be written.
    """
    text = json.dumps(values, indent=indent, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n", errors="backslashreplace")  # a lone surrogate becomes JSON's own \udcff


def write_folder(folder: Path, write: Callable[[Path], object], keep_previous: bool = False) -> None:
    """Replace a folder by what `write` puts into an empty one.

    Args:
        folder: to be replaced, or made.
        write: fills the empty folder that it is given.
        keep_previous: leave what was replaced at `previous(folder)`, instead of removing it.

    Raises:
        OSError: if writing fails, on a full disk for instance; what was there is then untouched.
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
        _name_the_file(error, folder)
        raise
    _flush_folder(folder.parent)
    if not keep_previous:
        shutil.rmtree(previous(folder), ignore_errors=True)


def previous(folder: Path) -> Path:
    """Return where a folder goes that is replaced."""
    return folder.with_name(f".{folder.name}.previous")


def recover(folder: Path) -> None:
    """Finish a replacement that was cut between its two renames."""
    if not folder.exists():
        with suppress(FileNotFoundError):  # there is none, or another process was faster
            previous(folder).rename(folder)


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Remove what killed writers left behind in a folder, of one file or of all; what is still being written stays."""
    with suppress(OSError):
        for found in filter(None, map(UNFINISHED.fullmatch, os.listdir(folder))):  # names alone: there may be thousands
            path = folder / found[0]
            if name[:LONGEST_KEPT] in ("", found[1]) and not _is_being_written(path):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name[:LONGEST_KEPT]}.{secrets.token_hex(8)}.unfinished")


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        with suppress(OSError):  # a file system without locks; nothing is removed from it either
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


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
    """Have a full disk say which file it was too small for.

    Raises:
        OSError: naming the file, for a disk that is full or fails; whatever else is raised inside stays as it is.
    """
    try:
        yield
    except Exception as error:
        _name_the_file(error, path)
        raise


def _name_the_file(error: BaseException, path: Path) -> None:
    """Raise an error that names the file, if a disk is to blame: what the system says of a write names none.

    torch and safetensors raise their own errors over it: one behind which the system's stands, one that quotes it.
    """
    behind: BaseException | None = error
    while behind is not None:
        quoted = re.search(r"\(os error (\d+)\)", str(behind))
        number = behind.errno if isinstance(behind, OSError) else int(quoted[1]) if quoted else None
        if number in DISK_FAULTS:
            if not _names_another_file(behind):
                raise OSError(number, os.strerror(number), str(path)) from error
            return
        behind = behind.__cause__ or behind.__context__


def _names_another_file(error: BaseException) -> bool:
    """Whether an error names files already (to copy one has two), and not a hidden one, which nobody knows."""
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
