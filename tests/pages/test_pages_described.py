"""What is understood of a PAGE or ALTO file: its lines, their order, texts and shapes."""

from pathlib import Path

import numpy as np
import pytest
from page_makers import ALTO_4, PAGE_2019, alto_line, alto_xml, draw_page, page_equiv, page_line, page_xml

from trocr_gsa.data.pages import Page, PageError, PageFile, find_pages
from trocr_gsa.data.pages.page import parse_points

_, LINES = draw_page(["one", "two", "three"])
POINTS = "0,0 9,0 9,9"


def described(folder: Path, xml: str) -> Page:
    path = folder / "0001.xml"
    path.write_text(xml, encoding="utf-8")
    page = PageFile(path, folder, path.name).read()
    assert page is not None
    return page


def region(name: str, inside: str = "", custom: str = "") -> str:
    line = f'<TextLine id="{name}-l"><Coords points="{POINTS}"/></TextLine>'
    return f'<TextRegion id="{name}" {custom}><Coords points="{POINTS}"/>{inside}{line}</TextRegion>'


def regions_in_order(folder: Path, body: str, order: str) -> list[str]:
    page = described(folder, page_xml(body, order=f"<ReadingOrder>{order}</ReadingOrder>" if order else ""))
    return [line.region for line in page.lines]


@pytest.mark.parametrize("year", ["2013-07-15", "2016-07-15", "2017-07-15", "2018-07-15", "2019-07-15"])
def test_page_of_every_version_is_understood(tmp_path, year):
    xml = page_xml(page_line(1, LINES[0], page_equiv("one")), namespace=PAGE_2019.replace("2019-07-15", year))
    page = described(tmp_path, xml)
    assert (page.kind, page.image, page.size) == ("PAGE", "0001.png", (400, 300))
    (line,) = page.lines
    assert (line.id, line.region, line.text) == ("l1", "r1", "one")
    assert np.abs(line.polygon - LINES[0].polygon).max() <= 0.5
    assert np.abs(line.baseline - LINES[0].baseline).max() <= 0.5


@pytest.mark.parametrize("version", "234")
def test_alto_of_every_version_is_understood(tmp_path, version):
    line = alto_line(1, LINES[0], '<String CONTENT="ein"/><SP/><String CONTENT="Wort"/><HYP CONTENT="-"/>')
    page = described(tmp_path, alto_xml(line, namespace=ALTO_4.replace("4#", f"{version}#")))
    assert (page.kind, page.image, page.size) == ("ALTO", "0001.png", (400, 300))
    (line,) = page.lines
    assert (line.id, line.region, line.text) == ("l1", "b1", "ein Wort-")
    assert np.abs(line.polygon - LINES[0].polygon).max() <= 0.5
    assert np.abs(line.baseline - LINES[0].baseline).max() <= 0.5


def test_a_line_of_alto_without_a_polygon_is_its_box(tmp_path):
    page = described(tmp_path, alto_xml(alto_line(1, LINES[0], polygon=False)))
    assert np.abs(np.ptp(page.lines[0].polygon, axis=0) - np.ptp(LINES[0].polygon, axis=0)).max() <= 1


@pytest.mark.parametrize("baseline", ["", 'BASELINE="120"', 'BASELINE="120.5"', 'BASELINE="-3"'])
def test_a_baseline_that_is_a_height_or_nothing_is_none(tmp_path, baseline):
    line = f'<TextLine ID="l" HPOS="1" VPOS="2" WIDTH="30" HEIGHT="20" {baseline}><String CONTENT=""/></TextLine>'
    (line,) = described(tmp_path, alto_xml(line)).lines
    assert line.baseline is None or len(line.baseline) < 2
    assert line.problem is None


