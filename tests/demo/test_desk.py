"""What is read and drawn, without a page around it."""

import base64
import html
import json
import math
import re
import shutil
from typing import cast

import pytest
import torch
from page_makers import draw_page
from PIL import Image
from segmenter_makers import blackened, put_stand_in
from slow_cases import others_slow
from tiny_checkpoint import draw_line

from trocr_gsa.data.line import FIELDS, Line
from trocr_gsa.data.pages import Page
from trocr_gsa.demo import Desk
from trocr_gsa.demo.dropped_pages import DroppedPage, count_dropped
from trocr_gsa.demo.examples import LINES, draw_examples
from trocr_gsa.demo.overlays import draw_looking, levelled
from trocr_gsa.metrics.error_rates import count_character_errors
from trocr_gsa.reader import LetterPlaces, LineReader


def downloads(facts: str) -> dict[str, str]:
    links = re.findall(r'download="([^"]+)" href="data:[^,]+,([^"]+)"', facts)
    return {html.unescape(name): base64.b64decode(content).decode() for name, content in links}


def letters(looking: str) -> list[str]:
    return [html.unescape(letter) for letter in re.findall(r"<text[^>]*>([^<]*)</text>", looking)]


@pytest.mark.parametrize("turn", [90, 180, 270, 360])
def test_the_text_stays_while_the_picture_turns(desk, picture, turn):
    text, facts, looking = desk.read(str(picture), 0)
    lying = json.loads(downloads(facts)["a line.json"])["orientation"]
    turned_text, turned_facts, turned_looking = desk.read(str(picture), turn)
    assert text
    assert turned_text == text
    assert json.loads(downloads(turned_facts)["a line.json"])["orientation"] == (lying + turn) % 360
    assert letters(turned_looking) == letters(looking)


def test_the_downloads_hold_what_was_read(desk, picture):
    text, facts, _ = desk.read(str(picture), 0, "fr")
    found = downloads(facts)
    assert found["a line.txt"] == f"{text}\n"
    fields = json.loads(found["a line.json"])
    assert tuple(fields) == FIELDS
    assert (fields["source"], fields["text"], fields["adapter"]) == ("a line.png", text, "fr")


def test_every_adapter_reads_with_its_own_weights(desk, picture):
    assert desk.choices == ["none", "fr", "de"]
    assert len({desk.read(str(picture), 0, adapter)[0] for adapter in desk.choices}) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"%PDF-1.7 no picture", "not a picture that Pillow can read"),
    ],
)
def test_a_file_that_is_no_picture_is_said_to_be_none(desk, tmp_path, content, message):
    path = tmp_path / "scan <1>.png"
    path.write_bytes(content)
    text, facts, looking = desk.read(str(path), 0)
    assert text == ""
    assert f"scan &lt;1&gt;.png: {message}" in facts
    assert "<image" not in looking


PAGE = ["many lines of text"] * 8


