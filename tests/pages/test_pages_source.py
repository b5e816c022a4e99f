"""Folders of pages are sources of lines, for training, evaluation and compiling."""

import json
import pickle

import numpy as np
import pytest
from page_makers import alto_line, alto_xml, draw_page, make_folder, page_equiv, page_line, page_xml

from trocr_gsa.data import ImageError, compile_lines, open_source

TEXTS = [["abc def", "zweite Zeile"], ["drei", "vier"]]


@pytest.fixture(params=["page", "alto"])
def pages(request, tmp_path):
    return make_folder(tmp_path / "pages", request.param, TEXTS, [3.0, 90.0], transcribed=True)


def test_every_line_comes_in_order_with_text_page_and_angle(pages):
    lines = open_source(pages)
    assert [(line.text, line.angle, line.document) for line in lines] == [
        ("abc def", 0, "0001.xml"),
        ("zweite Zeile", 90, "0001.xml"),
        ("drei", 0, "0002.xml"),
        ("vier", 90, "0002.xml"),
    ]
    assert [line.image.size for line in lines] == lines.sizes()
    assert [line.name for line in lines][:2] == ["0001.xml: line l1", "0001.xml: line l2"]
    assert lines.problems == []


def test_one_file_and_a_split_are_sources_too(pages, tmp_path):
    assert [line.text for line in open_source(pages / "0002.xml")] == TEXTS[1]
    pages.rename(tmp_path / "train")
    assert len(open_source(tmp_path, "train")) == 4


def test_a_source_travels_to_other_processes_without_its_pictures(pages):
    lines = open_source(pages)
    before = lines[1]
    size = len(pickle.dumps(lines))
    assert size < 20_000
    assert pickle.loads(pickle.dumps(lines))[1].image.tobytes() == before.image.tobytes()


def test_a_page_is_decoded_once_while_its_lines_are_read_in_order(pages, monkeypatch):
    from trocr_gsa.data.pages import page_pictures

    loaded, load_image = [], page_pictures.load_image
    monkeypatch.setattr(page_pictures, "load_image", lambda *words: loaded.append(words) or load_image(*words))
    list(open_source(pages))
    assert len(loaded) == 2


def test_lines_that_cannot_be_learnt_from_are_named_and_the_others_kept(tmp_path):
    image, lines = draw_page(["one", "two", "three"])
    image.save(tmp_path / "a.png")
    points = 'points="1,1 2,2"'
    bad = f'<TextLine id="two points"><Coords {points}/>{page_equiv("x")}</TextLine>'
    gone = page_xml(page_line(1, lines[0], page_equiv("no picture")), "gone.png")
    body = (
        page_line(1, lines[0], page_equiv("one"))
        + bad
        + page_line(3, lines[2], page_equiv("&#x200b; &#xfeff;"))
        + page_line(4, lines[2], page_equiv("4"))
    )
    (tmp_path / "a.xml").write_text(page_xml(body, "a.png"))
    (tmp_path / "b.xml").write_text(gone)
    (tmp_path / "c.xml").write_text("<html/>")
    (tmp_path / "mets.xml").write_text("<mets/>")
    source = open_source(tmp_path)
    assert [line.text for line in source] == ["one", "4"]
    named = [
        "a.xml: line two points: a polygon",
        "a.xml: line l3: the text is empty",
        "b.xml: there is no picture",
        "c.xml: is",
    ]
    assert len(source.problems) == len(named)
    for problem, start in zip(source.problems, named, strict=True):
        assert problem.startswith(start)


def test_a_folder_without_a_usable_line_says_why(tmp_path):
    make_folder(tmp_path, "page", [["one"]])
    with pytest.raises(ValueError, match=r"no line that can be used\. First problem: 0001\.xml: line l1: the text is"):
        open_source(tmp_path)


def test_a_picture_that_disappears_is_a_damaged_line(pages):
    lines = open_source(pages)
    (pages / "0001.png").unlink()
    with pytest.raises(ImageError, match=r"0001\.xml: 0001\.png: no such file"):
        lines[0]
    assert lines[2].text == "drei"


@pytest.mark.parametrize(("text", "angle"), [("abc", 180), ("אבג דה", 0), ("مرحبا", 0)])
def test_right_to_left_writing_is_not_upside_down(tmp_path, text, angle):
    image, (line,) = draw_page(["abc"])
    image.save(tmp_path / "0001.png")
    line.baseline = line.baseline[::-1]
    (tmp_path / "0001.xml").write_text(page_xml(page_line(1, line, page_equiv(text))), encoding="utf-8")
    assert open_source(tmp_path)[0].angle == angle


def test_compiled_pages_are_the_same_lines(pages, tmp_path):
    report = compile_lines(open_source(pages), tmp_path / "lines.parquet")
    compiled = open_source(report.path)
    assert [(line.text, line.angle, line.document) for line in compiled] == [
        (line.text, line.angle, line.document) for line in open_source(pages)
    ]


