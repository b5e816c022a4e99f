"""Pictures and lines without writing: an empty text, of unknown confidence, in every form of output."""

import csv
import json
import math
import re

import pytest
from page_makers import alto_line, alto_xml, draw_page, page_equiv, page_line, page_xml
from PIL import Image
from slow_cases import others_slow
from tiny_checkpoint import draw_line

from trocr_gsa.data.correction_queue import CorrectionQueue
from trocr_gsa.data.line import Line
from trocr_gsa.data.numbers import to_json


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "lines"
    folder.mkdir()
    draw_line("abc").save(folder / "one.png")
    for name in ("blank", "void"):
        Image.new("L", (600, 60), 255).save(folder / f"{name}.png")
    return folder


@pytest.fixture(params=others_slow(["page", "alto"], "alto"))
def pages(request, tmp_path):
    """A page of a line that is drawn, and one that is not, both with a text."""
    image, (line, gone) = draw_page(["abc", "gone"])
    left, top = gone.polygon.min(axis=0).astype(int).tolist()
    image.paste(image.getpixel((0, 0)), (left, top, left + 300, top + 80))
    folder = tmp_path / "pages"
    folder.mkdir()
    image.save(folder / "0001.png")
    if request.param == "page":
        xml = page_xml(page_line(1, line, page_equiv("old")) + page_line(2, gone, page_equiv("kept", ' conf="0.5"')))
    else:
        xml = alto_xml(alto_line(1, line) + alto_line(2, gone, '<String CONTENT="kept" WC="0.5"/>'))
    (folder / "0001.xml").write_text(xml)
    return request.param, folder


@pytest.mark.parametrize("to_file", [False, True])
@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_the_confidence_of_an_empty_picture_is_unknown_in_rows(call, pictures, tmp_path, format, to_file):
    """Lines written to a file go through parts, which keep them as JSON."""
    output = ("--output", tmp_path / "out") if to_file else ()
    result = call("read", pictures, "--format", format, *output)
    written = (tmp_path / "out").read_text() if to_file else result.stdout
    rows = list(csv.DictReader(written.splitlines())) if format == "csv" else [*map(json.loads, written.splitlines())]
    unknown = "" if format == "csv" else None
    assert result.exit_code == 0
    assert [row["text"] == "" for row in rows] == [True, False, True]
    assert [row["confidence"] == row["character_confidence"] == unknown for row in rows] == [True, False, True]
    assert "NaN" not in written
    assert "nan" not in written


@pytest.mark.parametrize("to_file", [False, True])
def test_an_empty_picture_does_not_satisfy_a_least_confidence(call, pictures, tmp_path, to_file):
    output = ("--output", tmp_path / "out") if to_file else ()
    result = call("read", pictures, "--min-confidence", 1e-12, *output)
    written = (tmp_path / "out").read_text() if to_file else result.stdout
    assert len(written.splitlines()) == 1
    assert result.exit_code == 1
    for name in ("blank", "void"):
        assert f"left out: {pictures / name}.png: no writing was found in the picture, so that" in result.stderr


@pytest.mark.parametrize("format", ["page", "alto", "hocr", "tei"])
def test_an_empty_line_of_a_page_has_no_confidence(call, pages, tmp_path, format):
    _kind, folder = pages
    assert call("read", folder, "--format", format, "--output-dir", tmp_path / "out").exit_code == 0
    (path,) = (tmp_path / "out").glob("0001*")
    written = path.read_text()
    assert "kept" not in written
    assert "nan" not in written
    name, unknown = {
        "page": ("conf=", ""), "alto": ("WC=", ""), "hocr": ('"ocr_line"[^>]*x_wconf', ""),
        "tei": ('cert="', 'cert="unknown"'),
    }[format]  # fmt: skip
    assert len(re.findall(name, written)) - bool(unknown) * written.count(unknown) == 1
    assert unknown in written


def test_an_empty_line_keeps_its_old_text_where_a_least_confidence_is_asked_for(call, pages, tmp_path):
    kind, folder = pages
    result = call("read", folder, "--format", kind, "--min-confidence", 1e-12, "--output-dir", tmp_path / "out")
    assert result.exit_code == 1
    assert "left out: 0001.xml: line l2: no writing was found" in result.stderr
    written = (tmp_path / "out" / "0001.xml").read_text()
    assert "kept" in written
    assert '"0.5"' in written


def test_empty_pictures_come_last_in_the_queue(tmp_path):
    queue = CorrectionQueue(3, tmp_path / "queue")
    lines = [Line.empty("a"), Line("x", 1.0, 0.0, "b"), Line.empty("c"), Line("y", 0.2, 0.0, "d")]
    for line in lines:
        queue.add(line, lambda: draw_line("a"))
    assert queue.write() == []
    rows = list(csv.DictReader((tmp_path / "queue" / "queue.csv").read_text().splitlines()))
    assert [(row["source"], row["confidence"]) for row in rows] == [("d", "0.2"), ("b", "1"), ("a", "")]


def test_an_empty_line_is_not_one_that_could_not_be_read():
    empty, failed = Line.empty("a"), Line.failed("a", ValueError("why"))
    assert math.isnan(empty.confidence)
    assert math.isnan(empty.character_confidence)
    assert failed.confidence == 0.0
    assert [line.has_confidence(0.0) for line in (empty, failed)] == [True, True]
    assert [line.has_confidence(0.1) for line in (empty, failed)] == [False, False]
    assert json.loads(to_json(empty.as_fields()))["confidence"] is None
