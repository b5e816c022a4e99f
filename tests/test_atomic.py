"""What is written appears when it is whole, and leaves what was there before where it cannot be."""

import errno
import json
import multiprocessing
import os
import resource
import signal
import stat
import threading
from functools import partial
from pathlib import Path

import pytest

from trocr_gsa import atomic
from trocr_gsa.atomic import (
    naming,
    open_atomically,
    previous,
    recover,
    remove_leftovers,
    write_bytes,
    write_folder,
    write_json,
    write_text,
)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def filled_with(text):
    return lambda folder: (folder / "file").write_text(text)


def test_a_file_is_replaced_when_the_block_ends_and_not_before(tmp_path):
    path = tmp_path / "deep" / "file"
    write_text(path, "old")
    with open_atomically(path) as stream:
        stream.write("new")
        stream.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert files(path.parent) == ["file"]


def test_a_reader_of_the_old_file_keeps_it_while_it_is_replaced(tmp_path):
    """The file is replaced in one step and not overwritten, so nobody reads a half of each."""
    path = tmp_path / "file"
    write_text(path, "old")
    with path.open() as reader:
        write_text(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


def write_half(path, error):
    with open_atomically(path) as stream:
        stream.write("half")
        raise error


@pytest.mark.parametrize("error", [OSError("no room"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("existed", [True, False])
def test_a_file_that_fails_leaves_what_was_there(tmp_path, error, existed):
    if existed:
        write_bytes(tmp_path / "file", b"old")
    with pytest.raises(type(error)):
        write_half(tmp_path / "file", error)
    assert files(tmp_path) == ["file"] * existed
    assert not existed or (tmp_path / "file").read_bytes() == b"old"


def test_a_file_keeps_its_permissions_and_a_new_one_gets_the_usual_ones(tmp_path):
    write_text(tmp_path / "plain", "")
    (tmp_path / "usual").touch()
    assert (tmp_path / "plain").stat().st_mode == (tmp_path / "usual").stat().st_mode
    (tmp_path / "plain").chmod(0o640)
    write_text(tmp_path / "plain", "again")
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o640


def test_a_link_stays_one_and_its_target_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    write_text(tmp_path / "there" / "target", "old")
    (tmp_path / "link").symlink_to(tmp_path / "there" / "target")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "target").read_text() == "new"


def test_a_pipe_is_written_to_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_text(tmp_path / "pipe", "through")
    reader.join()
    assert read == ["through"]
    assert files(tmp_path) == ["pipe"]


@pytest.mark.parametrize("name", ["ü" * 127, "x" * 255, "a\udcff.xml"])
def test_any_name_that_a_file_can_have_will_do(tmp_path, name):
    write_text(tmp_path / name, "text")
    assert files(tmp_path) == [name]


def test_json_is_exact_and_refuses_what_it_has_no_form_for(tmp_path):
    values = {"name": "a\udcff.png", "text": "ſäö", "share": 0.1}
    write_json(tmp_path / "file.json", values)
    assert json.loads((tmp_path / "file.json").read_bytes()) == values
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON compliant"):
            write_json(tmp_path / "file.json", [number])
    assert json.loads((tmp_path / "file.json").read_bytes()) == values


def write_without_room(path: Path, into_folder: bool) -> None:
    """What a child process does whose files may have a thousand bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        if into_folder:
            write_folder(path, lambda folder: (folder / "file").write_text("x" * 100_000))
        else:
            write_text(path, "x" * 100_000)
    except OSError as error:
        os._exit(0 if error.errno == errno.EFBIG and error.filename == str(path) else 2)
    os._exit(1)


@pytest.mark.parametrize("into_folder", [True, False])
def test_a_disk_without_room_is_told_with_the_file_and_leaves_what_was_there(tmp_path, into_folder):
    path = tmp_path / "output"
    write_folder(path, filled_with("old")) if into_folder else write_text(path, "old")
    child = multiprocessing.get_context("fork").Process(target=write_without_room, args=(path, into_folder))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert (path / "file" if into_folder else path).read_text() == "old"
    assert files(tmp_path) == ["output"]


HIDDEN = f"/there/.out.{'0' * 16}.unfinished/file"


def raise_torch_error() -> None:
    """As torch does where a write fails: its own error, with the system's behind it."""
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    finally:
        raise RuntimeError("unexpected pos 64 vs 0")


def raise_error(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("fail", "named"),
    [
        (partial(raise_error, OSError(errno.ENOSPC, "full")), "output"),
        (partial(raise_error, OSError(errno.EDQUOT, "full", HIDDEN)), "output"),
        (partial(raise_error, OSError(errno.EFBIG, "full", "/there/source", None, HIDDEN)), "output"),
        (partial(raise_error, RuntimeError("Error while serializing: I/O error: full (os error 28)")), "output"),
        (raise_torch_error, "output"),
        (partial(raise_error, OSError(errno.EIO, "fails", "/there/source")), "/there/source"),
        (partial(raise_error, OSError(errno.EACCES, "not allowed")), None),
    ],
)
def test_a_full_disk_is_told_with_the_file_that_was_written_unless_it_is_another(tmp_path, fail, named):
    with pytest.raises(OSError, match="Errno") as raised, naming(tmp_path / "output"):
        fail()
    assert raised.value.filename == (str(tmp_path / "output") if named == "output" else named)


@pytest.mark.parametrize("error", [ValueError("wrong"), RuntimeError("(os error 13)"), KeyboardInterrupt()])
def test_what_no_disk_is_to_blame_for_stays_as_it_is(tmp_path, error):
    with pytest.raises(type(error)) as raised, naming(tmp_path / "output"):
        raise error
    assert raised.value is error


def write_and_wait(path: Path, into_folder: bool, ready) -> None:
    """What a child process does that is killed in the midst of it."""

    def wait(*_):
        ready.set()
        signal.pause()

    if into_folder:
        write_folder(path, wait)
    with open_atomically(path) as stream:
        stream.write("half")
        wait()


@pytest.mark.parametrize("into_folder", [True, False])
def test_what_a_killed_writer_left_is_removed_and_what_is_being_written_stays(tmp_path, into_folder):
    path = tmp_path / "output"
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    child = context.Process(target=write_and_wait, args=(path, into_folder, ready))
    child.start()
    assert ready.wait(30)
    unfinished = files(tmp_path)
    assert len(unfinished) == 1
    remove_leftovers(tmp_path)
    assert files(tmp_path) == unfinished
    child.kill()
    child.join()
    others = [".output.partial", ".output.0123456789abcdef", "output.0123456789abcdef.unfinished"]
    for name in others:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert files(tmp_path) == sorted(others)


@pytest.mark.parametrize("into_folder", [True, False])
def test_who_writes_anew_removes_what_a_killed_writer_left_of_the_same(tmp_path, into_folder):
    path, left = tmp_path / "output", tmp_path / f".output.{'0' * 16}.unfinished"
    write_folder(left, filled_with("half")) if into_folder else left.touch()
    others = [left.with_name(left.name.replace("output", name)) for name in ("other", "output.txt")]
    for other in others:
        other.touch()
    write_folder(path, filled_with("new")) if into_folder else write_text(path, "new")
    assert files(tmp_path) == sorted(["output", *(other.name for other in others)])


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    write_folder(tmp_path / "last", lambda folder: (folder / "stale").write_text("1"))
    write_folder(tmp_path / "last", filled_with("2"))
    assert files(tmp_path / "last") == ["file"]
    assert files(tmp_path) == ["last"]


def test_a_folder_that_was_replaced_is_kept_where_that_is_asked_for(tmp_path):
    for text in "123":
        write_folder(tmp_path / "last", filled_with(text), keep_previous=True)
    assert (tmp_path / "last" / "file").read_text() == "3"
    assert (previous(tmp_path / "last") / "file").read_text() == "2"


@pytest.mark.parametrize("place", ["_flush", "write"])
def test_a_folder_that_fails_leaves_the_previous_one(tmp_path, monkeypatch, place):
    def fail(folder):
        filled_with("half")(folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    write_folder(tmp_path / "last", filled_with("1"))
    if place == "_flush":
        monkeypatch.setattr(atomic, "_flush", fail)
    with pytest.raises(OSError, match=r"No space left on device: .*/last"):
        write_folder(tmp_path / "last", fail if place == "write" else filled_with("2"))
    assert (tmp_path / "last" / "file").read_text() == "1"
    assert files(tmp_path) == ["last"]


def test_a_replacement_cut_between_its_renames_is_undone(tmp_path):
    write_folder(tmp_path / "last", filled_with("1"))
    (tmp_path / "last").rename(previous(tmp_path / "last"))
    for _ in range(2):
        recover(tmp_path / "last")
        assert (tmp_path / "last" / "file").read_text() == "1"
