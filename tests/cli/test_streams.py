"""A stream that is not UTF-8 stops no command, and what is written stays readable."""

import errno
import io
import json
import os
import sys

import pytest
from slow_cases import others_slow

from trocr_gsa.cli.app import app
from trocr_gsa.reader import LineReader

ODD = "ſchön — 😀"


@pytest.fixture
def on_a_stream(monkeypatch):
    """Run a command with standard output in another encoding; return its exit code and the bytes that it wrote."""

    def run(encoding, *words):
        raw, errors = io.BytesIO(), io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding, errors="strict"))
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(errors, encoding, errors="strict"))
        with pytest.raises(SystemExit) as ended:
            app([str(word) for word in words])
        sys.stdout.flush()
        sys.stderr.flush()
        return ended.value.code or 0, raw.getvalue(), errors.getvalue()

    return run


@pytest.fixture
def odd_texts(monkeypatch):
    """Have every line read as a text that few encodings hold."""
    read = LineReader.read

    def odd(self, *words, **named):
        lines = read(self, *words, **named)
        for line in lines:
            object.__setattr__(line, "text", ODD)
        return lines

    monkeypatch.setattr(LineReader, "read", odd)


@pytest.mark.usefixtures("odd_texts")
@pytest.mark.parametrize("encoding", others_slow(["latin-1", "ascii", "cp1252", "koi8-r", "utf-8"], "ascii", "utf-8"))
def test_texts_that_a_stream_has_no_letters_for_are_escaped(on_a_stream, lines, encoding):
    picture = lines / os.fsdecode(b"caf\xe9.png")
    os.rename(lines / "one.png", picture)
    code, written, _ = on_a_stream(encoding, "read", picture, "--format", "jsonl")
    assert code == 0
    (row,) = map(json.loads, written.decode(encoding).splitlines())
    assert (row["text"], os.fsencode(row["source"])) == (ODD, os.fsencode(picture))
    code, written, _ = on_a_stream(encoding, "read", picture)
    assert code == 0
    assert json.loads(f'"{written.decode(encoding).strip()}"') == ODD
    code, written, _ = on_a_stream(encoding, "read", picture, "--format", "csv")
    assert code == 0
    assert len(written.decode(encoding).splitlines()) == 2


@pytest.mark.usefixtures("odd_texts")
def test_a_file_is_utf8_whatever_the_stream(on_a_stream, lines, tmp_path):
    code, _, _ = on_a_stream("ascii", "read", lines / "one.png", "--output", tmp_path / "out.txt")
    assert (code, (tmp_path / "out.txt").read_text(encoding="utf-8")) == (0, f"{ODD}\n")


@pytest.mark.parametrize("encoding", others_slow(["latin-1", "ascii"], "ascii"))
@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["read", "--help"],
        ["evaluate", "{lines}", "--angles", "0,90"],
        ["compile", "{lines}", "{out}/ſ.parquet"],
        ["finetune", "train={lines}", "output={out}/ſ", "max_steps=1", "eval_every=1", "device=cpu"],
        ["check"],
    ],
)
def test_no_command_is_stopped_by_its_stream(on_a_stream, lines, tmp_path, encoding, words):
    odd = lines.with_name("ſ —")
    lines.rename(odd)
    code, written, errors = on_a_stream(encoding, *(word.format(lines=odd, out=tmp_path) for word in words))
    assert (code, b"Traceback" in errors) == (0, False)
    assert written


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_messages_about_odd_names_are_one_line_each(on_a_stream, lines, encoding):
    names = [os.fsdecode(b"b\xe4d.png"), "two\nlines\x1b[2J.png", "ſ —.png"]
    for name in names:
        (lines / name).write_bytes(b"no picture")
    code, _, errors = on_a_stream(encoding, "read", lines)
    assert code == 1
    said = errors.decode("utf-8" if encoding == "ascii" else encoding).splitlines()  # click takes ASCII for a mistake
    assert len(said) == 3
    assert all(line.startswith("left out: ") and line.isprintable() for line in said)


@pytest.mark.parametrize("words", [[], ["--format", "jsonl"], ["--output", "FILE"]])
def test_lines_are_not_lost_where_the_output_is_closed(lines, tmp_path, monkeypatch, capsys, words):
    monkeypatch.setattr(sys, "stdout", None)  # as Python starts with >&-
    file = tmp_path / "out.txt"
    with pytest.raises(SystemExit) as ended:
        app(["read", str(lines / "one.png"), *(str(file) if word == "FILE" else word for word in words)])
    said = capsys.readouterr().err
    assert ended.value.code == (0 if file.exists() else 2)
    assert file.exists() == ("--output" in words)
    assert ("standard output is closed" in said) == ("--output" not in words)


def test_a_closed_input_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit) as ended:
        app(["read", "-"])
    assert ended.value.code == 2
    assert "`pictures`: - is standard input, which is closed. Give a file." in capsys.readouterr().err


def test_the_control_a_strict_stream_refuses_the_text():
    with pytest.raises(UnicodeEncodeError):
        io.TextIOWrapper(io.BytesIO(), "latin-1").write(ODD)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), BrokenPipeError(errno.EPIPE, "closed")])
def test_measured_numbers_are_kept_where_the_stream_takes_no_more(call, lines, tmp_path, monkeypatch, error):
    def show(_):
        raise error

    monkeypatch.setattr("trocr_gsa.cli.evaluate.show", show)
    json_file, report = tmp_path / "numbers.json", tmp_path / "page.html"
    assert call("evaluate", lines, "--angles", "0", "--json", json_file, "--report", report).exit_code > 0
    assert json.loads(json_file.read_text())["rows"]
    assert report.stat().st_size > 0
