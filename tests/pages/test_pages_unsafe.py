"""XML that is made to do harm, or merely odd, is refused or read, quickly and by name."""

import os
import re
import time

import pytest
from page_makers import alto_line, alto_xml, draw_page, page_equiv, page_line, page_xml
from stub_reader import StubReader

from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.line import Line
from trocr_gsa.data.pages import PageError, PageFile, XmlDocument
from trocr_gsa.data.pages.page import MAX_LINES
from trocr_gsa.data.pages.page_files import PAGE_ROOTS
from trocr_gsa.data.pages.xml_files import MAX_BYTES, MAX_PARTS, root_name
from trocr_gsa.reader.pages import read_pages

_, LINES = draw_page(["one"])
PAGE = page_xml(page_line(1, LINES[0], page_equiv("TEXT")))
BASELINE = {"page": re.compile(r'(Baseline points=)"[^"]*"'), "alto": re.compile(r'(BASELINE=)"[^"]*"')}
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
BOMB = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "ha" * 10}">' for i in range(12))


def with_doctype(inside: str, entity: str) -> bytes:
    return PAGE.replace(HEAD, f"{HEAD}<!DOCTYPE PcGts {inside}>\n").replace("TEXT", entity).encode()


@pytest.mark.parametrize("place", ["text", "attribute"])
def test_an_entity_bomb_does_not_go_off(place):
    content = with_doctype(f"[{BOMB}]", "&e11;" if place == "text" else "x")
    if place == "attribute":
        content = content.replace(b'id="r1"', b'id="&e11;"')
    start = time.process_time()
    with pytest.raises(PageError, match=r"^a\.xml: "):
        XmlDocument.parse(content, "a.xml")
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "doctype",
    ['[<!ENTITY e SYSTEM "{url}">]', '[<!ENTITY % e SYSTEM "{url}"> %e;]', 'SYSTEM "{url}"', 'PUBLIC "p" "{url}"'],
)
@pytest.mark.parametrize("address", ["file", "network"])
def test_what_a_document_type_names_is_not_opened(tmp_path, doctype, address):
    secret = tmp_path / "secret.txt"
    secret.write_text("<!ENTITY e 'the secret'>")
    url = secret.as_uri() if address == "file" else "http://127.0.0.1:9/x.dtd"
    entity = "&e;" if "%" not in doctype and "ENTITY" in doctype else "x"
    with pytest.raises(PageError) as raised:
        XmlDocument.parse(with_doctype(doctype.format(url=url), entity), "a.xml")
    assert "secret'" not in str(raised.value)
    assert "document type" in str(raised.value)


def test_an_undeclared_entity_is_no_xml():
    with pytest.raises(PageError, match="not well-formed XML"):
        XmlDocument.parse(PAGE.replace("TEXT", "&unknown;").encode(), "a.xml")


def test_what_is_nested_too_deep_or_too_long_is_refused():
    deep = "<x>" * 5000 + "</x>" * 5000
    for inside in (deep, f"<Unicode>{'x' * 11_000_000}</Unicode>"):
        with pytest.raises(PageError, match="nested too deep or has too much"):
            XmlDocument.parse(PAGE.replace("TEXT", inside).encode(), "a.xml")


