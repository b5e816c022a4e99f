"""What is written of a page: ours, valid, and beside it not a byte."""

import csv
import io
import json
import re
import time

import pytest
from alto_rules import broken_rules
from lxml import etree
from page_makers import SIZE, alto_line, alto_xml, draw_page, page_equiv, page_line, page_xml

from trocr_gsa.data.formats import FORMATS, PAGE_FIELDS
from trocr_gsa.data.line import Line
from trocr_gsa.data.pages import Page, PageFile

_, LINES = draw_page(["one", "two", "three"])
OF_CHARACTERS = (0.5, 0.25, 0.0123456, 1.0)
READ = [
    Line("ein & <Wort>", 0.87654, 0.0),
    None,
    Line("drei", 1.2345678e-9, 90.0, adapter="fr", character_confidences=OF_CHARACTERS),
]
WORD = '<Word id="w{}"><Coords points="0,0 9,0 9,9"/>{}</Word>'
WORDS = "".join(WORD.format(i, page_equiv(text, ' conf="0.1"')) for i, text in enumerate(["old", "words", "three"]))
PAGE = page_xml(
    "\n".join(
        [
            page_line(1, LINES[0], page_equiv("old", ' index="0" conf="0.1"') + page_equiv("older", ' index="1"')),
            page_line(2, LINES[1], page_equiv("kept", ' conf="0.3"'), ' custom="readingOrder {index:1;}"'),
            page_line(3, LINES[2], "\n        <TextStyle/>", ' custom="readingOrder {index:2;}"'),
        ]
    )
    + page_equiv("old\nkept")
)
ALTO = alto_xml(
    "\n".join(
        [
            alto_line(
                1, LINES[0], '\n<String CONTENT="a" CC="0"/><SP/><String CONTENT="b"/><SP/><String CONTENT="c"/>'
            ),
            alto_line(2, LINES[1], '\n            <String CONTENT="kept" WC="0.3"/>'),
            alto_line(3, LINES[2]),
        ]
    )
)


def page_of(folder, content: str | bytes) -> Page:
    path = folder / "0001.xml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    page = PageFile(path, folder, path.name).read()
    assert page is not None
    return page.scaled_to(SIZE)


def written(folder, content: str | bytes, format: str, readings=READ) -> bytes:
    return FORMATS[format].write_page(page_of(folder, content), readings)


def lines_of(content: bytes) -> list:
    return list(etree.fromstring(content).iter("{*}TextLine"))


@pytest.mark.parametrize(("content", "format"), [(PAGE, "page"), (ALTO, "alto")])
def test_with_no_reading_every_byte_stays(tmp_path, content, format):
    assert written(tmp_path, content, format, [None] * 3) == content.encode()


@pytest.mark.parametrize(("content", "format"), [(PAGE, "page"), (ALTO, "alto")])
@pytest.mark.parametrize(
    "as_bytes",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("UTF-8", "UTF-16").encode("utf-16"),
        lambda text: text.replace("UTF-8", "ISO-8859-1").encode("latin-1"),
        lambda text: text.rstrip().encode(),
        lambda text: text.split("?>\n", 1)[1].encode(),
        lambda text: text.replace('"1.0"', "'1.0'").encode() + b"\n\n",
    ],
    ids=["utf-8 mark", "windows lines", "utf-16", "latin-1", "no last newline", "no declaration", "other quotes"],
)
def test_encoding_mark_declaration_and_line_ends_stay(tmp_path, content, format, as_bytes):
    content = as_bytes(content.replace("0001.png", "Blätter.png"))
    assert written(tmp_path, content, format, [None] * 3) == content
    filled = written(tmp_path, content, format, [Line("ſtürmiſch 漢", 0.5, 0.0), None, None])
    assert filled[:20] == content[:20]
    assert any("ſtürmiſch 漢" in "".join([*line.itertext(), *line.xpath(".//@CONTENT")]) for line in lines_of(filled))


