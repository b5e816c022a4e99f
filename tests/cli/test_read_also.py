"""`trocr-gsa read --also`: both texts in every format that has a place for them, and one error for the others."""

import csv
import io
import json

import pytest
from lxml import etree
from page_makers import make_folder
from PIL import Image
from tiny_adapters import save_adapter

from trocr_gsa.data.formats import FORMATS
from trocr_gsa.reader import LineReader

WITH_A_PLACE = ["text", "jsonl", "csv", "page"]


@pytest.fixture(scope="module")
def date(checkpoint, tmp_path_factory):
    return save_adapter(checkpoint, tmp_path_factory.mktemp("adapter") / "date", seed=3)


@pytest.fixture
def expected(checkpoint, lines, date):
    files = sorted(map(str, lines.glob("*.png")))
    reader = LineReader.from_pretrained(checkpoint, {"date": date})
    plain, dated = LineReader.from_pretrained(checkpoint).read(files), reader.read(files, adapter="date")
    return [(one.text, two.text) for one, two in zip(plain, dated, strict=True)]


def test_bare_text_has_both_texts_in_a_row(call, lines, date, expected):
    result = call("read", lines, "--adapter", f"date={date}", "--also", "date")
    assert result.exit_code == 0
    assert [tuple(row.split("\t")) for row in result.stdout.splitlines()] == expected


def test_a_table_has_a_column_for_each_adapter(call, lines, date, expected):
    words = ("--adapter", f"date={date}", "--adapter", f"b={date}", "--also", "date", "--also", "b")
    rows = list(csv.DictReader(io.StringIO(call("read", lines, *words, "--format", "csv").stdout)))
    assert [(row["text"], row["also_date"]) for row in rows] == expected
    for row in rows:
        assert (row["also_b"], row["also_b_confidence"]) == (row["also_date"], row["also_date_confidence"])
        assert None not in row


def test_objects_name_the_adapter_and_its_confidence(call, lines, date, expected):
    words = ("--adapter", f"date={date}", "--also", "date", "--format", "jsonl")
    rows = [json.loads(row) for row in call("read", lines, *words).stdout.splitlines()]
    assert [(row["text"], row["also"][0]["text"]) for row in rows] == expected
    assert all(set(row["also"][0]) == {"adapter", "text", "confidence"} for row in rows)
    assert all(row["adapter"] is None for row in rows)
    plain = [json.loads(row) for row in call("read", lines, "--format", "jsonl").stdout.splitlines()]
    assert [{name: value for name, value in row.items() if name != "also"} for row in rows] == plain


def test_a_run_that_was_stopped_keeps_both_texts_and_is_another_run_without(call, lines, date, tmp_path, monkeypatch):
    Image.new("L", (80, 32), 255).save(lines / "white.png")
    ask = ("read", lines, "--format", "csv", "--output", tmp_path / "out.csv", "--adapter", f"date={date}")
    straight = call(*ask[:4], *ask[6:], "--also", "date").stdout
    with monkeypatch.context() as stopped:
        stopped.setattr("trocr_gsa.reader.parts.Parts.merge", lambda *_: pytest.fail("stopped"))
        with pytest.raises(pytest.fail.Exception, match="stopped"):
            call(*ask, "--also", "date")
    assert "started with another " in call(*ask).stderr
    assert call(*ask, "--also", "date").exit_code == 0
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == straight


def test_a_page_has_a_further_text_that_names_the_adapter(call, date, tmp_path):
    make_folder(tmp_path / "in", "page", [["one", "two"]], transcribed=True)
    ask = ("--format", "page", "--adapter", f"date={date}", "--output-dir")
    assert call("read", tmp_path / "in", "--format", "page", "--output-dir", tmp_path / "plain").exit_code == 0
    assert call("read", tmp_path / "in", *ask, tmp_path / "out", "--also", "date").exit_code == 0
    (tmp_path / "out" / "0001.png").write_bytes((tmp_path / "in" / "0001.png").read_bytes())
    assert call("read", tmp_path / "out", *ask, tmp_path / "again", "--also", "date").exit_code == 0
    plain = [each.text for each in etree.parse(tmp_path / "plain" / "0001.xml").iter("{*}Unicode")]
    for name in ("out", "again"):
        root = etree.parse(tmp_path / name / "0001.xml")
        others = root.findall(".//{*}TextEquiv[@comments]")
        assert [(other.get("index"), other.get("comments")) for other in others] == [("1", "adapter date")] * 2
        for other in others:
            other.getparent().remove(other)
        assert [each.text for each in root.iter("{*}Unicode")] == plain
        assert root.find(".//{*}Label[@type='also date SHA-256']") is not None


def test_pages_as_rows_have_both_texts(call, date, tmp_path):
    make_folder(tmp_path / "in", "alto", [["one", "two"], ["three"]])
    words = ("--adapter", f"date={date}", "--also", "date", "--format", "csv", "--output", tmp_path / "out.csv")
    assert call("read", tmp_path / "in", *words).exit_code == 0
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 3
    assert all(0 < float(row["also_date_confidence"]) <= 1 and row["adapter"] == "" for row in rows)


@pytest.mark.parametrize("format", [name for name in FORMATS if name not in WITH_A_PLACE])
def test_a_format_without_a_place_is_one_error_that_names_the_others(call, lines, date, format):
    result = call("read", lines, "--format", format, "--adapter", f"date={date}", "--also", "date")
    (message,) = result.stderr.splitlines()
    assert result.exit_code == 2
    assert f"`format` {format} has no place for a second text" in message
    assert message.endswith(f"Choose one of {', '.join(WITH_A_PLACE)}.")


@pytest.mark.parametrize("adapter", ["date={}", "{}"])
def test_also_takes_only_the_name_of_an_adapter(call, lines, date, adapter):
    result = call("read", lines, "--adapter", adapter.format(date), "--also", "when")
    (message,) = result.stderr.splitlines()
    assert (result.exit_code, "`--also` must be the name of an adapter (" in message) == (2, True)


def test_the_adapters_that_are_left_read_the_first_text(call, lines, date):
    words = ("--adapter", f"date={date}", "--adapter", f"fr={date}", "--also", "date", "--format", "jsonl")
    for row in map(json.loads, call("read", lines, *words).stdout.splitlines()):
        assert (row["adapter"], row["text"]) == ("fr", row["also"][0]["text"])
    refused = call("read", lines, *words, "--use", "*=date")
    assert refused.exit_code == 2
    assert "the name of an adapter (fr)" in refused.stderr
