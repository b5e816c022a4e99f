"""What libraries make of PAGE and ALTO: other namespaces and none, version 1, boxes on the strings alone."""

import numpy as np
import pytest
from page_makers import ALTO_4, PAGE_2019, alto_line, alto_xml, draw_page, page_equiv, page_line, page_xml
from test_pages_described import described

from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.line import Line

_, LINES = draw_page(["one", "two"])
STRING = '<String CONTENT="{}" HPOS="{}" VPOS="{}" WIDTH="{}" HEIGHT="{}"/>'
ONE_LINE = '<TextLine ID="l">{}</TextLine>'
COMPANY = "http://schema.ccs-gmbh.com/"
OTHERS = [COMPANY + "ALTO", COMPANY + "metae/alto.xsd", "https://library.example/alto", ""]


@pytest.mark.parametrize("namespace", [*OTHERS, "http://www.loc.gov/standards/alto/ns-v5#"])
def test_alto_of_any_namespace_is_read_and_written_in_its_own(tmp_path, namespace):
    xml = alto_xml(alto_line(1, LINES[0], '<String CONTENT="ein"/><HYP CONTENT="-"/>'), namespace=namespace)
    page = described(tmp_path, xml if namespace else xml.replace(' xmlns=""', ""))
    assert (page.kind, page.image, page.size, page.lines[0].text) == ("ALTO", "0001.png", (400, 300), "ein-")
    written = FORMATS["alto"].write_page(page, [Line("zwei", 0.5, 90.0)]).decode()
    assert 'CONTENT="zwei"' in written
    assert "ns0" not in written
    assert "<HYP" not in written


@pytest.mark.parametrize("namespace", ["", "urn:another", PAGE_2019.replace("2019", "2031")])
def test_page_of_any_namespace_is_read_and_written_in_its_own(tmp_path, namespace):
    page = described(tmp_path, page_xml(page_line(1, LINES[0], "<TextStyle/>"), namespace=namespace))
    assert (page.kind, page.image, len(page.lines)) == ("PAGE", "0001.png", 1)
    written = FORMATS["page"].write_page(page, [Line("zwei", 0.5, 90.0)]).decode()
    assert "<Unicode>zwei</Unicode>" in written
    assert "ns0" not in written


def test_a_prefix_is_kept(tmp_path):
    xml = page_xml(page_line(1, LINES[0], page_equiv("one"))).replace("xmlns=", "xmlns:pc=")
    for name in ("PcGts", "Page", "TextRegion", "TextLine", "Coords", "Baseline", "TextEquiv", "Unicode"):
        xml = xml.replace(f"<{name}", f"<pc:{name}").replace(f"</{name}", f"</pc:{name}")
    page = described(tmp_path, xml)
    assert page.lines[0].text == "one"
    assert b"<pc:Unicode>zwei</pc:Unicode>" in FORMATS["page"].write_page(page, [Line("zwei", 0.5, 0.0)])


@pytest.mark.parametrize(
    ("inside", "box"),
    [
        (STRING.format("a", 10, 20, 30, 40) + "<SP/>" + STRING.format("b", 50, 15, 20, 40), (10, 15, 70, 60)),
        (STRING.format("a", 10, 20, 30, 40) + '<SP/><String CONTENT="b"/>', (10, 20, 40, 60)),
        (f"<String CONTENT='a'>{STRING.replace('String', 'Glyph').format('a', 1, 2, 3, 4)}</String>", (1, 2, 4, 6)),
        (STRING.format("a", "1.5", "2.5", "3", "4"), (1.5, 2.5, 4.5, 6.5)),
    ],
)
def test_a_line_without_a_box_lies_around_its_strings(tmp_path, inside, box):
    (line,) = described(tmp_path, alto_xml(ONE_LINE.format(inside))).lines
    assert line.problem is None
    assert [*line.polygon.min(axis=0), *line.polygon.max(axis=0)] == list(box)


@pytest.mark.parametrize("inside", ['<String CONTENT="a"/>', "", "<String CONTENT='a' HPOS='1' VPOS='1' WIDTH='5'/>"])
def test_a_line_without_any_box_is_named_when_it_is_cut(tmp_path, inside):
    (line,) = described(tmp_path, alto_xml(ONE_LINE.format(inside))).lines
    assert line.polygon is None


@pytest.mark.parametrize("numbers", [("x", 2, 3, 4), ("", "", "", ""), ("1 2", "3 4", 5, 6), ("1e9", 2, 3, 4)])
def test_a_box_that_is_none_is_the_lines_problem_alone(tmp_path, numbers):
    body = ONE_LINE.format(STRING.format("a", *numbers)) + alto_line(2, LINES[1])
    bad, good = described(tmp_path, alto_xml(body)).lines
    assert bad.problem is not None
    assert good.problem is None


def test_what_is_written_into_a_line_without_a_box_lies_around_its_strings(tmp_path):
    strings = STRING.format("a", 10, 20, 30, 40) + "<SP/>" + STRING.format("b", 50, 15, 20, 40)
    page = described(tmp_path, alto_xml(ONE_LINE.format(strings), namespace=ALTO_4))
    written = FORMATS["alto"].write_page(page, [Line("just_one", 0.5, 0.0)]).decode()
    assert 'CONTENT="just_one" HPOS="10" VPOS="15" WIDTH="60" HEIGHT="45"' in written


def test_words_are_written_one_by_one_only_where_no_two_strings_are_one_word(tmp_path):
    parts = '<String CONTENT="St"/><String CONTENT="."/><SP/><String CONTENT="Ulrich"/>'
    page = described(tmp_path, alto_xml(alto_line(1, LINES[0], parts)))
    again = described(tmp_path, FORMATS["alto"].write_page(page, [Line("der alte Mann", 0.5, 0.0)]).decode())
    assert again.lines[0].text == "der alte Mann"


@pytest.mark.parametrize("kind", ["page", "alto"])
def test_a_line_inside_of_a_line_is_named_and_neither_is_written_to(tmp_path, kind):
    if kind == "page":
        inner = page_line(2, LINES[1], page_equiv("inner"))
        xml = page_xml(page_line(1, LINES[0], page_equiv(f"outer{inner}")) + page_line(3, LINES[0], page_equiv("3")))
    else:
        inner = alto_line(2, LINES[1], '<String CONTENT="inner"/>')
        xml = alto_xml(alto_line(1, LINES[0], inner) + alto_line(3, LINES[0], '<String CONTENT="3"/>'))
    page = described(tmp_path, xml)
    assert sorted(line.id for line in page.lines if line.problem is not None) == ["l1", "l2"]
    readings = [Line("new", 0.5, 0.0) if line.problem is None else None for line in page.lines]
    written = FORMATS[kind].write_page(page, readings).decode()
    assert "inner" in written
    assert written.count("new") == 1


def test_too_many_points_are_the_lines_problem(tmp_path):
    many = " ".join(f"{i % 300},{i % 200}" for i in range(10_001))
    bad = page_line(1, LINES[0]).replace("<Coords points=", f'<Coords points="{many}" was=')
    first, second = described(tmp_path, page_xml(bad + page_line(2, LINES[1]))).lines
    assert "10,001 points" in first.problem
    assert second.problem is None
    assert np.isfinite(second.polygon).all()