def test_regions_come_in_reading_order_and_the_others_behind(tmp_path):
    order = """<OrderedGroup id="g"><RegionRefIndexed index="1" regionRef="a"/>
      <UnorderedGroupIndexed index="2" id="u">
      <RegionRef regionRef="d"/><RegionRef regionRef="c"/></UnorderedGroupIndexed>
      <RegionRefIndexed index="0" regionRef="b"/><RegionRefIndexed index="3" regionRef="gone"/></OrderedGroup>"""
    body = "".join(map(region, "abcde"))
    assert regions_in_order(tmp_path, body, order) == ["b", "a", "d", "c", "e"]
    assert regions_in_order(tmp_path, body, "") == list("abcde")


def test_a_region_brings_those_inside_it_unless_they_have_a_place_of_their_own(tmp_path):
    body = region("outer", region("inner") + region("last")) + region("other")
    listed = '<OrderedGroup id="g">{}</OrderedGroup>'
    references = ["outer", "other", "last"]
    order = "".join(f'<RegionRefIndexed index="{i}" regionRef="{name}"/>' for i, name in enumerate(references))
    assert sorted(regions_in_order(tmp_path, body, listed.format(order))[:2]) == ["inner", "outer"]
    assert regions_in_order(tmp_path, body, listed.format(order))[2:] == ["other", "last"]


@pytest.mark.parametrize(("indices", "expected"), [((2, 0, 1), "bca"), ((2, 0, None), "abc"), ((11, 10, 9), "cba")])
def test_regions_without_a_reading_order_come_by_the_index_of_transkribus(tmp_path, indices, expected):
    custom = ["" if index is None else f'custom="readingOrder {{index:{index};}}"' for index in indices]
    body = "".join(region(name, custom=each) for name, each in zip("abc", custom, strict=True))
    assert regions_in_order(tmp_path, body, "") == list(expected)
    listed = "".join(f'<RegionRefIndexed index="{i}" regionRef="{name}"/>' for i, name in enumerate("cab"))
    assert regions_in_order(tmp_path, body, f'<OrderedGroup id="g">{listed}</OrderedGroup>') == list("cab")


@pytest.mark.parametrize("place", ['index="{}"', 'custom="readingOrder {{index:{};}} structure {{type:heading;}}"'])
def test_lines_of_a_region_come_by_their_index(tmp_path, place):
    lines = [page_line(i, LINES[0], more=" " + place.format(3 - i)) for i in (1, 2, 3)]
    assert [line.id for line in described(tmp_path, page_xml("\n".join(lines))).lines] == ["l3", "l2", "l1"]


def test_alto_is_read_in_its_reading_order_and_the_rest_behind(tmp_path):
    blocks = "".join(
        f'<TextBlock ID="b{b}">' + "".join(alto_line(10 * b + i, LINES[0]) for i in (1, 2)) + "</TextBlock>"
        for b in (1, 2)
    )
    xml = alto_xml(blocks)
    order = """<ReadingOrder><OrderedGroup ID="g"><ElementRef ID="e1" REF="b2"/>
      <UnorderedGroup ID="u"><ElementRef ID="e2" REF="l12"/><ElementRef ID="e3" REF="gone"/></UnorderedGroup>
      </OrderedGroup></ReadingOrder><Layout>"""
    assert [line.id for line in described(tmp_path, xml).lines] == ["l11", "l12", "l21", "l22"]
    ordered = described(tmp_path, xml.replace("<Layout>", order))
    assert [line.id for line in ordered.lines] == ["l21", "l22", "l12", "l11"]


def test_a_line_of_alto_goes_with_its_own_place_before_its_blocks(tmp_path):
    lines = "".join(alto_line(i, LINES[0], f'<String ID="s{i}" CONTENT="x"/>') for i in (1, 2, 3, 4))
    xml = alto_xml(f'<TextBlock ID="b1">{lines}</TextBlock>')
    order = '<ReadingOrder><ElementRef REF="s4"/><ElementRef REF="b1 l2 s2"/><ElementRef REF="l1"/></ReadingOrder>'
    ordered = described(tmp_path, xml.replace("<Layout>", order + "<Layout>"))
    assert [line.id for line in ordered.lines] == ["l4", "l3", "l2", "l1"]


