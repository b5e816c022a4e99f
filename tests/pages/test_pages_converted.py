"""PAGE becomes ALTO and ALTO becomes PAGE, and what both know comes back as it was."""

import re
from pathlib import Path

import numpy as np
import pytest
from alto_rules import broken_document_rules, broken_rules
from lxml import etree
from page_makers import ALTO_4, SIZE, alto_line, alto_xml, draw_page, make_folder, page_equiv, page_line, page_xml

from trocr_gsa.data.pages import Page, PageError, PageFile
from trocr_gsa.data.pages.conversion import convert_page, in_pixels
from trocr_gsa.data.pages.layout import layout_of

SCHEMA = Path(__file__).parent / "schemas" / "pagecontent-2019-07-15.xsd"
_, LINES = draw_page(["eine Zeile", "noch eine", "drei"], [0.0, 10.0, 0.0])
WORD = (
    '<Word id="w{0}"><Coords points="{1},20 {2},20 {2},40 {1},40"/>{3}'
    "<TextEquiv{4}><Unicode>{5}</Unicode></TextEquiv></Word>"
)
GLYPHS = "".join(
    f'<Glyph id="g{i}"><Coords points="{10 + 5 * i},20 {15 + 5 * i},20 {15 + 5 * i},40"/>'
    f'<TextEquiv conf="0.5"><Unicode>{letter}</Unicode></TextEquiv></Glyph>'
    for i, letter in enumerate("eine")
)
WORDS = WORD.format(1, 10, 50, GLYPHS, ' conf="0.75"', "eine") + WORD.format(2, 60, 120, "", "", "Zeile")
REGION = '<TextRegion id="{0}"{1}><Coords points="{2}"/>{3}</TextRegion>'
PAGE = page_xml(
    '<TextRegion id="r2" type="heading" orientation="-90"><Coords points="0,0 400,0 400,150 0,150"/>'
    + page_line(1, LINES[0], WORDS + page_equiv("eine Zeile", ' conf="0.5"'))
    + page_line(2, LINES[1], page_equiv("noch eine"), ' custom="structure {type:signature;}"')
    + '</TextRegion><TextRegion id="r1" custom="readingOrder {index:0;} structure {type:MainZone;}">'
    + '<Coords points="0,150 400,150 400,300 0,300"/>'
    + page_line(3, LINES[2], page_equiv("a  b &amp; c"))
    + '</TextRegion><GraphicRegion id="p1"><Coords points="1,1 9,1 9,9 1,9"/></GraphicRegion>'
    + '<SeparatorRegion id="s1"><Coords points="1,11 9,11 9,19 1,19"/></SeparatorRegion>'
    + '<NoiseRegion id="n1"><Coords points="1,11 9,11 9,19 1,19"/></NoiseRegion>',
    order='<ReadingOrder><OrderedGroup id="o"><RegionRefIndexed index="0" regionRef="r1"/>'
    '<RegionRefIndexed index="1" regionRef="r2"/></OrderedGroup></ReadingOrder>',
)
STRINGS = (
    '<String CONTENT="eine" HPOS="10" VPOS="20" WIDTH="40" HEIGHT="20" WC="0.75"/><SP/>'
    '<String CONTENT="Zei" HPOS="60" VPOS="20" WIDTH="60" HEIGHT="20"/><HYP CONTENT="-"/>'
)
ALTO = alto_xml(
    '<TextBlock ID="b1" TAGREFS="t1" ROTATION="90" HPOS="0" VPOS="0" WIDTH="400" HEIGHT="150">'
    + alto_line(1, LINES[0], STRINGS)
    + alto_line(2, LINES[1], '<String CONTENT="noch eine" WC="0.25"/>')
    + '</TextBlock><Illustration ID="i1" TYPE="photo" HPOS="1" VPOS="2" WIDTH="3" HEIGHT="4"/>'
    '<GraphicalElement ID="g1" HPOS="5" VPOS="6" WIDTH="7" HEIGHT="8"/><ComposedBlock ID="c1"/>'
).replace("<Layout>", '<Tags><OtherTag ID="t1" LABEL="MainZone"/></Tags><Layout>')


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMA))


def page_of(folder: Path, content: str | bytes) -> Page:
    path = folder / "0001.xml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    page = in_pixels(PageFile(path, folder, path.name))
    assert page is not None
    return page


