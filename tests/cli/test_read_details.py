"""`trocr-gsa read`: alternatives, the least confidence, and lines to correct."""

import csv
import io
import json
import math

import pytest
from lxml import etree
from page_makers import draw_page, make_folder
from PIL import Image
from slow_cases import others_slow
from tiny_checkpoint import draw_line

from trocr_gsa.cli.read_details import Details
from trocr_gsa.cli.read_lines import LineJob, LineOutput
from trocr_gsa.data.correction_queue import CorrectionQueue
from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.line import Line
from trocr_gsa.data.sources import open_source

CONFIDENCES = {"one": 0.5, "two": 0.1, "three": 0.9, "four": 0.1}


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "lines"
    folder.mkdir()
    for name in CONFIDENCES:
        draw_line(name).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def confident(monkeypatch):
    """Readings whose confidence is known."""

    def read(self, images, *_, alternatives=0, **__):
        names = [getattr(image, "filename", None) or str(image) for image in images]
        known = [next((c for word, c in CONFIDENCES.items() if f"{word}." in name), 0.5) for name in names]
        return [Line(f"read {c:g}", c, 0.0, name) for name, c in zip(names, known, strict=True)]

    monkeypatch.setattr("trocr_gsa.reader.LineReader.read", read)


def test_alternatives_come_with_each_line(call, pictures):
    result = call("read", pictures, "--format", "jsonl", "--alternatives", 3)
    for row in map(json.loads, result.stdout.splitlines()):
        assert len(row["alternatives"]) == 3
        assert set(row["alternatives"][0]) == {"text", "probability"}
    plain = map(json.loads, call("read", pictures, "--format", "jsonl").stdout.splitlines())
    assert not any("alternatives" in row for row in plain)


def test_alternatives_of_pages_are_texts_of_a_higher_index(call, tmp_path):
    make_folder(tmp_path / "in", "page", [["one", "two"]], transcribed=True)
    ask = ("--format", "page", "--alternatives", 3)
    assert call("read", tmp_path / "in", *ask, "--output-dir", tmp_path / "out").exit_code == 0
    root = etree.parse(tmp_path / "out" / "0001.xml")
    for line in root.iter("{*}TextLine"):
        main, *others = line.findall("{*}TextEquiv")
        assert main.get("comments") is None
        assert [each.get("comments") for each in others] == ["alternative"] * len(others)
        assert [int(each.get("index")) for each in others] == list(range(1, len(others) + 1))
        assert main.findtext("{*}Unicode") not in [each.findtext("{*}Unicode") for each in others]
    (tmp_path / "out" / "0001.png").write_bytes((tmp_path / "in" / "0001.png").read_bytes())
    assert call("read", tmp_path / "out", *ask, "--output-dir", tmp_path / "again").exit_code == 0
    again = etree.parse(tmp_path / "again" / "0001.xml")
    assert len(list(again.iter("{*}TextEquiv"))) == len(list(root.iter("{*}TextEquiv")))


@pytest.mark.parametrize("format", ["text", "csv"])
def test_a_format_without_room_for_alternatives_is_refused(call, pictures, format):
    result = call("read", pictures, "--format", format, "--alternatives", 2)
    assert result.exit_code == 2
    assert "has no room for them. Choose one of jsonl, page" in result.stderr


