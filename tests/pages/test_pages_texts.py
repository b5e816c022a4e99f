"""Which of the texts that a file holds is a line's: its own, its words', its glyphs'; with one hyphen at its end."""

import pytest
from page_makers import alto_line, alto_xml, draw_page, page_equiv, page_line, page_xml
from test_pages_described import described

_, LINES = draw_page(["one"])
THOUSANDS = "9" * 5000


def equiv(text: str, more: str = "") -> str:
    return f"<TextEquiv{more}><Unicode>{text}</Unicode></TextEquiv>"


def word(inside: str) -> str:
    return f"<Word id='w'><Coords points='0,0 9,0 9,9'/>{inside}</Word>"


def glyphs(text: str, own: str = "") -> str:
    return word("".join(f"<Glyph id='g'>{equiv(letter)}</Glyph>" for letter in text) + own)


def text_of(folder, equivs: str) -> str:
    (line,) = described(folder, page_xml(page_line(1, LINES[0], equivs))).lines
    return line.text


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        (["1", "0", "2"], 1),
        ([None, "0"], 1),
        (["0", None], 0),
        (["1", None], 1),
        ([None, None], 0),
        (["2", "1"], 1),
        (["10", "9"], 1),
        (["00", "0"], 0),
        (["x", "1"], 0),
        (["-1", "0"], 1),
        (["", "0"], 1),
        ([THOUSANDS, "3"], 1),
        ([THOUSANDS, None], 1),
        (["٣", "2"], 1),
    ],
)
def test_the_lowest_index_wins_and_an_explicit_0_over_none(tmp_path, indices, expected):
    equivs = [page_equiv(f"text {i}", "" if index is None else f' index="{index}"') for i, index in enumerate(indices)]
    assert text_of(tmp_path, "".join(equivs)) == f"text {expected}"


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (word(equiv("two")) + word(equiv("words")), "two words"),
        (word(equiv("two")) + word(equiv("words")) + equiv(""), "two words"),
        (word(equiv("two")) + word(equiv("words")) + equiv(" \n "), "two words"),
        (word(equiv("two")) + equiv("own"), "own"),
        (glyphs("by") + glyphs("glyph"), "by glyph"),
        (glyphs("by", equiv("")) + word(equiv("word")) + equiv(""), "by word"),
        (glyphs("xx", equiv("by")) + word(""), "by"),
        (word(equiv("")) + equiv("", " index='0'") + equiv("other", " index='1'"), ""),
        (equiv("", " index='0'") + word(equiv("word")), "word"),
        (word(equiv("two")) + equiv("\ufeff \u200b"), "two"),
        (equiv("", " index='0'") + equiv("plain"), "plain"),
        (word(equiv("word")) + equiv("", " index='0'") + equiv("plain"), "plain"),
        (equiv("", " index='0'") + equiv("", " index='x'") + equiv("plain"), "plain"),
        (equiv("") + equiv("second"), "second"),
        (equiv("", " index='0'") + equiv("other", " index='1'"), ""),
        (equiv("first", " index='0'") + equiv("plain"), "first"),
        ("<TextEquiv/>" + word(equiv("word")), "word"),
        ("", ""),
    ],
)
def test_an_empty_level_falls_through_to_words_and_then_to_glyphs(tmp_path, inside, expected):
    assert text_of(tmp_path, inside) == expected


@pytest.mark.parametrize(
    ("strings", "expected"),
    [
        ('<String CONTENT="Ge"/><HYP CONTENT="-"/>', "Ge-"),
        ('<String CONTENT="Ge-"/><HYP CONTENT="-"/>', "Ge-"),
        ('<String CONTENT="Ge¬"/><HYP CONTENT="-"/>', "Ge¬"),
        ('<String CONTENT="Ge⸗"/><HYP CONTENT="⸗"/>', "Ge⸗"),
        ('<String CONTENT="Ge="/><HYP CONTENT="="/>', "Ge="),
        ('<String CONTENT="Ge"/><HYP CONTENT="¬"/>', "Ge¬"),
        ('<String CONTENT="Ge"/><HYP CONTENT="&#xAD;"/>', "Ge-"),
        ('<String CONTENT="Ge&#xAD;"/><HYP CONTENT="&#xAD;"/>', "Ge-"),
        ('<String CONTENT="Ge-&#xAD;"/><HYP CONTENT="-"/>', "Ge-"),
        ('<String CONTENT="Ge&#xAD;"/>', "Ge-"),
        ('<String CONTENT="Ge"/><HYP WIDTH="3"/>', "Ge-"),
        ('<String CONTENT="Ge"/><HYP CONTENT=" "/>', "Ge-"),
        ('<String CONTENT="Ge-"/>', "Ge-"),
        ('<String CONTENT="so"/><SP/><String CONTENT="ge" SUBS_TYPE="HypPart1" SUBS_CONTENT="gehen"/><HYP/>', "so ge-"),
        ('<String CONTENT="St"/><String CONTENT="."/><SP/><String CONTENT="Ulrich"/>', "St. Ulrich"),
        ('<String CONTENT="zwei"/><String CONTENT="Worte"/>', "zwei Worte"),
        ('<SP/><String CONTENT="a"/><SP/><SP/><String CONTENT=""/><SP/><String CONTENT="b"/><SP/>', "a b"),
        ('<String CONTENT=""><Glyph CONTENT="o"/><Glyph CONTENT="b"/></String>', "ob"),
        ('<String><Glyph CONTENT="o"/></String><SP/><String CONTENT="b"/>', "o b"),
        ("", ""),
    ],
)
def test_a_line_of_alto_is_its_words_and_one_hyphen(tmp_path, strings, expected):
    (line,) = described(tmp_path, alto_xml(alto_line(1, LINES[0], strings))).lines
    assert line.text == expected