@pytest.mark.parametrize("inside", ["<a/>", "<a b='' c=''/>", "<a>x</a>"])
def test_a_file_of_too_many_parts_is_not_made_a_tree(inside):
    content = b"<PcGts>" + inside.encode() * (MAX_PARTS // 2) + b"</PcGts>" + b"<" * (MAX_PARTS // 2)
    start = time.process_time()
    with pytest.raises(PageError, match="tags and attributes"):
        XmlDocument.parse(content, "a.xml")
    assert time.process_time() - start < 2


@pytest.mark.parametrize("kind", ["page", "alto"])
def test_a_reading_order_that_names_everything_again_and_again_takes_no_time(tmp_path, kind):
    if kind == "page":
        references = '<RegionRef regionRef="r1"/>' * 20_000
        order = f"<ReadingOrder><UnorderedGroup>{references}</UnorderedGroup></ReadingOrder>"
        xml = page_xml("".join(page_line(i, LINES[0]) for i in range(2000)), order=order)
    else:
        order = f'<ReadingOrder><OrderedGroup><ElementRef REF="{"b1 " * 50_000}"/></OrderedGroup></ReadingOrder>'
        body = '<TextLine HPOS="1" VPOS="1" WIDTH="9" HEIGHT="9"/>' * 2000
        xml = alto_xml(body).replace("<Layout>", order + "<Layout>")
    (tmp_path / "a.xml").write_text(xml)
    start = time.process_time()
    page = PageFile(tmp_path / "a.xml", tmp_path, "a.xml").read()
    assert page is not None
    assert len(page.lines) == 2000
    assert time.process_time() - start < 10


@pytest.mark.parametrize("order", ["outer first", "inner first"])
@pytest.mark.parametrize("kind", ["page", "alto"])
def test_a_reading_order_of_regions_that_lie_in_each_other_takes_no_time(tmp_path, kind, order):
    depth, count = 100, MAX_LINES
    numbers = range(depth) if order == "outer first" else reversed(range(depth))
    if kind == "page":
        references = "".join(f'<RegionRef regionRef="r{number}"/>' for number in numbers)
        regions = "".join(f'<TextRegion id="r{number}">' for number in range(depth))
        body = regions + "<TextLine/>" * count + "</TextRegion>" * depth
        xml = page_xml(body, order=f"<ReadingOrder><UnorderedGroup>{references}</UnorderedGroup></ReadingOrder>")
    else:
        references = " ".join(f"b{number}" for number in numbers)
        blocks = "".join(f'<TextBlock ID="b{number}">' for number in range(depth))
        xml = alto_xml(blocks + "<TextLine/>" * count + "</TextBlock>" * depth)
        xml = xml.replace("<Layout>", f'<ReadingOrder><ElementRef REF="{references}"/></ReadingOrder><Layout>')
    (tmp_path / "a.xml").write_text(xml)
    start = time.process_time()
    page = PageFile(tmp_path / "a.xml", tmp_path, "a.xml").read()
    assert page is not None
    assert [line.position for line in page.lines] == list(range(count))
    assert time.process_time() - start < 5


@pytest.mark.parametrize("make", [page_xml, alto_xml])
def test_a_page_of_more_lines_than_there_are_is_named(tmp_path, make):
    (tmp_path / "a.xml").write_text(make("<TextLine/>" * (MAX_LINES + 1)))
    with pytest.raises(PageError, match=r"^a\.xml: has 20,001 lines, more than 20,000\. Split it"):
        PageFile(tmp_path / "a.xml", tmp_path, "a.xml").read()


@pytest.mark.parametrize("node", ["<!--x-->", "<?x y?>", "<?x?>"])
def test_what_stands_behind_the_root_stays_and_takes_no_time_however_much_it_is(node):
    content = (PAGE + f"{node}\n" * 30_000).encode()
    start = time.process_time()
    document = XmlDocument.parse(content, "a.xml")
    document.root.set("changed", "yes")
    assert document.to_bytes().decode().endswith(f">\n{node}" + f"\n{node}" * 29_999 + "\n")
    assert time.process_time() - start < 5


def test_what_nobody_thought_of_costs_its_page_alone(tmp_path, monkeypatch):
    def stumble(*_):
        raise RecursionError("deeper than " + "x" * 10_000)

    (tmp_path / "a.xml").write_text(PAGE)
    monkeypatch.setitem(PAGE_ROOTS, "PcGts", stumble)
    with pytest.raises(PageError, match=r"^a\.xml: cannot be used \(RecursionError: deeper than x+…\)") as raised:
        PageFile(tmp_path / "a.xml", tmp_path, "a.xml").open()
    assert len(str(raised.value)) < 300
    monkeypatch.setitem(PAGE_ROOTS, "PcGts", lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(MemoryError):
        PageFile(tmp_path / "a.xml", tmp_path, "a.xml").open()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_read(tmp_path, make):
    path = tmp_path / "a.xml"
    make(path)
    assert root_name(path) is None
    with pytest.raises(PageError, match=r"^a\.xml: is not a regular file"):
        PageFile(path, tmp_path, "a.xml", is_named=True).open()


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "a.xml"
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(PageError, match="Split it"):
        XmlDocument.read(path, "a.xml")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (PAGE.replace("TEXT", "ä").encode("latin-1"), "not well-formed XML"),
        (PAGE.replace("UTF-8", "no-such-code").encode(), "a.xml: "),
        (b"\x89PNG\r\n\x1a\n", "not well-formed XML"),
        (b"", "not well-formed XML"),
        (b"\xff\xfe", "not well-formed XML"),
    ],
)
def test_what_is_not_in_its_encoding_is_refused(content, complaint):
    with pytest.raises(PageError) as raised:
        XmlDocument.parse(content, "a.xml")
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "windows-1252", "ascii"]
)
def test_encodings_are_understood(tmp_path, encoding):
    declared = {"utf-8-sig": "UTF-8", "latin-1": "ISO-8859-1"}.get(
        encoding, encoding.removesuffix("-le").removesuffix("-be")
    )
    text = "plain" if encoding == "ascii" else "Grüße"
    path = tmp_path / "a.xml"
    path.write_bytes(PAGE.replace("UTF-8", declared).replace("TEXT", text).encode(encoding))
    page = PageFile(path, tmp_path, "a.xml").read()
    assert page is not None
    assert page.lines[0].text == text
    assert page.document.to_bytes() == path.read_bytes()