def test_a_run_with_alternatives_is_another_run(call, pictures, tmp_path, monkeypatch):
    ask = ("read", pictures, "--format", "jsonl", "--output", tmp_path / "out.jsonl")
    with monkeypatch.context() as stopped:
        stopped.setattr("trocr_gsa.reader.parts.Parts.merge", lambda *_: pytest.fail("stopped"))
        with pytest.raises(pytest.fail.Exception, match="stopped"):
            call(*ask, "--alternatives", 3)
    result = call(*ask, "--alternatives", 4)
    assert result.exit_code == 2
    assert "started with another alternatives: 3 then, 4 now" in result.stderr
    assert call(*ask, "--alternatives", 3).exit_code == 0
    rows = map(json.loads, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert all(len(row["alternatives"]) == 3 for row in rows)


@pytest.mark.parametrize("to_file", [False, True])
def test_lines_that_are_not_certain_are_listed_and_left_out(call, pictures, confident, tmp_path, to_file):
    output = ("--output", tmp_path / "out.txt") if to_file else ()
    result = call("read", pictures, "--min-confidence", 0.4, *output)
    written = (tmp_path / "out.txt").read_text() if to_file else result.stdout
    assert written.splitlines() == ["read 0.5", "read 0.9"]  # one, three
    assert result.exit_code == 1
    assert result.stderr.count("left out: ") == 2
    assert f"left out: {pictures / 'two.png'}: 0.1 sure, less than 0.4: read 0.1" in result.stderr


@pytest.mark.parametrize("to_file", others_slow([False, True], True))
@pytest.mark.parametrize(("format", "headers"), [("text", 0), ("jsonl", 0), ("csv", 1)])
def test_every_format_of_lines_leaves_out_what_is_not_certain(
    call, pictures, confident, tmp_path, format, headers, to_file
):
    output = ("--output", tmp_path / "out", "--overwrite") if to_file else ()
    for least, expected in ((0.5, ["read 0.5", "read 0.9"]), (0.50001, ["read 0.9"]), (1, [])):
        result = call("read", pictures, "--min-confidence", least, "--format", format, *output)
        written = (tmp_path / "out").read_text() if to_file else result.stdout
        rows = written.splitlines()[headers:]
        assert [next(text for text in ("read 0.1", "read 0.5", "read 0.9") if text in row) for row in rows] == expected
        assert result.exit_code == 1
        assert result.stderr.count("left out: ") == 4 - len(expected)


@pytest.mark.usefixtures("confident")
@pytest.mark.parametrize("format", ["hocr", "page", "alto", "tei"])
@pytest.mark.parametrize(("least", "is_written"), [(0.5, True), (0.50001, False)])
def test_formats_of_pages_leave_out_lines_that_are_not_certain(call, tmp_path, format, least, is_written):
    make_folder(tmp_path / "in", "page", [["a"]])
    result = call(
        "read", tmp_path / "in", "--format", format, "--min-confidence", least, "--output-dir", tmp_path / "out"
    )
    (written,) = (path.read_text() for path in (tmp_path / "out").glob("[!.]*") if path.suffix != ".png")
    texts = " ".join(etree.fromstring(written.encode()).itertext()) + written
    assert ("read" in texts.split() or "read 0.5" in texts or 'CONTENT="read"' in written) == is_written
    assert result.exit_code == (0 if is_written else 1)


def test_a_confidence_that_is_no_number_never_suffices(capsys):
    job = LineJob(["a.png"], [None], "any", 1, FORMATS["text"], dict, lambda _: None, details=Details(0, 0.0))
    stream = io.StringIO()
    output = LineOutput(job, stream)
    output.add(Line("guessed", math.nan, 0.0, "a.png"))
    output.add(Line("sure", 0.0, 0.0, "a.png"))
    assert (output.left_out, stream.getvalue()) == (1, "sure\n")
    assert "left out: a.png: nan sure, less than 0: guessed" in capsys.readouterr().err


@pytest.mark.parametrize("to_file", [False, True])
def test_the_least_certain_lines_become_a_folder_that_can_be_learnt_from(call, pictures, confident, tmp_path, to_file):
    output = ("--output", tmp_path / "out.txt") if to_file else ()
    folder = tmp_path / "queue"
    result = call("read", pictures, "--queue", 3, "--queue-dir", folder, *output)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = list(csv.DictReader((folder / "queue.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["confidence"] for row in rows] == ["0.1", "0.1", "0.5"]
    assert [row["source"].rsplit("/")[-1] for row in rows] == ["four.png", "two.png", "one.png"]
    assert [row["file"] for row in rows] == ["0001_four.png", "0002_two.png", "0003_one.png"]
    for row in rows:
        with Image.open(folder / row["file"]) as image:
            assert image.size == (64, 20)
        assert (folder / row["file"]).with_suffix(".gt.txt").read_text() == f"{row['text']}\n"
    lines = open_source(str(folder))
    assert sorted(lines.texts()) == ["read 0.1", "read 0.1", "read 0.5"]


def test_lines_of_pages_are_queued_as_they_were_cut(call, tmp_path, monkeypatch):
    make_folder(tmp_path / "in", "page", [["one", "two"], ["three"]])
    folder = tmp_path / "queue"
    assert call("read", tmp_path / "in", "--queue", 2, "--queue-dir", folder).exit_code == 0
    rows = list(csv.DictReader((folder / "queue.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 2
    assert float(rows[0]["confidence"]) <= float(rows[1]["confidence"])
    heights = {round(float(line.polygon[2, 1] - line.polygon[0, 1])) for line in draw_page(["one"])[1]}
    for row in rows:
        with Image.open(folder / row["file"]) as image:
            assert image.height in heights


def test_a_folder_that_holds_something_is_not_touched(call, pictures, tmp_path):
    folder = tmp_path / "queue"
    folder.mkdir()
    (folder / "0001_a.gt.txt").write_text("corrected")
    result = call("read", pictures, "--queue", 2, "--queue-dir", folder)
    assert result.exit_code == 2
    assert "is not empty" in result.stderr
    assert [path.name for path in folder.iterdir()] == ["0001_a.gt.txt"]


def test_several_processes_write_no_queue(call, pictures, monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = call("read", pictures, "--queue", 2, "--queue-dir", tmp_path / "queue", "--output", tmp_path / "o.txt")
    assert result.exit_code == 2
    assert "`--queue`: several processes cannot write one queue" in result.stderr


def test_names_of_strange_lines_are_names_of_files(tmp_path):
    queue = CorrectionQueue(3, tmp_path / "queue")
    for source in ("a/b: line 1", "\udcff\n", "x" * 300):
        queue.add(Line("text", 0.5, 0.0, source), lambda: draw_line("a"))
    queue.add(Line("gone", 0.1, 0.0, "gone"), lambda: (_ for _ in ()).throw(OSError("gone.png cannot be read")))
    assert queue.write() == ["gone.png cannot be read"]
    names = sorted(path.name for path in (tmp_path / "queue").glob("*.png"))
    assert names[0] == "0002_b_line_1.png"
    assert len(names) == 2
    assert all(len(name) < 100 for name in names)
