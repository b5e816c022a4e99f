"""Output formats: the command line offers what the registry holds, and names the nearest to what it does not hold."""

import pytest
from page_makers import make_folder

from trocr_gsa.data.formats import FORMATS, LINE_FIELDS, PAGE_FIELDS, find_format, row_format
from trocr_gsa.data.line import Line


def test_the_help_names_every_format_and_says_what_it_holds(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    shown = call("read", "--help").stdout
    assert f"[{'|'.join(FORMATS)}]" in shown
    for name, format in FORMATS.items():
        assert f"{name}: {format.summary}" in shown


@pytest.mark.parametrize(("word", "nearest"), [("jsnl", "jsonl"), ("JSONL", None), ("pages", "page"), ("xml", None)])
def test_an_unknown_format_is_one_error_that_names_all_and_the_nearest(call, lines, word, nearest):
    result = call("read", lines, "--format", word)
    assert result.exit_code == 2
    assert result.stdout == ""
    (message,) = result.stderr.splitlines()
    assert f"`format` must be one of {', '.join(FORMATS)}, got '{word}'." in message
    assert ("Did you mean" in message) == (nearest is not None)
    assert nearest is None or message.endswith(f"Did you mean {nearest}?")


def test_a_format_that_is_entered_is_written_of_pictures_and_of_pages(call, lines, tmp_path, monkeypatch):
    make_folder(tmp_path / "pages", "page", [["one", "two"]])
    names = row_format("names", "where lines come from", ".names", lambda row: f"{row['source']}\n", "|".join)
    monkeypatch.setitem(FORMATS, "names", names)
    pictures = call("read", lines / "one.png", lines / "two.png", "--format", "names").stdout
    assert pictures == f"{'|'.join(LINE_FIELDS)}{lines / 'one.png'}\n{lines / 'two.png'}\n"
    assert call("read", tmp_path / "pages", "--format", "names", "--output-dir", tmp_path / "read").exit_code == 0
    (page,) = (tmp_path / "read").rglob("*.names")
    assert page.read_text() == f"{'|'.join(PAGE_FIELDS)}{page.stem}.xml\n{page.stem}.xml\n"


@pytest.mark.parametrize("name", [name for name, each in FORMATS.items() if each.needs_layout])
def test_what_needs_a_pages_layout_is_refused_for_pictures_of_lines(call, lines, name):
    result = call("read", lines, "--format", name, "--output-dir", lines.parent / "read")
    assert result.exit_code == 2
    assert "there is no page (PAGE, ALTO) among them" in result.stderr
    with pytest.raises(ValueError, match=f"`format` {name} is for pages, .* Choose text, jsonl, csv"):
        find_format(name).line_writer()


def test_the_rows_of_pictures_have_as_many_columns_as_their_head():
    csv = find_format("csv")
    line = Line('a "quoted", line', 0.5, 90.0, "a,b.png", character_confidences=(0.5, 0.25))
    assert csv.line_header.count(",") == 7
    assert csv.line_writer()(line) == '"a,b.png","a ""quoted"", line",0.5,0.353553,90.0,,0.5 0.25,\n'