def described(page: Page) -> list:
    """What both formats know of a page; whole numbers, as both write them."""
    regions, _ = layout_of(page)
    return [
        (
            region.kind, region.name, region.sort, rounded(region.polygon), (region.rotation or 0) % 360,
            [
                (
                    each.line.id, each.line.text, each.label, rounded(each.line.polygon), rounded(each.line.baseline),
                    str(each.confidence) if not each.words else None,
                    [(word.text, str(word.confidence), word.box, len(word.characters)) for word in each.words],
                )
                for each in region.lines
            ],
        )
        for region in regions
    ]  # fmt: skip


def rounded(points: np.ndarray | None) -> list | None:
    return None if points is None else points.round().tolist()


def test_the_page_of_these_tests_is_valid(schema):
    schema.assertValid(etree.fromstring(PAGE.encode()))


def test_page_becomes_alto_and_comes_back(tmp_path, schema):
    page = page_of(tmp_path, PAGE)
    alto, dropped = convert_page(page, "ALTO")
    assert broken_rules(alto) + broken_document_rules(alto) == []
    assert dropped == ["1 NoiseRegion"]
    before, between = described(page), described(page_of(tmp_path, alto))
    assert between == before
    back, _ = convert_page(page_of(tmp_path, alto), "PAGE")
    schema.assertValid(etree.fromstring(back))
    assert described(page_of(tmp_path, back)) == before


def test_regions_come_in_reading_order_with_their_texts(tmp_path):
    alto, _ = convert_page(page_of(tmp_path, PAGE), "ALTO")
    root = etree.fromstring(alto)
    assert [block.get("ID") for block in root.iter("{*}TextBlock")] == ["r1", "r2"]
    strings = [string.get("CONTENT") for string in root.iter("{*}String")]
    assert strings == ["a  b & c", "eine", "Zeile", "noch eine"]
    assert [string.get("WC") for string in root.iter("{*}String")] == [None, "0.75", None, None]
    assert [etree.QName(each).localname for each in root.find(".//{*}PrintSpace")][2:] == [
        "Illustration", "GraphicalElement"
    ]  # fmt: skip


def test_alto_becomes_page(tmp_path, schema):
    page = page_of(tmp_path, ALTO)
    assert broken_document_rules(ALTO.encode()) == []
    content, dropped = convert_page(page, "PAGE")
    schema.assertValid(etree.fromstring(content))
    assert dropped == ["1 ComposedBlock"]
    root = etree.fromstring(content)
    assert root.find("{*}Page").get("imageFilename") == "0001.png"
    region = root.find(".//{*}TextRegion")
    assert (region.get("orientation"), region.get("custom")) == ("90", "structure {type:MainZone;}")
    first, second = region.findall("{*}TextLine")
    assert first.findtext("{*}TextEquiv/{*}Unicode") == "eine Zei-"
    words = first.findall("{*}Word")
    assert [word.findtext("{*}TextEquiv/{*}Unicode") for word in words] == ["eine", "Zei-"]
    assert [word.find("{*}TextEquiv").get("conf") for word in words] == ["0.75", None]
    assert second.find("{*}TextEquiv").get("conf") == "0.25"
    assert region.findtext("{*}TextEquiv/{*}Unicode") == "eine Zei-\nnoch eine"
    assert root.find(".//{*}ImageRegion").get("id") == "i1"
    assert root.find(".//{*}SeparatorRegion/{*}Coords").get("points") == "5,6 12,6 12,14 5,14"


@pytest.mark.parametrize(("kind", "content"), [("PAGE", PAGE), ("ALTO", ALTO)])
def test_a_page_of_that_kind_already_keeps_its_bytes(tmp_path, kind, content):
    assert convert_page(page_of(tmp_path, content), kind) == (content.encode(), [])


def test_words_that_do_not_say_what_the_line_says_are_left_out(tmp_path, schema):
    page = page_of(tmp_path, PAGE.replace("<Unicode>eine Zeile</Unicode>", "<Unicode>corrected since</Unicode>"))
    alto, _ = convert_page(page, "ALTO")
    assert [each.get("CONTENT") for each in etree.fromstring(alto).iter("{*}String")][1] == "corrected since"


