"""Two processes that talk by gloo read what one reads, in its order, also where one of them was killed on the way."""

import os
import re
import signal

import pytest
from forked_processes import run_together
from tiny_checkpoint import draw_line

from trocr_gsa.cli import read_lines
from trocr_gsa.reader import LineReader


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(12):
        draw_line("abcdefghijkl"[: number + 1], 30 + 8 * number).save(folder / f"{number:02}.png")
    (folder / "05_bad.png").write_bytes(b"no picture")
    return folder


def die_in_the_second_window(rank: int) -> None:
    """Kill process 1 in its second window of two files, as if its machine went down."""
    read_lines.WINDOW = 2
    read, windows = LineReader.read, []

    def read_or_die(reader, files, *args, **kwargs):
        windows.append(files)
        if rank == 1 and len(windows) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(reader, files, *args, **kwargs)

    LineReader.read = read_or_die


def named(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("left out")]


def assert_same(found: str, expected: str) -> None:
    """Compare output apart from rounding, which depends on how lines are batched."""
    number = re.compile(r"\d+\.\d+")
    assert number.sub("", found) == number.sub("", expected)
    numbers, others = ([float(each) for each in number.findall(text)] for text in (found, expected))
    assert numbers == pytest.approx(others, rel=1e-4)


def test_two_processes_write_the_file_that_one_writes(call, pictures, checkpoint, tmp_path):
    words = ["read", pictures, "--model", checkpoint, "--format", "jsonl", "--output"]
    alone = call(*words, tmp_path / "one.jsonl")
    together = run_together(2, [*words, tmp_path / "two.jsonl"], tmp_path / "logs")
    assert (tmp_path / "two.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert named(together.stderr) == named(alone.stderr)
    assert len(named(together.stderr)) == 1
    assert together.returncode == alone.exit_code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "one.jsonl", "two.jsonl"]


def test_one_process_keeps_what_two_read_before_one_was_killed(call, pictures, checkpoint, tmp_path, monkeypatch):
    output = tmp_path / "out.jsonl"
    words = ["read", pictures, "--model", checkpoint, "--format", "jsonl", "--output", output]
    assert run_together(2, words, tmp_path / "logs", die_in_the_second_window).returncode > 1
    assert not output.exists()
    read, seen = LineReader.read, []
    monkeypatch.setattr(
        LineReader, "read", lambda reader, files, *a, **k: seen.extend(files) or read(reader, files, *a, **k)
    )
    kept = int(call(*words).stderr.split("kept: ")[1].split()[0])
    assert kept >= 2  # the one that was killed had written its first window
    assert len(seen) == len(set(seen)) == 13 - kept
    assert_same(output.read_text(encoding="utf-8"), call(*words[:-2]).stdout)


@pytest.mark.slow
def test_two_processes_keep_what_one_read_before_it_was_stopped(call, pictures, checkpoint, tmp_path, monkeypatch):
    output = tmp_path / "out.csv"
    words = ["read", pictures, "--model", checkpoint, "--format", "csv", "--output", output]
    read, seen = LineReader.read, []

    def read_or_stop(reader, files, *args, **kwargs):
        if seen:
            raise KeyboardInterrupt
        seen.extend(files)
        return read(reader, files, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr("trocr_gsa.cli.read_lines.WINDOW", 4)
        patched.setattr(LineReader, "read", read_or_stop)
        assert call(*words).exit_code == 130
    together = run_together(2, words, tmp_path / "logs")
    assert "read before and kept: 4 pictures" in together.stderr
    assert_same(output.read_text(encoding="utf-8"), call(*words[:-2]).stdout)