@pytest.mark.parametrize(("content", "format"), [(PAGE, "page"), (ALTO, "alto")])
@pytest.mark.parametrize(
    "changed",
    [
        lambda text: text.replace('"0001.png"', "'0001.png'"),
        lambda text: text.replace(' HPOS="', '\n   HPOS = "').replace(' id="', '  id="'),
        lambda text: text.replace('/>', ' />'),
        lambda text: text.replace("<TextStyle/>", "<TextStyle></TextStyle>"),
        lambda text: text.replace(">kept<", "><![CDATA[kept]]><").replace("old", "&#111;ld"),
        lambda text: text.replace("0001.png", "a &quot;b&quot; &#x41;"),
        lambda text: text.replace("?>\n", "?>\n<?style a?>\n<!-- a -->\n\n", 1) + "<!-- b -->\n<!-- c -->",
        lambda text: text.replace('<?xml version="1.0" encoding="UTF-8"', "<?xml  version='1.0'  encoding='utf-8'"),
        lambda text: text.replace("\n", "\r"),
    ],
    ids=["quotes", "spaces", "space before the end", "long form", "cdata", "references", "around", "head", "old mac"],
)  # fmt: skip
def test_a_file_in_which_nothing_changed_keeps_its_bytes_however_it_is_formed(tmp_path, content, format, changed):
    content = changed(content).encode()
    assert written(tmp_path, content, format, [None] * 3) == content
    once = written(tmp_path, content, format)
    assert once != content
    assert written(tmp_path, once, format) == once


def test_a_line_of_page_gets_text_confidence_and_orientation(tmp_path):
    first, second, third = lines_of(written(tmp_path, PAGE, "page"))
    equivs = first.findall("{*}TextEquiv")
    assert [(e.get("index"), e.get("conf"), e.findtext("{*}Unicode")) for e in equivs] == [
        ("0", "0.87654", "ein & <Wort>"),
        ("1", None, "older"),
    ]
    assert first.get("custom") == "orientation {degrees:0;}"
    assert second.findtext("{*}TextEquiv/{*}Unicode") == "kept"
    assert second.get("custom") == "readingOrder {index:1;}"
    each = "characterConfidence {mean:0.198219; each:0.5 0.25 0.01235 1.0;}"
    assert third.get("custom") == f"readingOrder {{index:2;}} orientation {{degrees:90;}} {each}"
    assert third.xpath("*/@conf") == ["1.23457e-09"]
    assert third.findtext("{*}TextEquiv/{*}Unicode") == "drei"


def test_the_text_of_a_region_follows_its_lines(tmp_path):
    root = etree.fromstring(written(tmp_path, PAGE, "page"))
    assert root.findtext(".//{*}TextRegion/{*}TextEquiv/{*}Unicode") == "ein & <Wort>\nkept\ndrei"
    without = re.sub(r"\n        <TextEquiv>\s*<Unicode>old\nkept.*?</TextEquiv>", "", PAGE, flags=re.DOTALL)
    assert etree.fromstring(written(tmp_path, without, "page")).find(".//{*}TextRegion/{*}TextEquiv") is None


@pytest.mark.parametrize(("text", "words"), [("new words here", ["new", "words", "here"]), ("too few", [None] * 3)])
def test_words_agree_with_their_line_or_are_silent(tmp_path, text, words):
    content = page_xml(page_line(1, LINES[0], WORDS + page_equiv("old words three")))
    (line,) = lines_of(written(tmp_path, content, "page", [Line(text, 0.5, 0.0)]))
    assert [word.findtext("{*}TextEquiv/{*}Unicode") for word in line.findall("{*}Word")] == words
    assert line.findtext("{*}TextEquiv/{*}Unicode") == text
    assert line.xpath(".//@conf") == ["0.5"]


def test_only_our_elements_of_page_differ(tmp_path):
    def without_ours(content: bytes) -> str:
        text = re.sub(r"\s*<TextEquiv.*?</TextEquiv>", "", content.decode(), flags=re.DOTALL)
        return re.sub(r' custom="[^"]*"', "", text)

    filled = written(tmp_path, PAGE, "page")
    assert without_ours(filled) == without_ours(PAGE.encode())
    assert filled != PAGE.encode()


@pytest.mark.parametrize("format", ["page", "alto"])
def test_lines_of_one_id_get_each_its_own_text(tmp_path, format):
    form = {"page": lambda: page_xml("".join(page_line(1, line) for line in LINES)),
            "alto": lambda: alto_xml("".join(alto_line(1, line) for line in LINES))}  # fmt: skip
    readings = [Line(text, 0.5, 0.0) for text in ("eins", "zwei", "drei")]
    lines = lines_of(written(tmp_path, form[format](), format, readings))
    assert ["".join([*line.itertext("{*}Unicode"), *line.xpath(".//@CONTENT")]) for line in lines] == [
        "eins",
        "zwei",
        "drei",
    ]