def put_page(folder, kind):
    path = folder / f"page <1>.{kind}"
    draw_page(PAGE)[0].save(path)
    return str(path)


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_a_page_is_read_line_by_line_where_kraken_is(desk, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("PATH", str(put_stand_in(tmp_path / "bin").parent), prepend=":")
    text, facts, looking = desk.read(put_page(tmp_path, kind), 0)
    assert len(text.split("\n")) == len(PAGE)
    assert f"<b>{len(PAGE)}</b> lines" in facts
    assert ("page 1 of 1" in facts) == (kind == "pdf")
    assert downloads(facts)["page <1>.txt"] == f"{text}\n"
    assert looking.count('<polygon class="outline"') == len(PAGE)


@pytest.mark.parametrize(
    "case", others_slow([(1, 1), (2, 2), (3, 3), (9, 3), (0, 1), (None, 1)], (2, 2), (9, 3), (None, 1))
)
def test_any_page_of_a_pdf_is_read_and_named(desk, tmp_path, monkeypatch, case):
    asked, shown = case
    monkeypatch.setenv("PATH", str(put_stand_in(tmp_path / "bin").parent), prepend=":")
    pages = [draw_page(PAGE[:count])[0] for count in (1, 2, 3)]
    pages[0].save(tmp_path / "book.pdf", save_all=True, append_images=pages[1:])
    _, facts, looking = desk.read(str(tmp_path / "book.pdf"), 0, page=asked)
    assert f"page {shown} of 3" in facts
    assert looking.count('<polygon class="outline"') == shown  # page 2 has two lines
    assert count_dropped(str(tmp_path / "book.pdf")) == 3


def test_a_page_of_a_tiff_is_read_as_a_line(desk, picture, tmp_path):
    line = Image.open(picture)
    draw_line("gh").save(tmp_path / "two.tif", save_all=True, append_images=[line])
    text, facts, _ = desk.read(str(tmp_path / "two.tif"), 0, page=2)
    assert text == desk.read(str(picture), 0)[0]
    assert "page 2 of 2" in facts


def test_a_picture_a_missing_file_and_a_damaged_pdf_count_as_one_page(picture, tmp_path):
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    files = [str(picture), None, str(tmp_path / "missing.png"), str(tmp_path / "broken.pdf")]
    assert [count_dropped(file) for file in files] == [1, 1, 1, 1]


def test_an_empty_line_of_a_page_leaves_the_mean_confidence_of_the_others():
    page = cast(Page, None)  # confidences are those of the lines alone
    lines = [Line("a", 0.5, 0.0), Line.empty("b"), None, Line("c", 0.25, 0.0)]
    assert DroppedPage(page, lines).confidence == 0.375
    assert math.isnan(DroppedPage(page, [Line.empty("b"), None]).confidence)


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_without_kraken_a_page_is_shown_with_what_is_missing(desk, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    text, facts, looking = desk.read(put_page(tmp_path, kind), 0)
    assert text == ""
    assert "pipx install kraken" in facts
    assert "<image" in looking
    assert "<polygon" not in looking


def test_a_page_without_lines_and_a_damaged_pdf_are_named(desk, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(put_stand_in(tmp_path / "bin").parent), prepend=":")
    path = tmp_path / "broken.pdf"
    path.write_bytes(b"%PDF-1.7 nothing")
    assert "broken.pdf: is not a PDF" in desk.read(str(path), 0)[1]
    blackened(draw_page(PAGE)[0]).save(tmp_path / "black.pdf")  # at which the stand-in stops
    assert "black.pdf: kraken found no layout" in desk.read(str(tmp_path / "black.pdf"), 0)[1]


def test_a_line_that_is_too_long_is_shown_with_the_readers_words(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    draw_line("long", 900).save(tmp_path / "line.png")
    text, facts, looking = desk.read(str(tmp_path / "line.png"), 0)
    assert text == ""
    assert "line.png: 900 × 20 pixels" in facts
    assert "Is it one line of text? Cut it." in facts
    assert "<image" in looking


def test_an_empty_desk_is_no_mistake(desk):
    text, facts, looking = desk.read(None, 90)
    assert (text, facts) == ("", "")
    assert "<image" not in looking


def test_letters_cannot_bring_html_of_their_own():
    corners = torch.tensor([[[0.0, 0], [8, 0], [8, 8], [0, 8]]]).double()
    places = LetterPlaces(("<", "&"), corners, torch.ones(2, 1).double())
    assert letters(draw_looking(Image.new("L", (8, 8)), places, 0)) == ["<", "&"]
    assert "&lt;</text>" in draw_looking(Image.new("L", (8, 8)), places, 0)


def test_places_are_put_upright_with_the_picture():
    """A point right of the middle hangs above it when the page is turned by 90° counter-clockwise."""
    right = torch.tensor([[80.0, 10.0]], dtype=torch.float64)
    above = torch.tensor([[10.0, 20.0]], dtype=torch.float64)
    assert torch.allclose(levelled(above, 90, (20, 100), (100, 20)), right)
    assert torch.allclose(levelled(right, 0, (100, 20), (100, 20)), right)


@pytest.mark.parametrize("turn", [37, 163, 300])
def test_a_tilted_line_is_read_and_its_patches_are_drawn(tmp_path, turn):
    file = draw_examples(tmp_path)[0]
    desk = Desk(LineReader.from_pretrained(device="cpu"))
    text, facts, looking = desk.read(str(file), turn)
    assert text == LINES[0][0]
    assert "problem" not in facts
    assert looking.count("<polygon") > len(text)


def test_the_packaged_reader_reads_the_examples(tmp_path):
    files = draw_examples(tmp_path)
    read = LineReader.from_pretrained(device="cpu").read(files)
    assert [line.orientation for line in read] == [angle for _, angle in LINES]
    for line, (text, _) in zip(read, LINES, strict=True):
        assert count_character_errors(text, line.text).errors <= 2
