"""Which files of a folder are pages, which of two for one picture is used, and what is never taken for a line."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from page_makers import alto_line, alto_xml, draw_page, make_folder, page_equiv, page_line, page_xml
from stub_reader import StubReader
from typer.testing import CliRunner

from trocr_gsa.cli.app import app
from trocr_gsa.data import compile_lines, open_source
from trocr_gsa.data.pages import find_pages, holds_pages, holds_xml

IMAGE, LINES = draw_page(["one"])
GOOD = page_xml(page_line(1, LINES[0], page_equiv("one")))
ALTO = alto_xml(alto_line(1, LINES[0], '<String CONTENT="one"/>'))


@pytest.fixture
def read(monkeypatch) -> Callable[..., Result]:
    """Run `trocr-gsa read` with a reader that costs nothing."""
    monkeypatch.setattr("trocr_gsa.reader.LineReader.from_pretrained", lambda *_: StubReader())
    return lambda *words: CliRunner().invoke(app, ["read", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "pages").mkdir()
    IMAGE.save(tmp_path / "pages" / "0001.png")
    return tmp_path / "pages"


@pytest.mark.parametrize("name", ["0001.XML", "0001.Xml", "0001.alto", "0001.ALTO", "0001.page", "0001.alto.xml"])
@pytest.mark.parametrize("content", [GOOD, ALTO], ids=["page", "alto"])
def test_a_page_is_found_whatever_its_ending(folder, read, name, content):
    (folder / name).write_text(content)
    for word in (folder, folder / name, folder / "*[!g]"):
        assert read(word, "--format", "csv").output.splitlines()[1].startswith(name)
    assert [line.text for line in open_source(folder)] == ["one"]
    assert [line.text for line in open_source(folder / name)] == ["one"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (GOOD[:-20].encode(), "not well-formed XML"),
        (b"", "not well-formed XML"),
        (b"\0\0", "not well-formed XML"),
        (b"<PcGts xmlns='urn:unknown'/>", "expected one Page"),
        (b"<alto/>", "expected one Page"),
        (b"<Document/>", "neither PAGE nor ALTO: its root is Document"),
        (GOOD.replace("2019", "2010").encode(), "2013 or later"),
        (GOOD.replace("<PcGts", "<!DOCTYPE PcGts><PcGts").encode(), "document type"),
    ],
    ids=["cut short", "empty", "zeros", "no page", "no alto", "another root", "too old", "document type"],
)
@pytest.mark.parametrize("name", ["0001.xml", "deep/0001.XML", "0001.alto"])
def test_a_folder_whose_only_xml_is_bad_is_no_folder_of_lines(folder, read, name, content, complaint):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    result = read(folder)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"left out: {name}: ")
    assert complaint in result.stderr
    with pytest.raises(ValueError, match=re.escape(f"First problem: {name}")):
        open_source(folder)


@pytest.mark.parametrize("root", ["mets", "trpDocMetadata", "TEI"])
def test_what_lies_beside_pages_without_a_page_is_told(folder, read, root):
    (folder / "beside.xml").write_text(f"<{root}/>")
    result = read(folder)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "beside.xml usually accompanies pages, but there is no PAGE or ALTO file" in result.stderr
    (folder / "0001.xml").write_text(GOOD)
    assert (read(folder).exit_code, read(folder).output) == (0, "read anew\n")


def test_pictures_of_lines_are_read_as_such_where_only_systems_put_xml(folder, read):
    for name in (".idea/workspace.xml", "._0001.xml", ".hidden.alto"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("<x/>")
    os.mkfifo(folder / "pipe.xml")
    (folder / "folder.xml").mkdir()
    assert not holds_xml(folder)
    result = read(folder)
    assert (result.exit_code, result.stdout) == (0, "read anew\n")


def test_a_dataset_is_not_taken_for_pages_because_of_some_xml_beside_it(tmp_path):
    (tmp_path / "info.xml").write_text("<info/>")
    (tmp_path / "a.gt.txt").write_text("one")
    IMAGE.save(tmp_path / "a.png")
    assert [line.text for line in open_source(tmp_path)] == ["one"]
    assert not holds_pages(tmp_path)


def test_an_xml_file_that_leads_outside_is_not_followed(folder, read, tmp_path):
    (tmp_path / "secret.xml").write_text(GOOD)
    (folder / "0001.xml").symlink_to(tmp_path / "secret.xml")
    (folder / "gone.xml").symlink_to(tmp_path / "nowhere.xml")
    result = read(folder)
    assert (result.exit_code, result.stdout) == (1, "")
    starts = [line.split(",")[0] for line in result.stderr.splitlines()]
    assert starts == [f"left out: {name}: leads outside of {folder}" for name in ("0001.xml", "gone.xml")]


def both_kinds(folder: Path, page: str = "page", alto: str = "alto") -> Path:
    """Two pages, each with its picture above and a file of either kind."""
    for name, inside in ((page, "page"), (alto, "alto")):
        made = make_folder(folder / name, inside, [["one"], ["two"]], transcribed=True)
        for picture in made.glob("*.png"):
            picture.rename(folder / picture.name)
    return folder


@pytest.mark.parametrize(("page", "alto"), [("page", "alto"), ("PAGE", "ALTO"), ("a", "b"), ("x/page", "alto")])
@pytest.mark.parametrize(("format", "used"), [("csv", "page"), ("page", "page"), ("alto", "alto")])
def test_of_page_and_alto_for_one_picture_one_is_used_and_said(tmp_path, read, page, alto, format, used):
    folder = both_kinds(tmp_path / "in", page, alto)
    result = read(folder, "--format", format, "--output-dir", tmp_path / "out")
    assert result.exit_code == 0
    assert result.stderr.startswith(f"note: 2 pages exist as PAGE and as ALTO: {used.upper()} is used, ")
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 2


def test_in_a_set_of_lines_each_counts_once(tmp_path):
    lines = open_source(both_kinds(tmp_path))
    assert [line.text for line in lines] == ["one", "two"]
    assert lines.notes == [
        "2 pages exist as PAGE and as ALTO: PAGE is used, ALTO is not (alto/0001.xml, alto/0002.xml)."
    ]


def test_of_two_books_with_pictures_of_one_name_nothing_is_passed_over(tmp_path):
    make_folder(tmp_path / "a", "page", [["one"]], transcribed=True)
    make_folder(tmp_path / "b", "alto", [["two"]], transcribed=True)
    lines = open_source(tmp_path)
    assert [line.text for line in lines] == ["one", "two"]
    assert lines.notes == []


def test_where_page_cannot_be_read_alto_is_not_passed_over_for_it(tmp_path, read):
    folder = both_kinds(tmp_path)
    (folder / "page" / "0001.xml").write_text(GOOD.replace("<Page ", "<Book ").replace("</Page>", "</Book>"))
    result = read(folder, "--format", "csv")
    sources = {row.split(",")[0] for row in result.stdout.splitlines()[1:]}
    assert (result.exit_code, sources) == (1, {"alto/0001.xml", "page/0002.xml"})
    assert "left out: page/0001.xml" in result.stderr


def test_files_whose_names_are_not_utf8_are_read_and_named(tmp_path, read):
    folder = make_folder(tmp_path / "pages", "page", [["one"]])
    bad = os.fsdecode(b"bl\xe4tter")
    (folder / "0001.xml").rename(folder / f"{bad}.xml")
    (folder / "0001.png").rename(folder / f"{bad}.png")
    (folder / f"{bad}2.xml").write_text("no xml")
    for format in ("csv", "jsonl", "hocr", "page", "text"):
        result = read(folder, "--format", format, "--output-dir", tmp_path / format)
        assert result.exit_code == 1
        assert "tter2.xml: is not well-formed XML" in result.stderr
        (written,) = (tmp_path / format).iterdir()
        written.read_bytes().decode("utf-8")
    assert read(folder, "--format", "jsonl").stdout.startswith('{"source": "bl\\udce4tter.xml"')


@pytest.mark.parametrize("in_folder", ["", os.fsdecode(b"\xe4")])
def test_pages_whose_names_are_not_utf8_are_learnt_from(tmp_path, in_folder):
    folder = make_folder(tmp_path / "pages" / in_folder, "alto", [["one\u200b", "two"]], [180.0] * 2, transcribed=True)
    for suffix in ("xml", "png"):
        (folder / f"0001.{suffix}").rename(folder / os.fsdecode(b"bl\xe4tter." + suffix.encode()))
    lines = open_source(tmp_path / "pages")
    assert [line.text for line in lines] == ["one\u200b", "two"]
    assert "".join([*lines.notes, *(f"{line.name} {line.document}" for line in lines)]).isprintable()
    compile_lines(lines, tmp_path / "lines.parquet")
    assert {line.document for line in open_source(tmp_path / "lines.parquet")} == {line.document for line in lines}


@pytest.mark.parametrize("name", ["0001.XML", "a.alto"])
def test_with_segment_a_page_is_refused_whatever_its_ending(folder, read, name):
    (folder / name).write_text(GOOD)
    result = read(folder / name, "--segment")
    assert (result.exit_code, "says where its lines are" in result.stderr) == (2, True)


def test_a_named_file_may_look_one_folder_up_from_page_in_capitals(tmp_path):
    (tmp_path / "PAGE").mkdir()
    (file,) = find_pages(tmp_path / "PAGE" / "0001.XML")
    assert file.root == tmp_path


def test_pictures_of_a_folder_of_pages_that_no_page_shows_are_noted(folder, read):
    (folder / "0001.xml").write_text(GOOD)
    (folder / "named_otherwise.page.xml").write_text(GOOD.replace("0001.png", "images/scan.png"))
    (folder / "images").mkdir()
    IMAGE.save(folder / "images" / "scan.png")
    assert read(folder).stderr == ""
    for name in ("0002.JPG", "0003.tif"):
        IMAGE.save(folder / name)
    result = read(folder)
    note = f"note: {folder}: 2 images have no PAGE or ALTO file and are not read, the first is {folder}/0002.JPG."
    assert (result.exit_code, len(result.stderr.splitlines())) == (0, 1)
    assert result.stderr.startswith(note)
    assert "no PAGE" not in read(folder / "0001.xml").stderr