def test_two_lines_of_one_id_are_two_lines(tmp_path):
    xml = page_xml(page_line(1, LINES[0], page_equiv("one")) + page_line(1, LINES[1], page_equiv("two")))
    assert [(line.id, line.position, line.text) for line in described(tmp_path, xml).lines] == [
        ("l1", 0, "one"),
        ("l1", 1, "two"),
    ]


def test_points_that_are_none_are_the_lines_problem_alone(tmp_path):
    bad = page_line(1, LINES[0]).replace("<Coords points=", '<Coords points="3,4 here" was=')
    first, second = described(tmp_path, page_xml(bad + page_line(2, LINES[1]))).lines
    assert "`Coords`" in first.problem
    assert second.problem is None


@pytest.mark.parametrize("words", ["1,2 3,4", "1 2 3 4", "1.0,2.0 3e0,4", " 1,2  3,4\n"])
def test_points_are_written_in_several_ways(words):
    assert parse_points(words).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("words", ["1,2 3", "a,b", "1,2 nan,4", "1e300,2 3,4"])
def test_points_that_are_none_are_refused(words):
    with pytest.raises(ValueError, match="point"):
        parse_points(words)


def test_millimetres_are_scaled_to_the_picture(tmp_path):
    page = described(tmp_path, alto_xml(alto_line(1, LINES[0]), unit="mm10"))
    scaled = page.scaled_to((800, 600))
    assert np.allclose(scaled.lines[0].polygon, 2 * page.lines[0].polygon)
    with pytest.raises(PageError, match=r"0001\.xml: describes a page of 400 × 300"):
        page.scaled_to((300, 400))


@pytest.mark.parametrize(
    ("xml", "complaint"),
    [
        ("<html/>", "neither PAGE nor ALTO: its root is html"),
        ("<PcGts/>", "expected one Page, got 0"),
        (page_xml("", namespace=PAGE_2019.replace("2019-07-15", "2010-03-19")), "expected PAGE XML of 2013 or later"),
        (page_xml("").replace("<Page ", "<Other ").replace("</Page>", "</Other>"), "expected one Page, got 0"),
        (alto_xml("").replace("</Page>", '</Page><Page ID="p2"/>'), "expected one Page, got 2"),
        (alto_xml("", unit="mm10").replace("WIDTH", "W"), "measures in mm10"),
        ("", "not well-formed XML"),
        ("<PcGts", "not well-formed XML"),
    ],
)
def test_what_is_no_page_is_refused_by_name(tmp_path, xml, complaint):
    with pytest.raises(PageError, match=r"^0001\.xml: ") as raised:
        described(tmp_path, xml)
    assert complaint in str(raised.value)


def test_what_lies_beside_pages_is_passed_over(tmp_path):
    path = tmp_path / "mets.xml"
    path.write_text('<mets xmlns="http://www.loc.gov/METS/"/>')
    assert PageFile(path, tmp_path, path.name).read() is None
    (named,) = find_pages(path)
    with pytest.raises(PageError, match=r"mets\.xml: is neither PAGE nor ALTO: its root is mets"):
        named.read()


@pytest.mark.parametrize("height", ["nan", "inf", "-300", "0", "1e7", "x", ""])
def test_a_page_size_that_is_none_is_none(tmp_path, height):
    """Not even where the other side is one: a NaN is neither too small nor too large."""
    xml = page_xml(page_line(1, LINES[0])).replace('imageHeight="300"', f'imageHeight="{height}"')
    page = described(tmp_path, xml)
    assert page.size is None
    assert np.isfinite(page.scaled_to((400, 300)).lines[0].polygon).all()


def test_what_a_file_says_is_not_repeated_at_length(tmp_path):
    no_size = alto_xml("", unit="x" * 9000).replace("WIDTH", "W")
    for xml in (f"<PcGts xmlns='{'x y' * 5000}'", f"<{'x' * 9000}/>", no_size):
        with pytest.raises(PageError) as raised:
            described(tmp_path, xml)
        assert len(str(raised.value)) < 400