def test_ids_that_xml_does_not_allow_or_that_are_there_twice_are_mended(tmp_path, schema):
    content = page_xml("".join(page_line(1, line, page_equiv("x")).replace('id="l1"', 'id="1 é"') for line in LINES))
    alto, _ = convert_page(page_of(tmp_path, content), "ALTO")
    assert broken_document_rules(alto) == []
    back, _ = convert_page(page_of(tmp_path, alto), "PAGE")
    schema.assertValid(etree.fromstring(back))


def test_a_line_without_a_place_has_one_in_the_corner(tmp_path, schema):
    content = alto_xml('<TextBlock ID="b1"><TextLine ID="l1"><String CONTENT="x"/></TextLine></TextBlock>')
    converted, _ = convert_page(page_of(tmp_path, content), "PAGE")
    schema.assertValid(etree.fromstring(converted))


@pytest.mark.parametrize("kind", ["PAGE", "ALTO"])
def test_a_page_without_lines_is_a_page(tmp_path, schema, kind):
    content = (
        page_xml("<TextRegion id='r1'><Coords points='0,0 1,1'/></TextRegion>")
        if kind == "ALTO"
        else alto_xml('<TextBlock ID="b1"/>')
    )
    converted, _ = convert_page(page_of(tmp_path, content), kind)
    if kind == "PAGE":
        schema.assertValid(etree.fromstring(converted))
    else:
        assert broken_document_rules(converted) == []


def test_tenths_of_a_millimetre_become_pixels_by_the_picture(tmp_path):
    draw_page(["one"])[0].save(tmp_path / "0001.png")
    half = (SIZE[0] // 2, SIZE[1] // 2)
    content = alto_xml('<TextBlock ID="b1" HPOS="10" VPOS="10" WIDTH="20" HEIGHT="10"/>', size=half, unit="mm10")
    converted, _ = convert_page(page_of(tmp_path, content), "PAGE")
    root = etree.fromstring(converted)
    assert root.find("{*}Page").get("imageWidth") == str(SIZE[0])
    assert root.find(".//{*}Coords").get("points") == "20,20 60,20 60,40 20,40"


def test_a_page_of_unknown_size_needs_its_picture(tmp_path):
    content = alto_xml(alto_line(1, LINES[0])).replace(f'WIDTH="{SIZE[0]}" HEIGHT="{SIZE[1]}"', "")
    with pytest.raises(PageError, match="there is no picture"):
        page_of(tmp_path, content)
    draw_page(["one"])[0].save(tmp_path / "0001.png")
    assert convert_page(page_of(tmp_path, content), "PAGE")[0]


@pytest.mark.parametrize(("kind", "other"), [("page", "alto"), ("alto", "page")])
def test_the_command_converts_a_folder(call, tmp_path, schema, kind, other):
    make_folder(tmp_path / "in" / "deep", kind, [["one", "two"], ["three"]], transcribed=True)
    (tmp_path / "in" / "mets.xml").write_text("<mets/>")
    result = call("pages", tmp_path / "in", tmp_path / "out", "--to", other)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{tmp_path / 'out'}: 2 pages\n", "")
    written = sorted((tmp_path / "out").rglob("*.xml"))
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written] == ["deep/0001.xml", "deep/0002.xml"]
    for path in written:
        if other == "page":
            schema.assertValid(etree.parse(path))
        else:
            assert broken_document_rules(path.read_bytes()) == []
    written[0].write_text("kept")
    again = call("pages", tmp_path / "in", tmp_path / "out", "--to", other)
    assert "2 files exist already" in again.stderr
    assert written[0].read_text() == "kept"


def test_what_cannot_be_converted_is_named_and_the_rest_is_written(call, tmp_path):
    make_folder(tmp_path / "in", "page", [["one"]])
    (tmp_path / "in" / "bad.xml").write_text("<PcGts>")
    result = call("pages", tmp_path / "in", tmp_path / "out", "--to", "alto")
    assert result.exit_code == 1
    assert "left out: bad.xml" in result.stderr
    assert (tmp_path / "out" / "0001.xml").is_file()


@pytest.mark.parametrize(
    ("source", "out", "complaint"),
    [
        ("in", "in", "is the folder of the source"),
        ("nowhere", "out", "no folder or file"),
        ("empty", "out", "no PAGE or"),
    ],
)
def test_what_makes_no_sense_is_refused(call, tmp_path, source, out, complaint):
    make_folder(tmp_path / "in", "page", [["one"]])
    (tmp_path / "empty").mkdir()
    result = call("pages", tmp_path / source, tmp_path / out, "--to", "alto")
    assert result.exit_code == 2
    assert complaint in result.stderr