def test_ten_thousand_lines_are_read_and_written_in_seconds(tmp_path):
    for kind, xml in (("page", page_xml("\n".join(page_line(i, LINES[0]) for i in range(10_000)))),
                      ("alto", alto_xml('<TextLine HPOS="1" VPOS="1" WIDTH="9" HEIGHT="9"/>\n' * 10_000))):  # fmt: skip
        path = tmp_path / f"{kind}.xml"
        path.write_text(xml)
        start = time.process_time()
        page = PageFile(path, tmp_path, path.name).read()
        assert page is not None
        assert len(page.lines) == 10_000
        assert len(page.document.to_bytes()) == len(xml)
        for format in ("text", "csv", "hocr", kind):
            filled = FORMATS[format].write_page(page, [Line("read anew", 0.5, 90.0)] * 10_000)
            assert filled.count(b"anew") == 10_000
        assert time.process_time() - start < 10


NOWHERE = ["1e20,5 30,5", "10,-1e20 30,5", "NaN,5 30,5", "10,5 inf,5", "9e5,9e5 1e7,9e5", "10,5 30", "10;5 30;5", "x"]


@pytest.mark.parametrize("points", NOWHERE)
@pytest.mark.parametrize("kind", ["page", "alto"])
def test_a_baseline_that_is_none_is_named_with_its_line(tmp_path, kind, points):
    """Without it, the line would be cut as if it were level, and nobody would know."""
    image, (line,) = draw_page(["one"])
    image.save(tmp_path / "0001.png")
    good = page_line(1, line) if kind == "page" else alto_line(1, line)
    bad = BASELINE[kind].sub(rf'\g<1>"{points}"', good.replace("l1", "l2"), count=1)
    (tmp_path / "a.xml").write_text((page_xml if kind == "page" else alto_xml)(good + bad))
    (read,) = read_pages(StubReader(), tmp_path)
    (problem,) = read.problems
    assert problem.startswith("a.xml: line l2: `Baseline`: " if kind == "page" else "a.xml: line l2: `BASELINE`: ")
    assert [reading is None for reading in read.readings] == [False, True]


@pytest.mark.parametrize("points", ["", "  ", "57", "1.5", "-3"])
def test_a_baseline_that_is_a_height_or_not_there_is_no_problem(tmp_path, points):
    image, (line,) = draw_page(["one"])
    image.save(tmp_path / "0001.png")
    (tmp_path / "a.xml").write_text(alto_xml(BASELINE["alto"].sub(rf'\g<1>"{points}"', alto_line(1, line))))
    (read,) = read_pages(StubReader(), tmp_path)
    assert read.problems == []


FAR = 900_000


@pytest.mark.parametrize(
    "corners",
    [
        (-FAR, -FAR, FAR, FAR),
        (-FAR, 50, FAR, 90),
        (50, -FAR, 90, FAR),
        (0, 0, 4 * 400, 3 * 300),
        (-9000, 50, 390, 90),
    ],
)
@pytest.mark.parametrize("kind", ["page", "alto"])
def test_a_line_of_which_little_is_on_the_page_is_named(tmp_path, kind, corners):
    """It would be cut to the page, and what is left is another line, or none."""
    image, (line,) = draw_page(["one"])
    image.save(tmp_path / "0001.png")
    left, top, right, bottom = corners
    far = f"{left},{top} {right},{top} {right},{bottom} {left},{bottom}"
    good = page_line(1, line) if kind == "page" else alto_line(1, line)
    bad = re.sub(r'(POINTS|Coords points)="[^"]*"', rf'\g<1>="{far}"', good.replace("l1", "l2"), count=1)
    (tmp_path / "a.xml").write_text((page_xml if kind == "page" else alto_xml)(good + bad))
    (read,) = read_pages(StubReader(), tmp_path)
    (problem,) = read.problems
    assert problem.startswith("a.xml: line l2: lies mostly outside its picture, which has 400 × 300 pixels")


def test_a_line_that_begins_beyond_the_page_is_read(tmp_path):
    image, (line,) = draw_page(["one"])
    image.save(tmp_path / "0001.png")
    beyond = re.sub(r'Coords points="[^"]*"', 'Coords points="-600,120 300,120 300,180 -600,180"', page_line(1, line))
    (tmp_path / "a.xml").write_text(page_xml(beyond))
    (read,) = read_pages(StubReader(), tmp_path)
    assert read.problems == []


def test_each_of_two_nested_lines_is_told_by_what_is_wrong_with_it(tmp_path):
    inner, outer = page_line(2, LINES[0], page_equiv("in")), page_line(2, LINES[0], page_equiv("OUT"))
    (tmp_path / "a.xml").write_text(page_xml(outer.replace("OUT", f"out {inner}")))
    draw_page(["one"])[0].save(tmp_path / "0001.png")
    (read,) = read_pages(StubReader(), tmp_path)
    assert sorted(read.problems) == [
        "a.xml: line l2: contains another line. Export the page again.",
        "a.xml: line l2: lies inside of another line. Export the page again.",
    ]
