"""The page: whole, by itself, safe against what stands in its data, and there whatever the data lack."""

import base64
import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from fake_readings import ABOUT, make_reading
from PIL import Image

from trocr_gsa.evaluation.report import About
from trocr_gsa.evaluation.report.figures import Curve, axis, bar, calibration, polar
from trocr_gsa.evaluation.report.html import letter, render_report, shown, write_report
from trocr_gsa.evaluation.report.statistics import Rate, Trust
from trocr_gsa.evaluation.report.worst import PictureBudget, worst_lines
from trocr_gsa.metrics.confidence import Bin
from trocr_gsa.metrics.error_rates import align_characters

READ = [("ſein Wort", "fein Wor t"), ("zum Anfang", "zum Anfang"), ("abc", "xyz")]
VOID = {"meta", "img"}


class Page(HTMLParser):
    """Every tag with its attributes, every text; complains where tags do not close as they open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self._open = [], [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, self.getpos()

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def page(*sets, about=ABOUT):
    return Page(render_report({"the model alone": sets}, about))


def test_the_page_holds_every_part_and_its_numbers():
    found = page(make_reading(READ, angles=(0.0, 90.0, 180.0, 270.0), documents=["a", "b", "b"]))
    for part in ("At a glance", "Sets", "Documents", "Letters", "Worst lines", "What was measured, and what was not"):
        assert part in found.text
    for number in ("22.7 %", "my_model", "trocr-gsa evaluate lines", "ſ", "Documents of lines, the worst first"):
        assert number in found.text
    assert len(found.all("img")) == 2


def test_the_page_asks_the_network_for_nothing_and_forbids_scripts():
    found = page(make_reading(READ))
    policy = next(
        each["content"] for each in found.all("meta") if "content-security" in each.get("http-equiv", "").lower()
    )
    assert policy.startswith("default-src 'none'")
    assert found.all("script") == found.all("link") == found.all("iframe") == []
    for _, attributes in found.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/jpeg;base64,"))
    style = "".join(found.words)
    assert "url(" not in style
    assert "@import" not in style


def test_tables_have_captions_and_heads_and_pictures_have_words():
    found = page(make_reading(READ, documents=["a", "b", "b"]))
    assert len(found.all("caption")) == len(found.all("table")) > 4
    assert all(head["scope"] in ("col", "row") for head in found.all("th"))
    assert all(image["alt"] for image in found.all("img"))
    for drawing in found.all("svg"):
        assert drawing.get("aria-hidden") == "true" or (drawing["role"] == "img" and drawing["aria-label"])


EVIL = "<script>alert(1)</script> & \"quoted\" 'so' </svg></style> {{ 7 * 6 }} <img src=x onerror=alert(2)>"


def test_html_and_scripts_in_the_data_are_shown_not_run():
    about = About(EVIL, EVIL, EVIL, (0.0,), 1.0, {EVIL: EVIL}, {EVIL: EVIL}, [EVIL])
    reading = make_reading([(EVIL, EVIL[::-1]), (EVIL, EVIL)], documents=[EVIL, "b"], name=EVIL)
    for sample in reading.samples:
        object.__setattr__(sample, "name", EVIL)
    text = render_report({EVIL: [reading], EVIL + "2": [reading]}, about)
    found = Page(text)
    assert found.all("script") == []
    assert all(image["src"].startswith("data:") for image in found.all("img"))
    assert "<script" not in text
    assert "42" not in found.all("title")
    assert EVIL.split(" & ")[0] in found.text
    assert "{{ 7 * 6 }}" in found.text


@pytest.mark.parametrize(
    "reading",
    [
        make_reading([("abc", "abc")]),
        make_reading([("abc", "abc"), ("abc", "abc")], angles=(0.0, 45.0), confidences=[1.0, 1.0]),
        make_reading([("", ""), ("", "x")], confidences=[0.0, 0.0]),
        make_reading([("abc", ""), ("abc", "zzzzzzzzzzzz")]),
        make_reading([("abc", "abd"), ("abc", "abc")], documents=[None, None]),
        make_reading([("a" * 20_000, "b" * 20_000)], size=(9000, 12)),
        make_reading([("abc", "x")], size=(10, 900)),
        make_reading([("abc", "x")], size=(2, 2)),
    ],
    ids=["one line", "no errors", "empty references", "all wrong", "no documents", "very long", "upright", "tiny"],
)
def test_a_page_comes_of_whatever_was_measured(reading):
    found = page(reading)
    assert "nan" not in found.text.lower().split()
    assert not re.search(r"\b(nan|inf)\b", " ".join(str(value) for _, each in found.tags for value in each.values()))
    if not reading.names_documents:
        assert "lines names no documents." in found.text


def test_a_line_read_right_is_not_among_the_worst():
    assert "Every line was read without an error." in page(make_reading([("abc", "abc")])).text
    worst = worst_lines([make_reading(READ, angles=(0.0, 90.0))], PictureBudget())
    assert [each.line.sample.text for each in worst] == ["abc", "ſein Wort"]
    assert all(each.angles == [0.0, 90.0] for each in worst)


def test_pictures_are_small_upright_and_end_where_the_page_is_full():
    budget = PictureBudget()
    (line,) = worst_lines([make_reading([("abc", "x")], size=(4000, 100))], budget)
    picture = Image.open(io.BytesIO(base64.b64decode(line.picture.partition(",")[2])))
    assert picture.size == line.size == (1200, 30)
    assert budget.left == 4_000_000 - len(line.picture)
    two = make_reading([("abc", "x"), ("abc", "y")])
    room = len(worst_lines([two], PictureBudget())[0].picture)
    assert [each.picture is None for each in worst_lines([two], PictureBudget(room))] == [False, True]
    assert "The image is left out" not in page(two).text
    assert len(worst_lines([make_reading([("abc", "x")] * 40)], PictureBudget())) == 30


def test_a_text_too_long_to_show_says_how_much_there_is_more():
    kinds = list(shown(align_characters("a" * 700, "a" * 700), "reference"))
    assert kinds == [("same", "a" * 600), ("more", " … 100 more")]
    edits = align_characters("a" * 600 + "bbb" + "c" * 20, "a" * 600 + "xxx" + "c" * 20)
    assert list(shown(edits, "prediction")) == [("same", "a" * 600), ("more", " … 23 more")]
    edits = align_characters("ſein Wort", "fein Wor t")
    assert list(shown(edits, "reference")) == [("sub", "ſ"), ("same", "ein Wor"), ("same", "t")]
    assert list(shown(edits, "prediction")) == [("sub", "f"), ("same", "ein Wor"), ("ins", " "), ("same", "t")]


def test_letters_that_cannot_be_seen_are_made_visible():
    assert [letter(each) for each in (" ", "\u0305", "\u200b", "a", "")] == ["␣", "◌\u0305", "U+200B", "a", ""]


@pytest.mark.parametrize("count", [1, 2, 3, 36])
def test_the_circle_takes_any_number_of_angles(count):
    rates = [(360.0 * step / count, Rate(0.1, 0.05, 0.2)) for step in range(count)]
    drawing = ElementTree.fromstring(str(polar("CER", [Curve("a & b", rates), Curve("c", rates[:1])])))
    assert len(drawing.findall("circle[@class='curve c0']")) == count + 1  # and one in the legend
    assert len(drawing.findall("polygon")) == (count > 2)
    assert "10.0 % at 0°" in drawing.attrib["aria-label"]


def test_up_is_0_degrees_and_degrees_run_counter_clockwise():
    drawing = ElementTree.fromstring(str(polar("CER", [Curve("a", [(0.0, Rate(0.1)), (90.0, Rate(0.1))])])))
    up, left = [
        (float(each.attrib["cx"]), float(each.attrib["cy"])) for each in drawing.findall("circle[@class='curve c0']")
    ][:2]
    assert up == (180, 180 - 115)
    assert left == (180 - 115, 180)


@pytest.mark.parametrize("least", [0.0, 0.31, 0.95, 1.0])
def test_the_calibration_plot_is_square_with_equal_axes(least):
    trust = Trust([Bin(5, least, least, 1 - least), Bin(5, 1.0, 1.0, 0.0)], 0.0, 0.0, [])
    drawing = ElementTree.fromstring(str(calibration("Confidence", trust)))
    frame = drawing.find("rect[@class='frame']").attrib
    assert frame["width"] == frame["height"]
    ideal = {key: float(value) for key, value in drawing.find("line[@class='ideal']").attrib.items() if key != "class"}
    assert ideal["x2"] - ideal["x1"] == ideal["y1"] - ideal["y2"] == float(frame["width"])
    ticks = {kind: [each.text for each in drawing.findall(f"text[@class='tick {kind}']")] for kind in ("end", "middle")}
    assert ticks["middle"] == [*ticks["end"], "confidence"]
    assert 4 <= len(ticks["end"]) <= 6
    for each in drawing.findall("circle[@class='curve c0']")[:2]:  # a reader that is as good as it says
        x, y = float(each.attrib["cx"]) - ideal["x1"], ideal["y1"] - float(each.attrib["cy"])
        assert x == pytest.approx(y, abs=0.11)


@pytest.mark.parametrize(
    ("lowest", "highest", "labels"),
    [(0.0, 0.02, ["0 %", "1 %", "2 %"]), (-0.05, 0.05, ["-5 %", "0 %", "+5 %"]), (0.0, 5.0, ["0 %", "250 %", "500 %"])],
)
def test_dots_with_intervals_have_an_axis_with_numbers(lowest, highest, labels):
    above = ElementTree.fromstring(str(axis(highest, lowest)))
    assert [each.text for each in above.findall("text")] == labels
    middle = Rate((lowest + highest) / 2, lowest, highest)
    drawn = ElementTree.fromstring(str(bar(middle, highest, lowest)))
    assert above.attrib["width"] == drawn.attrib["width"]
    places = [each.attrib["x1"] for each in above.findall("line")]
    assert places == [each.attrib["x1"] for each in drawn.findall("line[@class='axis']")]
    interval = drawn.find("line[@class='interval']").attrib
    assert [interval["x1"], drawn.find("circle").attrib["cx"], interval["x2"]] == places


def test_every_column_of_dots_has_an_axis():
    found = render_report({"a": [make_reading(READ)], "b": [make_reading(READ, documents=["a", "b", "b"])]}, ABOUT)
    for table in re.findall("<table>.*?</table>", found, re.DOTALL):
        head, _, body = table.partition("<tbody>")
        (row,) = re.findall("<tr>.*?</tr>", body, re.DOTALL)[:1]
        columns = [[kind.count('class="bar"') for kind in part] for part in ([head], [row])]
        assert columns[0] == columns[1] or "difference" in head  # the first reader has no difference
        assert head.count("<text") == 3 * head.count('class="bar"')


def test_readers_stand_side_by_side_with_their_difference():
    sets = {
        "the model alone": [make_reading([("abcd", "abxx"), ("abcd", "abxx")], documents=["a", "b"])],
        "fr": [make_reading([("abcd", "abcd"), ("abcd", "abcx")], documents=["a", "b"])],
        "de": [make_reading([("abcd", "xxxx"), ("abcd", "abxx")], documents=["a", "b"])],
    }
    found = Page(render_report(sets, ABOUT))
    for words in ("Side by side", "-37.5", "-50.0 … -25.0 better", "+25.0", "no clear difference"):
        assert words in found.text


def test_nothing_measured_is_refused():
    with pytest.raises(ValueError, match="`readings` are empty"):
        render_report({}, ABOUT)


def test_a_name_that_is_no_text_spoils_no_page(tmp_path):
    reading = make_reading(READ, documents=["\udcff", "b", "b"])
    write_report(tmp_path / "page.html", {"the model alone": [reading]}, ABOUT)
    assert "\\udcff" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_page_is_written_as_utf8(tmp_path):
    write_report(tmp_path / "page.html", {"the model alone": [make_reading(READ)]}, ABOUT)
    assert "ſ" in (tmp_path / "page.html").read_text(encoding="utf-8")
