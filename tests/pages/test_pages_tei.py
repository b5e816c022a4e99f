"""TEI: every line has a zone where it is and a break before its text; pages are joined without losing any."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree
from page_makers import SIZE, draw_page, make_folder, page_line, page_xml
from slow_cases import others_slow

from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.line import Line
from trocr_gsa.data.pages import Page, PageFile, Scan
from trocr_gsa.data.provenance import Provenance, Weights
from trocr_gsa.data.words import Character, Word

DATE = "2020-09-13T12:26:40Z"
MADE = Provenance("1.0", Weights("packaged", "ab"), None, DATE, {})
ID = "{http://www.w3.org/XML/1998/namespace}id"
_, LINES = draw_page(["one", "two", "three"])
BOX = ((10.4, 20.0), (30.0, 20.0), (30.0, -0.2), (10.4, -0.2))
WORDS = (Word("ein", 0.75, BOX, (Character("e", 0.9, BOX),)), Word("<Wort>", 0.5, BOX))
READ = [Line("ein <Wort>", 0.25, 90.0, words=WORDS), None, Line("drei", 0.5, 357.6)]


@pytest.fixture
def page(tmp_path) -> Page:
    body = "".join(page_line(i, line) for i, line in enumerate(LINES, 1))
    (tmp_path / "0001.xml").write_text(page_xml(body, "images/a b.png"), encoding="utf-8")
    read = PageFile(tmp_path / "0001.xml", tmp_path, "0001.xml").read()
    assert read is not None
    return read.scaled_to(SIZE)


def plain(root: etree._Element) -> list[str]:
    """The lines of the text, as its breaks tell them."""
    text = ""
    for block in root.iter("{*}ab"):
        for piece in block.iter():
            text += ("\0" if etree.QName(piece).localname == "lb" else piece.text or "") + (piece.tail or "")
    return [" ".join(line.split()) for line in text.split("\0")[1:]]


def test_a_document_has_facsimile_and_text_that_point_at_each_other(page):
    root = etree.fromstring(FORMATS["tei"].write_page(page, READ))
    assert [etree.QName(child).localname for child in root] == ["teiHeader", "facsimile", "text"]
    assert plain(root) == ["ein <Wort>", "drei"]
    ids = [element.get(ID) for element in root.iter() if element.get(ID)]
    assert len(ids) == len(set(ids))
    pointed_at = {element.get("facs") for element in root.iter() if element.get("facs")}
    assert pointed_at == {f"#{each}" for each in ids}
    (surface,) = root.iter("{*}surface")
    assert (surface.get("lrx"), surface.get("lry")) == ("400", "300")
    (graphic,) = root.iter("{*}graphic")
    assert dict(graphic.attrib) == {"url": "images/a%20b.png", "width": "400px", "height": "300px"}


@pytest.mark.parametrize(
    ("image", "url"),
    [
        ("Karte 50%.jpg", "Karte%2050%25.jpg"),
        ("a#1?.png", "a%231%3F.png"),
        (r"scans\a:b.png", "scans/a%3Ab.png"),
        ("Größe.png", "Größe.png"),
        ("https://example.org/iiif/a b.jpg?x=1#y", "https://example.org/iiif/a%20b.jpg?x=1#y"),
    ],
)
def test_the_name_of_an_image_is_escaped_as_an_address(page, image, url):
    root = etree.fromstring(FORMATS["tei"].write_page(replace(page, image=image), READ))
    assert root.find(".//{*}graphic").get("url") == url


def test_a_name_that_is_escaped_in_the_page_file_is_not_escaped_again(tmp_path, page):
    scan = Scan(tmp_path / "Karte Nr 1.jpg", tmp_path, "Karte Nr 1.jpg")
    escaped = replace(page, image="x/Karte%20Nr%201.jpg", picture=scan)
    root = etree.fromstring(FORMATS["tei"].write_page(escaped, READ))
    assert root.find(".//{*}graphic").get("url") == "x/Karte%20Nr%201.jpg"


GRAMMAR = Path(__file__).parent / "schemas" / "tei_subset.rng"


@pytest.mark.parametrize("made", [MADE, None, Provenance("1.0+dev", Weights("a"), None, DATE, {})])
@pytest.mark.parametrize(
    "read",
    [
        READ,
        [None, None, None],
        [Line("", math.nan, 0.0), Line("a\u0301 & <b>", 1.0, 359.9), Line("c", 0.0, 270.0, words=())],
    ],
)
def test_a_document_is_as_tei_demands(page, made, read):
    grammar = etree.RelaxNG(file=str(GRAMMAR))
    root = etree.fromstring(FORMATS["tei"].write_page(page, read, made))
    assert grammar.validate(root), grammar.error_log


@pytest.mark.parametrize(
    ("path", "attribute", "wrong"),
    [
        (".//{*}zone", "points", "1,2 3,4"),
        (".//{*}zone", "cert", "1.5"),
        (".//{*}zone", "rotate", "-2"),
        (".//{*}lb", "facs", "line 1"),
        (".//{*}graphic", "url", "a b.png"),
        (".//{*}application", "version", "unknown"),
        (".//{*}w", "place", "here"),
    ],
)
def test_what_tei_does_not_allow_is_found(page, path, attribute, wrong):
    root = etree.fromstring(FORMATS["tei"].write_page(page, READ, MADE))
    root.find(path).set(attribute, wrong)
    assert not etree.RelaxNG(file=str(GRAMMAR)).validate(root)


def test_zones_say_where_how_sure_and_how_turned(page):
    root = etree.fromstring(FORMATS["tei"].write_page(page, READ))
    first, second = root.findall(".//{*}zone[@type='line']")
    assert (first.get("cert"), first.get("rotate")) == ("0.25", "270")  # clockwise
    assert (second.get("cert"), second.get("rotate")) == ("0.5", "2")
    assert re.fullmatch(r"(\d+,\d+ ){3}\d+,\d+", first.get("points"))
    words = root.findall(".//{*}zone[@type='word']")
    assert words[0].get("points") == "10,20 30,20 30,0 10,0"
    assert [each.get("n") for each in words[0].findall("{*}zone[@type='character']")] == ["e"]
    assert [(each.text, each.get("cert")) for each in root.iter("{*}w")] == [("ein", "0.75"), ("<Wort>", "0.5")]


def test_the_header_has_what_tei_asks_for_and_what_made_the_text(page):
    root = etree.fromstring(FORMATS["tei"].write_page(page, READ, MADE))
    file = root.find("{*}teiHeader/{*}fileDesc")
    assert [etree.QName(child).localname for child in file] == ["titleStmt", "publicationStmt", "sourceDesc"]
    (application,) = root.iter("{*}application")
    assert dict(application.attrib) == {"ident": "trocr-gsa", "version": "1.0", "when": DATE}
    assert application.findtext("{*}desc") == "trocr-gsa 1.0; model: packaged; model SHA-256: ab"
    assert application.findtext("{*}label") == "trocr-gsa"


def test_a_version_that_tei_does_not_know_is_not_written_as_one(page):
    made = Provenance("unknown", MADE.model, None, DATE, {})
    root = etree.fromstring(FORMATS["tei"].write_page(page, READ, made))
    (application,) = root.iter("{*}application")
    assert application.get("version") == "0"


def test_joined_pages_have_all_that_the_pages_have(page, tmp_path):
    parts = []
    for number in (1, 2, 3):
        parts.append(tmp_path / f"{number}.page")
        made = MADE if number < 3 else Provenance("1.0", Weights("other"), None, DATE, {})
        parts[-1].write_bytes(FORMATS["tei"].write_page(page, READ, made))
    join = FORMATS["tei"].join
    assert join is not None
    with (tmp_path / "book.xml").open("wb") as stream:
        join(iter(parts), stream)
    root = etree.parse(tmp_path / "book.xml").getroot()
    assert [each.get(ID) for each in root.iter("{*}surface")] == ["page_1", "page_2", "page_3"]
    assert [each.get("facs") for each in root.iter("{*}pb")] == ["#page_1", "#page_2", "#page_3"]
    assert plain(root) == ["ein <Wort>", "drei"] * 3
    ids = [element.get(ID) for element in root.iter() if element.get(ID)]
    assert len(ids) == len(set(ids))
    assert {element.get("facs") for element in root.iter() if element.get("facs")} == {f"#{each}" for each in ids}
    assert len(list(root.iter("{*}application"))) == 2
    assert etree.RelaxNG(file=str(GRAMMAR)).validate(root)
    assert len(root.findall("{*}teiHeader/{*}fileDesc/{*}sourceDesc/{*}p")) == 3


@pytest.mark.parametrize("kind", others_slow(["page", "alto"], "page"))
def test_the_command_writes_one_document_or_one_for_each_page(call, tmp_path, kind):
    make_folder(tmp_path / "in", kind, [["one"], ["two", "three"]])
    ask = ("read", tmp_path / "in", "--format", "tei")
    assert call(*ask, "--output", tmp_path / "book.xml").exit_code == 0
    assert len(list(etree.parse(tmp_path / "book.xml").iter("{*}surface"))) == 2
    assert call(*ask, "--output-dir", tmp_path / "out").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0001.tei.xml", "0002.tei.xml"]


def test_what_was_written_beside_the_pages_is_not_read_again(call, tmp_path):
    folder = make_folder(tmp_path / "in", "page", [["one"]])
    ask = ("read", folder, "--format", "tei", "--output-dir", folder)
    assert call(*ask).exit_code == 0
    before = (folder / "0001.tei.xml").read_bytes()
    result = call(*ask)
    assert (result.exit_code, (folder / "0001.tei.xml").read_bytes()) == (0, before)
    assert sorted(path.name for path in Path(folder).iterdir()) == ["0001.png", "0001.tei.xml", "0001.xml"]