def test_evaluate_measures_on_pages(call, pages, tmp_path):
    result = call("evaluate", pages, "--angles", "0", "--json", tmp_path / "numbers.json")
    assert result.exit_code == 0, result.stderr
    (row,) = json.loads((tmp_path / "numbers.json").read_text())["rows"]
    assert row["lines"] == 4


def test_a_folder_of_both_kinds_is_read(tmp_path):
    make_folder(tmp_path, "page", [["one"]], transcribed=True)
    image, lines = draw_page(["two"])
    image.save(tmp_path / "b.png")
    (tmp_path / "b.xml").write_text(alto_xml(alto_line(1, lines[0], '<String CONTENT="two"/>'), "b.png"))
    assert [line.text for line in open_source(tmp_path)] == ["one", "two"]


def test_pictures_that_several_files_describe_are_told(tmp_path):
    make_folder(tmp_path, "page", [["one"], ["two"], ["three"]], transcribed=True)
    assert open_source(tmp_path).notes == []
    for number, copy in ((1, "backup/0001.xml"), (1, "0001 (2).xml"), (3, "backup/0003.xml")):
        (tmp_path / copy).parent.mkdir(exist_ok=True)
        (tmp_path / copy).write_bytes((tmp_path / f"000{number}.xml").read_bytes())
    source = open_source(tmp_path)
    assert len(source) == 6
    (note,) = source.notes
    assert note.startswith("2 images are each described by several files (the first by 0001 (2).xml and 0001.xml and b")


@pytest.mark.parametrize(("backward", "is_told"), [(2, True), (1, False), (0, False)])
def test_pages_whose_baselines_run_backwards_are_told(tmp_path, backward, is_told):
    image, drawn = draw_page(["one", "two", "three"])
    image.save(tmp_path / "0001.png")
    for line in drawn[:backward]:
        line.baseline = line.baseline[::-1]
    lines = "".join(page_line(i, line, page_equiv(line.text)) for i, line in enumerate(drawn))
    (tmp_path / "0001.xml").write_text(page_xml(lines))
    image.save(tmp_path / "0002.png")
    (tmp_path / "0002.xml").write_text(page_xml(page_line(1, draw_page(["one"])[1][0], page_equiv("one")), "0002.png"))
    source = open_source(tmp_path)
    assert len(source) == 4
    assert source.problems == []
    told = "on 1 pages most baselines run from right to left (0001.xml): these lines are taken to be upside down"
    assert [note.startswith(told) for note in source.notes] == [True] * is_told


def test_characters_that_nobody_sees_are_told_once_for_all_pages(tmp_path, call):
    make_folder(tmp_path, "page", [["a\u200bb", "plain"], ["\ufeffc", "d\ufffd"]], transcribed=True)
    (note,) = open_source(tmp_path).notes
    assert "in 3 lines, the first of which is 0001.xml: line l1: U+200B ZERO WIDTH SPACE (1), " in note
    result = call("compile", tmp_path, tmp_path / "lines.parquet")
    assert (result.exit_code, result.stderr) == (0, f"note: {note}\n")


def test_lines_that_cover_their_page_many_times_over_are_not_cut(tmp_path, monkeypatch):
    monkeypatch.setattr("trocr_gsa.data.pages.page_lines.MIN_PAGE_PIXELS", 0)
    image, (line,) = draw_page(["one"])
    image.save(tmp_path / "0001.png")
    line.polygon = np.array([[0, 0], [400, 0], [400, 300], [0, 300]])
    lines = "".join(page_line(i, line, page_equiv("x")) for i in range(14))
    (tmp_path / "0001.xml").write_text(page_xml(lines))
    source = open_source(tmp_path)
    assert len(source) == 9
    assert [problem.split(": ")[2][:22] for problem in source.problems] == ["the page's other lines"] * 5


@pytest.mark.parametrize("baseline", [[[0, 20], [400, 20]], [[0, 20], [200, 30], [400, 20]]], ids=["straight", "bent"])
def test_lines_that_have_far_too_many_points_together_are_not_cut(tmp_path, baseline, monkeypatch):
    monkeypatch.setattr("trocr_gsa.data.pages.page_lines.MIN_PAGE_PIXELS", 0)
    image, (line,) = draw_page(["one"])
    image.save(tmp_path / "0001.png")
    line.baseline = np.array(baseline)
    line.polygon = np.array([[i % 2 * (999 - i) // 25, 10 + i % 20] for i in range(999)])
    lines = "".join(page_line(i, line, page_equiv("x")) for i in range(12))
    (tmp_path / "0001.xml").write_text(page_xml(lines))
    source = open_source(tmp_path)
    assert 2 < len(source) < 8
    assert len(source) + len(source.problems) == 12
    assert all("or have far too many points" in problem for problem in source.problems)