def test_a_second_run_changes_nothing_more(tmp_path):
    for content, format in ((PAGE, "page"), (ALTO, "alto")):
        once = written(tmp_path, content, format)
        assert written(tmp_path, once, format) == once


def test_a_line_of_alto_gets_its_words_where_their_number_is_right(tmp_path):
    first, second, third = lines_of(written(tmp_path, ALTO, "alto"))
    assert [(s.get("CONTENT"), s.get("WC"), s.get("CC")) for s in first.findall("{*}String")] == [
        ("ein", "0.87654", None),
        ("&", "0.87654", None),
        ("<Wort>", "0.87654", None),
    ]
    assert [dict(s.attrib) for s in second.findall("{*}String")] == [{"CONTENT": "kept", "WC": "0.3"}]
    assert [(s.get("CONTENT"), s.get("WC")) for s in third.findall("{*}String")] == [("drei", "1.23457e-09")]


def test_a_line_of_alto_is_one_string_in_the_lines_box_where_it_is_not(tmp_path):
    strings = (
        '<String ID="s" CONTENT="a"><ALTERNATIVE>b</ALTERNATIVE></String><SP/><String CONTENT="b"/><HYP CONTENT="-"/>'
    )
    content = alto_xml(alto_line(1, LINES[0], strings))
    (line,) = lines_of(written(tmp_path, content, "alto", [Line("three words now", 0.5, 0.0)]))
    assert [etree.QName(child).localname for child in line] == ["Shape", "String"]
    box = {name: line.get(name) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")}
    assert dict(line[1].attrib) == {"ID": "s", "CONTENT": "three words now", "WC": "0.5"} | box
    assert len(line[1]) == 0


@pytest.mark.parametrize(
    ("rotation", "read", "expected"),
    [
        ("", 90.0, "90"),
        ("", 0.0, None),
        ('ROTATION="1.5"', 0.0, "1.5"),
        ('ROTATION="90"', 358.0, "0"),
        ("", None, None),
    ],
)
def test_a_block_of_alto_gets_the_rotation_that_all_its_lines_have(tmp_path, rotation, read, expected):
    block = f'<TextBlock ID="b" {rotation}>{alto_line(1, LINES[0])}{alto_line(2, LINES[1])}</TextBlock>'
    last = None if read is None else Line("b", 0.5, read)
    filled = written(tmp_path, alto_xml(block), "alto", [Line("a", 0.5, read or 90.0), last])
    assert etree.fromstring(filled).find(".//{*}TextBlock").get("ROTATION") == expected


def test_alto_keeps_to_its_schemas_rules(tmp_path):
    strings = '<String CONTENT="a"><ALTERNATIVE>b</ALTERNATIVE></String><SP/><String CONTENT="b"/><HYP CONTENT="-"/>'
    content = alto_xml("".join(alto_line(i, LINES[0], s) for i, s in enumerate(["<HYP CONTENT='-'/>", strings, None])))
    for text in ("", "one", "one two", "one two three"):
        filled = written(tmp_path, content, "alto", [Line(text, 1.0, 270.0)] * 3)
        assert broken_rules(filled) == []
    assert broken_rules(content.replace("<Shape>", "<String CONTENT=''/><Shape>").encode()) != []


def test_hocr_has_a_line_for_every_line_read(tmp_path):
    html = etree.fromstring(written(tmp_path, PAGE, "hocr"))
    (page,) = html.findall(".//{*}div[@class='ocr_page']")
    assert page.get("title") == 'image "0001.png"; bbox 0 0 400 300'
    first, second = html.findall(".//{*}span[@class='ocr_line']")
    assert ("".join(first.itertext()), "".join(second.itertext())) == ("ein & <Wort>", "drei")
    assert re.fullmatch(r"bbox \d+ \d+ \d+ \d+; x_wconf 87\.654", first.get("title"))
    assert second.get("title").endswith("x_wconf 0.000000123457; textangle 90")


def test_rows_say_where_a_line_is_what_it_says_and_how_it_lies(tmp_path):
    expected = [
        {"source": "0001.xml", "region": "r1", "line": "l1", "text": "ein & <Wort>", "confidence": 0.87654,
         "character_confidence": 0.87654, "orientation": 0.0, "adapter": None, "character_confidences": []},
        {"source": "0001.xml", "region": "r1", "line": "l3", "text": "drei", "confidence": 1.23457e-9,
         "character_confidence": 0.198219, "orientation": 90.0, "adapter": "fr",
         "character_confidences": [0.5, 0.25, 0.01235, 1.0]},
    ]  # fmt: skip
    assert [json.loads(line) for line in written(tmp_path, PAGE, "jsonl").splitlines()] == expected
    table = FORMATS["csv"].page_header.encode() + written(tmp_path, PAGE, "csv")
    assert next(csv.reader(io.StringIO(table.decode()))) == list(PAGE_FIELDS)
    assert [row["character_confidences"] for row in csv.DictReader(io.StringIO(table.decode()))][
        1
    ] == "0.5 0.25 0.01235 1.0"
    assert [row["text"] for row in csv.DictReader(io.StringIO(table.decode()))] == ["ein & <Wort>", "drei"]
    assert written(tmp_path, PAGE, "text").decode().splitlines() == ["ein & <Wort>", "drei"]


MARKS = "readingOrder {index:1;} person {offset:0; length:3;} structure {type:heading;} textStyle {offset:1; length:2;}"


@pytest.mark.parametrize(
    ("custom", "kept"),
    [
        (MARKS, "readingOrder {index:1;} structure {type:heading;}"),
        ("person { length:3 ; offset : 0; }", ""),
        ("person {Offset:0; Length:3;}", ""),
        ("person {offset:0; length:3;}readingOrder{index:1;}", "readingOrder{index:1;}"),
        ("comment {length:1; comment:an offset;}", "comment {length:1; comment:an offset;}"),
        ("readingOrder {index:1;} broken {offset:1", "readingOrder {index:1;}"),
        ("no tags at all", "no tags at all"),
    ],
)
def test_marks_of_places_in_a_text_go_with_the_text(tmp_path, custom, kept):
    content = page_xml(page_line(1, LINES[0], page_equiv("ein"), f' custom="{custom}"'))
    (line,) = lines_of(written(tmp_path, content, "page", [Line("zwei", 0.5, 0.0)]))
    assert line.get("custom") == f"{kept} orientation {{degrees:0;}}".strip()
    (line,) = lines_of(written(tmp_path, content, "page", [Line("ein", 0.5, 0.0)]))
    assert line.get("custom").startswith(custom.strip())
    (line,) = lines_of(written(tmp_path, content, "page", [None]))
    assert line.get("custom") == custom


def test_marks_on_words_and_regions_go_with_their_texts(tmp_path):
    mark = ' custom="person {offset:0; length:2;}"'
    words = WORD.format(1, page_equiv("same")) + WORD.format(2, page_equiv("other"))
    words = words.replace("<Word", f"<Word{mark}")
    body = page_line(1, LINES[0], words + page_equiv("same other")) + page_equiv("same other")
    content = page_xml(f'<TextRegion id="r"{mark}><Coords points="0,0 9,0 9,9"/>{body}</TextRegion>')
    root = etree.fromstring(written(tmp_path, content, "page", [Line("same new", 0.5, 0.0)]))
    assert [word.get("custom") is None for word in root.iter("{*}Word")] == [False, True]
    assert root.find(".//{*}TextRegion").get("custom") is None


def test_a_long_custom_attribute_takes_no_time(tmp_path):
    custom = "a" * 300_000 + " " * 300_000 + "{" * 300_000 + "orientation " * 30_000
    content = page_xml(page_line(1, LINES[0], page_equiv("ein"), f' custom="{custom}"'))
    start = time.process_time()
    assert b"zwei" in written(tmp_path, content, "page", [Line("zwei", 0.5, 0.0)])
    assert time.process_time() - start < 5


def test_the_texts_of_nested_regions_follow_their_lines(tmp_path):
    inner = '<TextRegion id="{}"><Coords points="0,0 9,0 9,9"/>{}{}</TextRegion>'
    lines = [page_line(i, line, page_equiv(f"old {i}")) for i, line in enumerate(LINES[:2], 1)]
    inside = inner.format("r1", lines[0], page_equiv("old 1")) + inner.format("r2", lines[1], "")
    content = page_xml(inner.format("r", inside, page_equiv("old 1\nold 2")))
    root = etree.fromstring(written(tmp_path, content, "page", [Line("new", 0.5, 0.0), None]))
    texts = {each.get("id"): each.findtext("{*}TextEquiv/{*}Unicode") for each in root.iter("{*}TextRegion")}
    assert texts == {"r": "new\nold 2", "r1": "new", "r2": None}
