"""Exports of eScriptorium, Transkribus and OCR-D become files in every format that the tools of others accept."""

import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest
from lxml import etree
from page_makers import draw_page, make_folder, make_ocr_d_folder, page_line, page_xml
from slow_cases import others_slow

from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.line import Line
from trocr_gsa.data.pages import PageFile
from trocr_gsa.data.words import Character, Word

SCHEMAS = Path(__file__).parent / "schemas"
SCHEMA_OF = {"page": "pagecontent-2019-07-15.xsd", "alto": "alto-4-3.xsd", "mets": "mets.xsd"}
TRANSKRIBUS = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15"
XMLLINT, HOCR_CHECK = shutil.which("xmllint"), shutil.which("hocr-check")
TOOLS = ["lxml", pytest.param("xmllint", marks=pytest.mark.skipif(XMLLINT is None, reason="xmllint is not installed"))]


def problems(tool: str, kind: str, path: Path) -> str:
    """What a tool has to say against a file; empty if it is valid."""
    schema = SCHEMAS / SCHEMA_OF[kind]
    if tool == "lxml":
        found = etree.XMLSchema(etree.parse(schema))
        return "" if found.validate(etree.parse(path)) else str(found.error_log)
    words = ["xmllint", "--nonet", "--noout", "--schema", schema, path]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def escriptorium(folder: Path, kind: str) -> Path:
    return make_folder(folder, kind, [["one line", "and another"], ["three"]], transcribed=True)


def transkribus(folder: Path) -> Path:
    """Pictures, and page/ with files of 2013."""
    make_folder(folder / "page", "page", [["one line", "and another"], ["three"]], transcribed=True)
    for path in (folder / "page").glob("*.png"):
        path.rename(folder / path.name)
    for path in (folder / "page").glob("*.xml"):
        tagged = path.read_text().replace('id="l1"', 'id="l1" custom="readingOrder {index:0;}"')
        path.write_text(tagged.replace("2019-07-15", "2013-07-15"))
    return folder


EXPORTS = {
    "eScriptorium, PAGE": lambda folder: escriptorium(folder, "page"),
    "eScriptorium, ALTO": lambda folder: escriptorium(folder, "alto"),
    "Transkribus": transkribus,
    "OCR-D": lambda folder: make_ocr_d_folder(folder, [["one line", "and another"], ["three"]]),
}


@pytest.mark.parametrize(
    "case",
    others_slow(
        product(EXPORTS, ["page", "alto", "hocr", "tei", "pdf"]),
        *zip(EXPORTS, ["alto", "page", "page", "hocr"], strict=True),  # each platform, and each format, once
        ("eScriptorium, PAGE", "tei"),
        ("OCR-D", "pdf"),
    ),
    ids=" to ".join,
)
def test_an_export_of_each_platform_becomes_each_format(call, tmp_path, case):
    pytest.importorskip("pikepdf")
    platform, format = case
    folder = EXPORTS[platform](tmp_path / "export")
    done = call("read", folder, "--format", format, "--output-dir", tmp_path / "out", "--mets")
    assert done.exit_code == 0, done.output
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != "mets.xml"]
    assert len(written) == 2
    for path in written:
        if format in ("page", "alto") and TRANSKRIBUS not in path.read_text():
            assert problems("lxml", format, path) == ""
        if format == "tei":
            assert len(list(etree.parse(path).iter("{*}lb"))) in (1, 2)
    assert problems("lxml", "mets", tmp_path / "out" / "mets.xml") == ""


def corners(left: float, top: float, right: float, bottom: float) -> tuple[tuple[float, float], ...]:
    return (left, top), (right, top), (right, bottom), (left, bottom)


def read_line(text: str, orientation: float = 0.0) -> Line:
    """A line whose words and characters have places."""
    words = []
    for number, word in enumerate(text.split()):
        left = 20 + 60 * number
        letters = tuple(
            Character(letter, 0.9, corners(left + 5 * i, 30, left + 5 * i + 5, 50)) for i, letter in enumerate(word)
        )
        words.append(Word(word, 0.5, corners(left, 30, left + 5 * len(word), 50), letters))
    return Line(text, 0.25, orientation, words=tuple(words))


READ = [read_line("ein <Wort> & noch"), read_line("ſchöne Zeile", 90.0), None]


def written(folder: Path, format: str) -> Path:
    """A page with words, characters, a turned line, and a line that was not read."""
    image, lines = draw_page(["one", "two", "three"])
    image.save(folder / "0001.png")
    path = folder / "0001.xml"
    path.write_text(page_xml("\n".join(page_line(i, line) for i, line in enumerate(lines, 1))), encoding="utf-8")
    opened = PageFile(path, folder, path.name).open()
    assert opened is not None
    out = folder / f"written.{format}"
    out.write_bytes(FORMATS[format].write_page(opened[0], READ))
    return out


@pytest.mark.parametrize("tool", TOOLS)
def test_words_and_characters_in_page_are_valid(tmp_path, tool):
    assert problems(tool, "page", written(tmp_path, "page")) == ""


@pytest.mark.parametrize("tool", TOOLS)
def test_words_and_characters_converted_to_alto_are_valid(call, tmp_path, tool):
    (tmp_path / "page").mkdir()
    written(tmp_path / "page", "page").replace(tmp_path / "page" / "0001.xml")
    assert call("pages", tmp_path / "page", tmp_path / "alto", "--to", "alto").exit_code == 0
    path = tmp_path / "alto" / "0001.xml"
    assert "<Glyph" in path.read_text()
    assert problems(tool, "alto", path) == ""


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("kind", ["page", "alto"])
def test_the_tools_find_what_is_not_valid(tmp_path, tool, kind):
    """The control."""
    folder = make_folder(tmp_path, kind, [["one"]])
    path = folder / "0001.xml"
    path.write_text(path.read_text().replace("TextLine", "TextRow"))
    assert "TextRow" in problems(tool, kind, path)


def hocr_check(path: Path) -> str:
    done = subprocess.run(
        ["hocr-check", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert "ok 1 " in done.stdout
    return done.stdout


@pytest.mark.skipif(HOCR_CHECK is None, reason="hocr-check is not installed (pip install hocr-tools)")
def test_hocr_check_finds_nothing_wrong(tmp_path):
    path = written(tmp_path, "hocr")
    assert "not ok" not in hocr_check(path)
    path.write_text(path.read_text().replace("ocr-system", "system"))  # the control
    assert "not ok" in hocr_check(path)
