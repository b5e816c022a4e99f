"""Words with their places, from the cut of a line to PAGE, ALTO, hOCR and JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alto_rules import broken_rules
from lxml import etree
from page_makers import ALTO_4, INK, PAPER, SIZE, alto_line, alto_xml, draw_page, page_equiv, page_line, page_xml
from PIL import Image, ImageDraw, ImageFont

from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.line import Line
from trocr_gsa.data.pages import LineCut, Page, PageFile
from trocr_gsa.data.words import Character, Word
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.pages import read_pages

SCHEMA = Path(__file__).parent / "schemas" / "pagecontent-2019-07-15.xsd"
_, LINES = draw_page(["one", "two"])
DARK, DOT = 100, 3
TEXTS = ["a letter to my dear friend", "in Paris"]


def corners(left: float, top: float, right: float, bottom: float) -> tuple[tuple[float, float], ...]:
    return (left, top), (right, top), (right, bottom), (left, bottom)


def word(text: str, left: float, slanted: float = 0.0, with_characters: bool = True) -> Word:
    """A word of a page, 10 pixels for each character."""
    characters = tuple(
        Character(letter, 0.9, corners(left + 10 * i, 20, left + 10 * i + 10, 40)) for i, letter in enumerate(text)
    )
    (a, b, c, d) = corners(left, 20, left + 10 * len(text), 40)
    polygon = ((a[0], a[1] + slanted), b, (c[0], c[1] - slanted), d)
    return Word(text, 0.87654321, polygon, characters if with_characters else ())


def line_of(*words: Word, orientation: float = 0.0) -> Line:
    return Line(" ".join(each.text for each in words), 0.5, orientation, words=words)


def page_of(folder: Path, content: str, size: tuple[int, int] = SIZE) -> Page:
    path = folder / "0001.xml"
    path.write_text(content, encoding="utf-8")
    page = PageFile(path, folder, path.name).read()
    assert page is not None
    return page.scaled_to(size)


@pytest.mark.parametrize("bend", [0, 8])
@pytest.mark.parametrize("angle", [0, 5, 90, 100, 180, 187, 270, 300])
def test_a_point_of_a_cut_line_is_found_again_on_its_page(angle, bend):
    page, (line,) = draw_page([" " * 24], [angle])
    middle = line.polygon.mean(axis=0)
    along = (line.baseline[1] - line.baseline[0]) / np.hypot(*(line.baseline[1] - line.baseline[0]))
    spot = (middle + 60 * along).round()
    ImageDraw.Draw(page).ellipse([*(spot - DOT), *(spot + DOT)], fill=0)
    baseline = line.baseline
    if bend:
        down = np.array([-along[1], along[0]])
        baseline = np.stack([baseline[0], baseline.mean(axis=0) + bend * down, baseline[1]])
    cut = LineCut.of(line.polygon, baseline, page.size, "line")
    assert (cut.bend is not None) == bool(bend)
    y, x = np.nonzero(np.asarray(cut.cut(page)) < DARK)
    (found,) = cut.to_page(np.array([[x.mean() + 0.5, y.mean() + 0.5]]))
    np.testing.assert_allclose(found, spot + 0.5, atol=0.8)


class WordReader:
    """Stands in for a `LineReader`: one word, in the left half of every picture."""

    def read(self, images: Sequence[Any], *_: Any, with_words: bool, **__: Any) -> list[Line]:
        assert with_words
        return [
            Line("half", 0.5, 0.0, words=(Word("half", 0.5, corners(0, 0, image.width / 2, image.height)),))
            for image in images
        ]


def test_words_of_lines_become_words_of_the_page(tmp_path):
    image, lines = draw_page(["one", "two", "three"], [0.0, 20.0, 90.0])
    image.save(tmp_path / "0001.png")
    body = "\n".join(page_line(i, line) for i, line in enumerate(lines, 1))
    (tmp_path / "0001.xml").write_text(page_xml(body), encoding="utf-8")
    (page,) = read_pages(WordReader(), tmp_path, with_words=True)  # pyright: ignore[reportArgumentType]
    for line, read in zip(lines[:2], page.readings[:2], strict=True):
        assert read is not None
        assert read.words is not None
        half = np.array(read.words[0].polygon)
        start, end = line.baseline
        np.testing.assert_allclose(half.mean(0), (line.polygon.mean(0) + line.polygon[[0, 3]].mean(0)) / 2, atol=2)
        np.testing.assert_allclose(half[1] - half[0], (end - start) / 2, atol=2)
    third = page.readings[2]
    assert third is not None
    assert third.words is not None  # whose picture stands, as its line does on the page
    np.testing.assert_allclose(
        np.ptp(third.words[0].polygon, axis=0), np.ptp(lines[2].polygon, axis=0) / (2, 1), atol=2
    )


@pytest.mark.parametrize("kind", ["page", "alto"])
def test_a_page_s_words_are_where_they_were_drawn(tmp_path, kind):
    font = ImageFont.load_default(34)  # half of it is how far a word may be off
    strip = Image.new("L", (700, 60), PAPER)
    ImageDraw.Draw(strip).text((20, 8), TEXTS[0], fill=INK, font=font)
    page = Image.new("L", (1000, 700), PAPER)
    page.paste(strip, (100, 80))
    tilted = strip.rotate(8, Image.Resampling.BICUBIC, expand=True, fillcolor=PAPER)
    page.paste(tilted, (150, 300))
    page.save(tmp_path / "0001.png")
    xml = '<TextLine {id}="l{n}"{box}>{shape}</TextLine>'
    shapes = []
    for number, (left, top, image) in enumerate([(100, 80, strip), (150, 300, tilted)], 1):
        size = image.width, image.height
        points = " ".join(f"{left + x},{top + y}" for x, y in corners(0, 0, *size))
        box = f' HPOS="{left}" VPOS="{top}" WIDTH="{size[0]}" HEIGHT="{size[1]}"' if kind == "alto" else ""
        shape = f'<Coords points="{points}"/>' if kind == "page" else '<String CONTENT=""/>'
        shapes.append(xml.format(id="ID" if kind == "alto" else "id", n=number, box=box, shape=shape))
    make = alto_xml if kind == "alto" else page_xml
    (tmp_path / "0001.xml").write_text(make("".join(shapes), size=page.size), encoding="utf-8")
    (read,) = read_pages(LineReader.from_pretrained(device="cpu"), tmp_path, with_words=True)
    flat, slanted = read.readings
    assert flat is not None
    assert slanted is not None
    assert flat.text == slanted.text == TEXTS[0]
    assert flat.words is not None
    assert slanted.words is not None
    for found, tilt in zip(flat.words, slanted.words, strict=True):
        before = TEXTS[0][: TEXTS[0].index(found.text)]
        assert found.box[0] == pytest.approx(120 + font.getlength(before), abs=17)
        assert found.box[2] == pytest.approx(120 + font.getlength(before + found.text), abs=17)
        along = np.array(tilt.polygon[1]) - np.array(tilt.polygon[0])
        assert np.degrees(np.arctan2(-along[1], along[0])) == pytest.approx(8, abs=1)
    assert read.page is not None
    content = FORMATS[kind].write_page(read.page, read.readings)
    name, text = ("String", "CONTENT") if kind == "alto" else ("Word", None)
    elements = etree.fromstring(content).findall(f".//{{*}}{name}")
    texts = [each.get(text) if text else each.findtext("{*}TextEquiv/{*}Unicode") for each in elements]
    assert texts == TEXTS[0].split() * 2


OLD_WORD = '\n        <Word id="l1_w1"><Coords points="0,0 9,0 9,9"/>{}\n        </Word>'.format(page_equiv("old"))


@pytest.mark.parametrize("inside", ["", page_equiv("old"), OLD_WORD + page_equiv("old"), "\n        <TextStyle/>"])
def test_page_gets_words_and_glyphs_where_the_schema_wants_them(tmp_path, inside):
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    content = page_xml(page_line(1, LINES[0], inside) + page_line(2, LINES[1], OLD_WORD.replace("l1_", "x")))
    readings = [line_of(word("ein", 10), word("Wört", 60)), line_of(word("kurz", 10, with_characters=False))]
    filled = FORMATS["page"].write_page(page_of(tmp_path, content), readings)
    schema.assertValid(etree.fromstring(filled))
    first, second = etree.fromstring(filled).findall(".//{*}TextLine")
    assert [each.findtext("{*}TextEquiv/{*}Unicode") for each in first.findall("{*}Word")] == ["ein", "Wört"]
    (equiv,) = first.findall("{*}Word/{*}TextEquiv[@conf]")[:1]
    assert equiv.get("conf") == "0.876543"
    assert first.find("{*}Word/{*}Coords").get("points") == "10,20 40,20 40,40 10,40"
    assert [each.findtext("{*}TextEquiv/{*}Unicode") for each in first.findall(".//{*}Glyph")] == list("einWört")
    assert len(second.findall("{*}Word")) == 1
    assert second.findall(".//{*}Glyph") == []
    again = FORMATS["page"].write_page(page_of(tmp_path, filled.decode()), readings)
    assert again == filled


def test_words_of_lines_with_one_id_have_ids_of_their_own(tmp_path):
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    line = page_line(1, LINES[0]).replace(' id="l1"', ' id="l.1"')
    content = page_xml(line + page_line(2, LINES[1]).replace(' id="l2"', ' id="l.1_w1"'))
    filled = FORMATS["page"].write_page(page_of(tmp_path, content), [line_of(word("ein", 10))] * 2)
    schema.assertValid(etree.fromstring(filled))


@pytest.mark.parametrize("namespace", [ALTO_4, "http://www.loc.gov/standards/alto/ns-v2#", ""])
@pytest.mark.parametrize("content", [None, '<String CONTENT="a"/><SP/><String CONTENT="b"/><HYP CONTENT="-"/>', ""])
def test_alto_gets_a_string_for_every_word_and_spaces_between(tmp_path, namespace, content):
    xml = alto_xml(alto_line(1, LINES[0], content), namespace=namespace)
    readings = [line_of(word("ein", 10), word("Wort", 60, slanted=4))]
    filled = FORMATS["alto"].write_page(page_of(tmp_path, xml), readings)
    assert broken_rules(filled) == []
    (line,) = etree.fromstring(filled).findall(".//{*}TextLine")
    assert [etree.QName(child).localname for child in line] == ["Shape", "String", "SP", "String"]
    one, two = line.findall("{*}String")
    assert dict(one.attrib) == {
        "HPOS": "10", "VPOS": "20", "WIDTH": "30", "HEIGHT": "20", "CONTENT": "ein", "WC": "0.876543"
    }  # fmt: skip
    assert dict(line.find("{*}SP").attrib) == {"HPOS": "40", "VPOS": "20", "WIDTH": "20"}
    assert len(line.findall(".//{*}Glyph")) == (7 if namespace == ALTO_4 else 0)
    assert one.find("{*}Shape") is None
    assert (two.find("{*}Shape/{*}Polygon") is not None) == (namespace == ALTO_4)
    assert FORMATS["alto"].write_page(page_of(tmp_path, filled.decode()), readings) == filled


@pytest.mark.parametrize("format", ["page", "alto"])
def test_places_are_in_the_units_of_the_file(tmp_path, format):
    make, line = (page_xml, page_line) if format == "page" else (alto_xml, alto_line)
    content = make(line(1, LINES[0]))
    page = page_of(tmp_path, content, (2 * SIZE[0], 2 * SIZE[1]))
    root = etree.fromstring(FORMATS[format].write_page(page, [line_of(word("ein", 10))]))
    if format == "page":
        assert root.find(".//{*}Word/{*}Coords").get("points") == "5,10 20,10 20,20 5,20"
    else:
        assert root.find(".//{*}String").get("WIDTH") == "15"


def test_a_word_with_a_letter_of_two_code_points_has_no_glyphs_in_alto(tmp_path):
    letter = Character("q\N{COMBINING TILDE}", 0.9, corners(10, 20, 20, 40))
    read = Line("q\N{COMBINING TILDE}", 0.5, 0.0, words=(Word(letter.text, 0.9, letter.polygon, (letter,)),))
    filled = FORMATS["alto"].write_page(page_of(tmp_path, alto_xml(alto_line(1, LINES[0]))), [read])
    assert etree.fromstring(filled).findall(".//{*}Glyph") == []


def test_hocr_has_a_word_for_every_word(tmp_path):
    page = page_of(tmp_path, page_xml(page_line(1, LINES[0]) + page_line(2, LINES[1])))
    readings = [line_of(word("ein", 10.4), word("<Wort>", 60, with_characters=False)), line_of(word("ganz", 10))]
    html = etree.fromstring(FORMATS["hocr"].write_page(page, readings))
    one, two = html.findall(".//{*}span[@class='ocr_line']")
    assert ("".join(one.itertext()), "".join(two.itertext())) == ("ein <Wort>", "ganz")
    first, second = one.findall("{*}span[@class='ocrx_word']")
    assert first.get("title") == "bbox 10 20 41 40; x_wconf 87.6543"
    assert ["".join(each.itertext()) for each in first.findall("{*}span[@class='ocrx_cinfo']")] == list("ein")
    assert (second.text, len(second)) == ("<Wort>", 0)
    assert len({each.get("id") for each in html.findall(".//{*}span[@id]")}) == 5
    (capabilities,) = html.findall(".//{*}meta[@name='ocr-capabilities']")
    assert capabilities.get("content").endswith(" ocrx_word ocrx_cinfo")


def test_a_line_whose_words_have_no_places_is_one_word_in_hocr(tmp_path):
    page = page_of(tmp_path, page_xml(page_line(1, LINES[0]) + page_line(2, LINES[1])))
    html = etree.fromstring(FORMATS["hocr"].write_page(page, [Line("ganze Zeile", 0.5, 0.0), Line("", 0.0, 0.0)]))
    written, empty = html.findall(".//{*}span[@class='ocr_line']")
    (one,) = written.findall("{*}span[@class='ocrx_word']")
    assert one.text == "ganze Zeile"
    assert one.get("title") == written.get("title")
    assert len(empty) == 0
    (capabilities,) = html.findall(".//{*}meta[@name='ocr-capabilities']")
    assert capabilities.get("content").endswith(" ocrx_word")


@pytest.fixture
def pages(tmp_path):
    image, lines = draw_page(["one", "two"])
    (tmp_path / "in").mkdir()
    image.save(tmp_path / "in" / "0001.png")
    body = "\n".join(page_line(i, line) for i, line in enumerate(lines, 1))
    (tmp_path / "in" / "0001.xml").write_text(page_xml(body), encoding="utf-8")
    return tmp_path / "in"


@pytest.fixture
def with_ctc(call, tmp_path, monkeypatch):
    """`trocr-gsa` with a reader that has a CTC head."""
    from tiny_checkpoint import save_checkpoint

    path = save_checkpoint(tmp_path / "with-ctc", ctc_steps_per_patch=2)
    monkeypatch.setattr("trocr_gsa.checkpoints.models.PACKAGED_CHECKPOINT", path)
    return call


@pytest.mark.parametrize("option", ["--words", "--characters"])
def test_the_command_writes_words_and_characters_on_request(with_ctc, pages, tmp_path, option):
    ask = ("--beams", 0, "--output", tmp_path / "out.jsonl", "--format", "jsonl")
    for words in (pages / "0001.png", pages):
        assert with_ctc("read", words, *ask, "--overwrite", option).exit_code in (0, 1)
        rows = [json.loads(row) for row in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert rows
        for row in rows:
            assert [each["text"] for each in row["words"]] == " ".join(row["text"].split()).split()
            assert all(("characters" in each) == (option == "--characters") for each in row["words"])


@pytest.mark.parametrize("options", [(), ("--words",), ("--characters",)])
def test_hocr_has_words_without_being_asked(with_ctc, pages, tmp_path, options):
    asked = ("--format", "hocr", "--output-dir", tmp_path / "out", "--beams", 0, *options)
    assert with_ctc("read", pages, *asked).exit_code == 0
    html = etree.fromstring((tmp_path / "out" / "0001.hocr").read_bytes())
    for line in html.findall(".//{*}span[@class='ocr_line']"):
        words = ["".join(word.itertext()) for word in line.findall("{*}span[@class='ocrx_word']")]
        assert words == "".join(line.itertext()).split()
    assert html.findall(".//{*}span[@class='ocrx_word']")
    assert bool(html.findall(".//{*}span[@class='ocrx_cinfo']")) == ("--characters" in options)


def test_nothing_is_said_of_words_unless_it_is_asked(with_ctc, pages):
    rows = [json.loads(row) for row in with_ctc("read", pages, "--format", "jsonl").stdout.splitlines()]
    assert rows
    assert not any("words" in row for row in rows)


@pytest.mark.parametrize("format", ["text", "csv"])
def test_a_format_without_room_for_words_is_refused(with_ctc, pages, format):
    result = with_ctc("read", pages, "--format", format, "--words")
    assert result.exit_code == 2
    assert f"--format {format} does not say where words are. Choose one of jsonl, page, alto, hocr" in result.stderr


def test_a_run_with_words_does_not_go_on_with_parts_of_one_without(with_ctc, pages, tmp_path):
    ask = ("read", pages / "0001.png", "--format", "jsonl", "--output", tmp_path / "out.jsonl")
    parts = tmp_path / "out.jsonl.parts"
    parts.mkdir()
    (parts / "a.jsonl").write_text('{"run": {}}\n')
    result = with_ctc(*ask, "--words")
    assert result.exit_code == 2
    assert "started with another" in result.stderr
