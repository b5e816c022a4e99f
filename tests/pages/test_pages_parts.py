"""Pages read into one file: it appears when all are read, and a run that was stopped goes on where it was."""

import os
from pathlib import Path

import pytest
from page_makers import make_folder
from stub_reader import StubReader
from typer.testing import CliRunner

from trocr_gsa.cli.app import app


class StoppedReader(StubReader):
    """Stops the run at its third window."""

    def read(self, images, *words, **more):
        if len(self.handed) == 2:
            raise KeyboardInterrupt
        return super().read(images, *words, **more)


@pytest.fixture
def pages(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("trocr_gsa.reader.pages.WINDOW", 2)  # a page
    return make_folder(tmp_path / "pages", "page", [["one", "two"], ["three", "four"], ["five", "six"]])


@pytest.fixture
def run(monkeypatch):
    """Run `trocr-gsa read` with a reader of one's own."""

    def run(reader, *words):
        monkeypatch.setattr("trocr_gsa.reader.LineReader.from_pretrained", lambda *_: reader)
        return CliRunner().invoke(app, ["read", *map(str, words)], catch_exceptions=False)

    return run


@pytest.fixture(params=["text", "csv", "jsonl"])
def words(request, pages, tmp_path):
    return [pages, "--format", request.param, "--output", tmp_path / "out.txt"]


def test_nothing_appears_before_all_is_read_and_the_next_run_reads_the_rest(run, words, tmp_path):
    (tmp_path / "out.txt").write_text("old")
    run(StoppedReader(), *words)
    assert (tmp_path / "out.txt").read_text() == "old"
    assert sorted(path.name for path in (tmp_path / "out.txt.pages").iterdir()) == ["0.json", "1.json", "run.json"]
    (tmp_path / "out.txt.pages" / ".2.json.0123456789abcdef.unfinished").write_text("half")
    reader = StubReader()
    result = run(reader, *words)
    assert (result.exit_code, len(reader.handed)) == (0, 1)
    assert result.stderr == "already there and left as they are: 2 pages; --overwrite reads them again\n"
    gone_on = (tmp_path / "out.txt").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.txt", "pages"]
    assert run(StubReader(), *words).exit_code == 0
    assert (tmp_path / "out.txt").read_bytes() == gone_on
    assert gone_on.decode().count("read anew") == 6


def test_what_was_left_out_is_told_again_by_the_run_that_goes_on(run, pages, tmp_path):
    first = pages / "0001.xml"
    first.write_text(first.read_text().replace('<TextLine id="l1">', '<TextLine id="l1"><Coords points="1,1 2,2"/>'))
    words = [pages, "--output", tmp_path / "out.txt"]
    run(StoppedReader(), *words)
    first.unlink()
    (tmp_path / "pages" / "0001.xml").write_text("the run has it already")
    result = run(StubReader(), *words)
    assert result.exit_code == 1
    assert "left out: 0001.xml: line l1: a polygon needs 3 points" in result.stderr
    assert (tmp_path / "out.txt").read_text().count("read anew") == 5


@pytest.mark.parametrize(
    "others", [["--format", "csv"], ["--min-confidence", "0.1"], ["--beams", "2"], ["--orientation", "upright"]]
)
def test_another_run_is_refused_and_may_begin_anew(run, pages, tmp_path, others):
    words = [pages, "--output", tmp_path / "out.txt"]
    run(StoppedReader(), *words)
    result = run(StubReader(), *words, *others)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "was started with another" in result.stderr
    assert run(StubReader(), *words, *others, "--overwrite").exit_code == 0
    assert (tmp_path / "out.txt").read_text().count("read anew") == 6


def test_a_run_that_never_began_leaves_nothing_behind(run, pages, tmp_path):
    class NoReader(StubReader):
        def read(self, *_, **__):
            raise ValueError("no reader")

    assert run(NoReader(), pages, "--output", tmp_path / "out.txt").exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pages"]


def test_a_page_that_could_not_be_used_is_tried_again_and_the_rest_is_written(run, pages, tmp_path):
    good = (pages / "0002.xml").read_text()
    (pages / "0002.xml").write_text("no xml")
    words = [pages, "--output", tmp_path / "out.txt"]
    result = run(StubReader(), *words)
    assert (result.exit_code, (tmp_path / "out.txt").read_text().count("read anew")) == (1, 4)
    run(StoppedReader(), *words)
    (pages / "0002.xml").write_text(good)
    assert run(StubReader(), *words).exit_code == 0
    assert (tmp_path / "out.txt").read_text().count("read anew") == 6


def test_companions_between_pages_do_not_shift_their_places(run, pages, tmp_path):
    (pages / "0001b.xml").write_text("<mets/>")
    words = [pages, "--format", "csv", "--output", tmp_path / "out.csv"]
    run(StoppedReader(), *words)
    assert run(StubReader(), *words).exit_code == 0
    rows = (tmp_path / "out.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == [f"000{number}.xml" for number in (1, 1, 2, 2, 3, 3)]


def test_what_is_no_file_is_written_to_as_it_is(run, pages):
    assert run(StubReader(), pages, "--output", "/dev/null").exit_code == 0
    assert os.path.exists("/dev/null")
    assert not Path("/dev/null.pages").exists()


def test_leftovers_of_a_killed_run_are_removed_from_the_folder_of_outputs(run, pages, tmp_path):
    left = tmp_path / "out" / ".0002.xml.0123456789abcdef.unfinished"
    left.parent.mkdir()
    left.write_text("half")
    assert run(StubReader(), pages, "--format", "page", "--output-dir", tmp_path / "out").exit_code == 0
    assert sorted(path.name for path in left.parent.iterdir()) == ["0001.xml", "0002.xml", "0003.xml"]