@pytest.mark.parametrize("name", ["0001.alto", "0001.page"])
def test_two_pages_that_would_become_one_file_are_refused(call, tmp_path, name):
    folder = make_folder(tmp_path / "in", "page", [["one"]])
    (folder / name).write_text((folder / "0001.xml").read_text())
    result = call("pages", folder, tmp_path / "out", "--to", "alto")
    assert result.exit_code == 2
    assert "`out`:" in result.stderr
    assert "would both become" in result.stderr
    assert not (tmp_path / "out").exists()
    (folder / name).write_text("<mets/>")  # which accompanies pages, and is not written
    assert call("pages", folder, tmp_path / "out", "--to", "alto").exit_code == 0


def test_alto_of_other_versions_is_understood(tmp_path, schema):
    for namespace in ("", "http://www.loc.gov/standards/alto/ns-v2#"):
        content, _ = convert_page(page_of(tmp_path, ALTO.replace(ALTO_4, namespace)), "PAGE")
        schema.assertValid(etree.fromstring(content))
        assert len(list(etree.fromstring(content).iter("{*}Word"))) == 2


@pytest.mark.parametrize("name", ["tag_1", "conversion", "page", "²x", "1ª ½", "Ⅷ"])
def test_ids_of_a_new_alto_file_are_valid_and_unique(tmp_path, name):
    """The tags and the processing step of the new file have ids too, which a region or line may have had."""
    line = page_line(1, LINES[0], page_equiv("one"), ' custom="structure {type:heading;}"')
    body = REGION.format(name, ' type="heading"', "0,0 9,0 9,9", line.replace('id="l1"', f'id="{name}"'))
    alto, _ = convert_page(page_of(tmp_path, page_xml(body)), "ALTO")
    assert broken_document_rules(alto) == []
    ids = [element.get("ID") for element in etree.fromstring(alto).iter() if element.get("ID")]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", each) for each in ids)


def test_what_alto_cannot_hold_of_a_line_is_named(tmp_path):
    custom = ' custom="readingOrder {index:0;} person {offset:0; length:3;} structure {type:x;} place {offset:1;}"'
    equivs = page_equiv("one", ' index="0"') + page_equiv("on", ' index="1"') + "<TextStyle/>"
    body = REGION.format("r1", ' primaryLanguage="German"', "0,0 9,0 9,9", page_line(1, LINES[0], equivs, custom))
    _, dropped = convert_page(page_of(tmp_path, page_xml(body)), "ALTO")
    assert dropped == [
        "1 TextStyle", "1 further TextEquiv", "1 person in custom", "1 place in custom", "1 primaryLanguage",
    ]  # fmt: skip


def test_what_page_cannot_hold_of_a_line_is_named(tmp_path):
    strings = '<String CONTENT="one" STYLEREFS="s1" TAGREFS="t2"><ALTERNATIVE>on</ALTERNATIVE></String>'
    body = f'<TextBlock ID="b1" LANG="de" TAGREFS="t1 t2">{alto_line(1, LINES[0], strings)}</TextBlock>'
    _, dropped = convert_page(page_of(tmp_path, alto_xml(body)), "PAGE")
    assert dropped == ["1 ALTERNATIVE", "1 LANG", "1 STYLEREFS", "2 TAGREFS"]


def test_of_many_kinds_of_tags_the_most_frequent_are_named(tmp_path):
    custom = " ".join(f"tag{number} {{offset:0;}}" for number in range(1000)) + 100_000 * "x"
    _, dropped = convert_page(page_of(tmp_path, page_xml(page_line(1, LINES[0], more=f' custom="{custom}"'))), "ALTO")
    assert (len(dropped), dropped[-1]) == (13, "988 others")


@pytest.mark.parametrize("unit", ["Pixel", "PIXEL", " pixel "])
def test_pixels_may_be_written_in_capitals(tmp_path, unit):
    draw_page(["one"])[0].save(tmp_path / "0001.png")
    content = alto_xml(alto_line(1, LINES[0]), unit=unit).replace(f'WIDTH="{SIZE[0]}" HEIGHT="{SIZE[1]}"', "")
    assert convert_page(page_of(tmp_path, content), "PAGE")[0]
