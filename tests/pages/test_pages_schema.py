"""What is written of a PAGE file is valid by the official schema."""

from pathlib import Path

import pytest
from lxml import etree
from page_makers import draw_page, page_equiv, page_line, page_xml

from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.line import Line
from trocr_gsa.data.pages import PageFile

SCHEMA = Path(__file__).parent / "schemas" / "pagecontent-2019-07-15.xsd"
_, LINES = draw_page(["one", "two"])
WORD = '<Word id="w{0}"><Coords points="0,0 9,0 9,9"/>{1}<TextStyle/></Word>'
GLYPH = f'<Glyph id="g1"><Coords points="0,0 9,0 9,9"/>{page_equiv("g")}</Glyph>'
BEHIND = (
    "\n        <TextStyle/>\n        <UserDefined><UserAttribute name='a' value='b'/></UserDefined>"
    "\n        <Labels><Label value='x'/></Labels>"
)


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMA))


@pytest.mark.parametrize("region_text", ["", page_equiv("old", ' conf="0.4"') + "<TextStyle/>"])
@pytest.mark.parametrize(
    "inside",
    [
        "",
        BEHIND,
        page_equiv("old") + BEHIND,
        "\n        <TextEquiv><PlainText>o</PlainText><Unicode/></TextEquiv>" + BEHIND,
        WORD.format(1, GLYPH + page_equiv("old")) + WORD.format(2, page_equiv("er")) + page_equiv("old er") + BEHIND,
    ],
)
def test_what_is_filled_in_stands_where_the_schema_wants_it(tmp_path, schema, inside, region_text):
    path = tmp_path / "0001.xml"
    path.write_text(page_xml(page_line(1, LINES[0], inside) + page_line(2, LINES[1]) + region_text), encoding="utf-8")
    schema.assertValid(etree.parse(path))
    for text in ("", "one", "two words", "three words then"):
        page = PageFile(path, tmp_path, path.name).read()
        assert page is not None
        filled = FORMATS["page"].write_page(page, [Line(text, 0.25, 90.0)] * 2)
        schema.assertValid(etree.fromstring(filled))


def test_a_text_behind_its_style_would_not_be_valid(schema):
    """The control."""
    wrong = page_xml(page_line(1, LINES[0], "<TextStyle/>" + page_equiv("text")))
    assert not schema.validate(etree.fromstring(wrong.encode()))
