"""`trocr-gsa read` on pages: what comes out, what goes on after an interruption, and the exit code."""

import csv
import io
import json
import re

import numpy as np
import pytest
from lxml import etree
from page_makers import SIZE, draw_page, make_folder, page_line, page_xml
from slow_cases import others_slow
from stub_reader import StubReader

from trocr_gsa.data.pages import find_pages
from trocr_gsa.reader.pages import read_pages

TEXTS = [["abc def", "zweite Zeile", "hoch"], ["drei", "vier", "quer"]]
ANGLES = [3.0, 90.0, 180.0]


@pytest.fixture(params=others_slow(["page", "alto"], "page"))
def kind(request):
    return request.param


@pytest.fixture
def pages(kind, tmp_path):
    return make_folder(tmp_path / "pages", kind, TEXTS, ANGLES)


def texts_in(path) -> list[str]:
    root = etree.parse(path).getroot()
    return ["".join([*line.itertext("{*}Unicode"), *line.xpath(".//@CONTENT")]) for line in root.iter("{*}TextLine")]


def test_the_same_files_come_out_filled_in(call, pages, kind, tmp_path, page_reader):
    result = call("read", pages, "--format", kind, "--output-dir", tmp_path / "out", "--suffix", ".read.xml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    expected = [[r.text for r in page.readings if r] for page in read_pages(page_reader, find_pages(pages))]
    assert [len(texts) for texts in expected] == [3, 3]
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["0001.read.xml", "0002.read.xml"]
    for number in (1, 2):
        assert texts_in(tmp_path / "out" / f"000{number}.read.xml") == expected[number - 1]


def test_a_folder_is_read_as_the_pages_in_it_are(pages, page_reader):
    of_files = [[line.text for line in page.readings] for page in read_pages(page_reader, find_pages(pages))]
    for files in (pages, str(pages)):
        assert [[line.text for line in page.readings] for page in read_pages(page_reader, files)] == of_files
    (page,) = read_pages(page_reader, next(path for path in sorted(pages.iterdir()) if path.suffix == ".xml"))
    assert [line.text for line in page.readings] == of_files[0]


def test_lines_are_read_as_their_pictures_are(pages, page_reader, monkeypatch):
    # a standing line of this page touches the next one, whose ink tells it to be taller than its picture is
    monkeypatch.setattr("trocr_gsa.reader.preparation.prepared.trimming_box", lambda image: None)
    (page, _) = read_pages(page_reader, find_pages(pages))
    _, drawn = draw_page(TEXTS[0], ANGLES)
    upright = page_reader.read([line.upright for line in drawn])
    for reading, line, angle in zip(page.readings, upright, ANGLES, strict=True):
        if angle % 90 == 0:
            assert reading.orientation == (line.orientation + angle) % 360
        assert 0 <= reading.orientation < 360


def test_the_orientation_is_that_on_the_page(pages, page_reader):
    (page, _) = read_pages(page_reader, find_pages(pages), orientation={0.0: 1.0})
    assert page.readings[0].orientation == pytest.approx(3, abs=0.6)
    assert [reading.orientation for reading in page.readings[1:]] == [0, 0]


def test_windows_do_not_change_what_is_read(pages, page_reader, monkeypatch):
    def all_texts() -> list:
        return [(page.file.name, page.readings) for page in read_pages(page_reader, find_pages(pages))]

    once = all_texts()
    for window in (1, 2, 4):
        monkeypatch.setattr("trocr_gsa.reader.pages.WINDOW", window)
        found = all_texts()
        assert [name for name, _ in found] == [name for name, _ in once]
        assert [[r.text for r in readings] for _, readings in found] == [[r.text for r in rs] for _, rs in once]


def test_text_jsonl_and_csv_go_to_the_screen_page_after_page(call, pages):
    text = call("read", pages).stdout.splitlines()
    rows = [json.loads(line) for line in call("read", pages, "--format", "jsonl").stdout.splitlines()]
    table = list(csv.DictReader(io.StringIO(call("read", pages, "--format", "csv").stdout)))
    assert len(text) == len(rows) == len(table) == 6
    assert [row["text"] for row in rows] == text == [row["text"] for row in table]
    assert [(row["source"], row["line"]) for row in rows][2:4] == [("0001.xml", "l3"), ("0002.xml", "l1")]


@pytest.mark.parametrize(
    ("format", "suffix"), [("hocr", ".hocr"), ("text", ".txt"), ("jsonl", ".jsonl"), ("csv", ".csv")]
)
def test_every_format_makes_a_file_of_a_page(call, pages, tmp_path, format, suffix):
    assert call("read", pages, "--format", format, "--output-dir", tmp_path / "out").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"0001{suffix}", f"0002{suffix}"]


def test_folders_inside_are_kept(call, pages, kind, tmp_path):
    (pages / "deep").mkdir()
    for path in list(pages.glob("0002.*")):
        path.rename(pages / "deep" / path.name)
    assert call("read", pages, "--format", kind, "--output-dir", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "deep" / "0002.xml").is_file()


def test_a_run_goes_on_where_it_was_interrupted(call, pages, kind, tmp_path, monkeypatch):
    words = ["read", pages, "--format", kind, "--output-dir", tmp_path / "out"]
    monkeypatch.setattr("trocr_gsa.reader.pages.WINDOW", 3)
    written = []

    def stop_at_the_second(path, content):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    with monkeypatch.context() as patch:
        patch.setattr("trocr_gsa.atomic.write_bytes", stop_at_the_second)
        call(*words)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0001.xml"]
    (tmp_path / "out" / "0001.xml").write_text("mine")
    result = call(*words)
    assert (result.exit_code, result.stderr) == (
        0,
        "already there and left as they are: 1 pages; --overwrite reads them again\n",
    )
    assert (tmp_path / "out" / "0001.xml").read_text() == "mine"
    assert (tmp_path / "out" / "0002.xml").is_file()
    assert call(*words, "--overwrite").exit_code == 0
    assert (tmp_path / "out" / "0001.xml").read_text() != "mine"


def test_outputs_among_the_pages_are_not_read_again(call, pages, kind):
    words = ["read", pages, "--format", kind, "--suffix", ".read.xml", "--output-dir"]
    for folder in (pages, pages / "out"):
        assert call(*words, folder).exit_code == 0
        files = sorted(pages.rglob("*.xml"))
        assert "2 pages" in call(*words, folder).stderr
        assert sorted(pages.rglob("*.xml")) == files


def test_pages_that_have_the_ending_of_the_output_are_read(call, pages, kind, tmp_path):
    for path in pages.glob("*.xml"):
        path.rename(path.with_suffix(".read.xml"))
    result = call("read", pages, "--format", kind, "--suffix", ".read.xml", "--output-dir", tmp_path / "out")
    assert result.exit_code == 0
    assert len(list((tmp_path / "out").glob("*.xml"))) == 2


def test_lines_that_are_not_sure_are_listed_and_left_as_they_are(call, pages, kind, tmp_path):
    words = ["read", pages, "--format", kind, "--output-dir", tmp_path / "out", "--min-confidence", "1"]
    result = call(*words)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 6
    assert re.match(r"left out: 0001\.xml: line l1: [\d.e-]+ sure, less than 1: ", result.stderr)
    assert (tmp_path / "out" / "0001.xml").read_bytes() == (pages / "0001.xml").read_bytes()


def test_bad_pages_and_lines_are_named_and_the_rest_is_read(call, tmp_path):
    folder = make_folder(tmp_path / "pages", "page", [["one", "two"]])
    _, lines = draw_page(["x", "y"])
    two_points = page_line(1, lines[0]).replace("<Coords points=", '<Coords points="1,1 2,2" was=')
    no_points = page_line(2, lines[1]).replace("<Coords points=", '<Coords points="hello" was=')
    nothing = '<TextLine id="l3"/>'
    outside = page_line(4, lines[0]).replace("<Coords points=", '<Coords points="900,1 990,1 990,30" was=')
    good = page_line(5, lines[1]).replace("<Baseline", "<Other")
    long = page_line(6, lines[0]).replace("<Coords points=", '<Coords points="0,9 399,9 399,14 0,14" was=')
    body = two_points + no_points + nothing + outside + good + long
    (folder / "2.xml").write_text(page_xml(body, "0001.png"))
    (folder / "3.xml").write_text(page_xml(page_line(1, lines[0]), "gone.png"))
    (folder / "4.xml").write_text(page_xml(page_line(1, lines[0]), "../../../etc/passwd"))
    (folder / "5.xml").write_text("<html/>")
    (folder / "6.xml").write_text("no xml")
    (folder / "7.xml").write_text(page_xml("", "0001.png"))
    (folder / "8.xml").write_text(page_xml(page_line(1, lines[0]), "0001.png", size=(SIZE[0], 900)))
    (folder / "9.png").write_bytes(b"no picture")
    (folder / "9.xml").write_text(page_xml(page_line(1, lines[0]), "9.png"))
    result = call("read", folder, "--format", "page", "--output-dir", tmp_path / "out")
    assert result.exit_code == 1
    starts = [
        "2.xml: line l1: a polygon needs 3", "2.xml: line l2: `Coords`", "2.xml: line l3: has neither polygon",
        "2.xml: line l4: lies outside", "2.xml: line l6: 399 × 5 pixels make", "3.xml: there is no picture",
        "4.xml: its picture", "5.xml: is neither",
        "6.xml: is not well-formed", "8.xml: describes a page of 400 × 900", "9.xml: 9.png: not a picture",
    ]  # fmt: skip
    messages = result.stderr.splitlines()
    (note,) = [message for message in messages if not message.startswith("left out")]
    assert note.startswith("note: 7.xml: has no lines, so nothing was read")
    messages.remove(note)
    assert len(messages) == len(starts)
    for message, start in zip(messages, starts, strict=True):
        assert message.startswith(f"left out: {start}")
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == ["0001.xml", "2.xml", "7.xml"]
    assert len(texts_in(tmp_path / "out" / "0001.xml")) == 2
    assert etree.parse(tmp_path / "out" / "2.xml").xpath("count(//*[local-name()='Unicode'])") == 1


@pytest.mark.parametrize("format", ["page", "text"])
def test_a_repeated_run_reports_again_what_was_left_out(call, tmp_path, format):
    folder = make_folder(tmp_path / "pages", "page", [["one", "two"], ["three"]])
    content = (folder / "0001.xml").read_text()
    (folder / "0001.xml").write_text(content.replace("<Baseline points=", '<Baseline points="hello" was=', 1))
    words = ["read", folder, "--format", format, "--output-dir", tmp_path / "out"]
    first = call(*words)
    assert (first.exit_code, first.stderr.count("left out: 0001.xml: line l1: ")) == (1, 1)
    again = call(*words)
    remark, *messages = again.stderr.splitlines()
    assert remark.startswith("already there and left as they are: 2 pages")
    assert (again.exit_code, messages) == (1, first.stderr.splitlines())
    (kept,) = (tmp_path / "out" / ".left_out").iterdir()
    kept.write_text("{")
    damaged = call(*words)
    assert (damaged.exit_code, f"{kept}, which holds what was left out, is damaged" in damaged.stderr) == (1, True)
    make_folder(folder, "page", [["one", "two"], ["three"]])
    assert (call(*words, "--overwrite").exit_code, call(*words).exit_code) == (0, 0)


def test_a_page_that_disappears_is_named(call, pages, kind, tmp_path, monkeypatch):
    from trocr_gsa.data.pages import PageFile

    read = PageFile.read

    def disappearing(file):
        if file.name == "0001.xml":
            file.path.unlink()
        return read(file)

    monkeypatch.setattr(PageFile, "read", disappearing)
    result = call("read", pages, "--format", kind, "--output-dir", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.startswith("left out: 0001.xml: cannot be read (No such file")
    assert (tmp_path / "out" / "0002.xml").is_file()


def test_a_page_of_the_other_kind_is_converted_and_filled_in(call, pages, kind, tmp_path):
    other = {"page": "alto", "alto": "page"}[kind]
    rows = call("read", pages, "--format", "jsonl").stdout.splitlines()
    expected = [(row["source"], row["line"], row["text"], row["confidence"]) for row in map(json.loads, rows)]
    result = call("read", pages, "--format", other, "--output-dir", tmp_path / "out")
    assert (result.exit_code, result.stderr) == (0, "")
    found = []
    for path in sorted((tmp_path / "out").glob("*.xml")):
        for line in etree.parse(path).iter("{*}TextLine"):
            if other == "page":
                equiv = line.find("{*}TextEquiv")
                found.append((path.name, line.get("id"), equiv.findtext("{*}Unicode") or "", float(equiv.get("conf"))))
            else:
                (string,) = line.findall("{*}String")
                found.append((path.name, line.get("ID"), string.get("CONTENT"), float(string.get("WC"))))
    assert found == expected


def test_lines_that_wait_to_be_read_are_bounded_by_their_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr("trocr_gsa.reader.pages.PIXELS", 3 * 400 * 300)
    image, (line,) = draw_page(["one"])
    image.save(tmp_path / "0001.png")
    line.polygon = np.array([[0, 0], [400, 0], [400, 300], [0, 300]])
    (tmp_path / "0001.xml").write_text(page_xml("".join(page_line(i, line) for i in range(10))))
    reader = StubReader()
    (page,) = read_pages(reader, find_pages(tmp_path))
    assert [len(sizes) for sizes in reader.handed] == [3, 3, 3, 1]
    assert sum(reading is not None for reading in page.readings) == 10


@pytest.mark.slow
def test_a_page_of_ten_thousand_lines_is_read(tmp_path, page_reader, monkeypatch):
    from trocr_gsa.reader import Line

    monkeypatch.setattr(type(page_reader), "read", lambda *words, **_: [Line("x", 1.0, 0.0, "")] * len(words[1]))
    image, lines = draw_page(["one"])
    image.save(tmp_path / "0001.png")
    (tmp_path / "0001.xml").write_text(page_xml("\n".join(page_line(i, lines[0]) for i in range(10_000))))
    (page,) = read_pages(page_reader, find_pages(tmp_path))
    assert sum(reading is not None for reading in page.readings) == 10_000


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--format", "page"], "Add --output-dir"),
        (["--format", "hocr"], "Add --output-dir"),
        (["--suffix", ".x.xml"], "Add --output-dir"),
        (["--overwrite"], "Add --output or --output-dir"),
        (["--output-dir", "out", "--output", "a.txt"], "Give one of them"),
        (["--output-dir", "out", "--suffix", "xml"], "`--suffix`"),
        (["--output-dir", "out", "--suffix", "../a.xml"], "`--suffix`"),
        (["--output-dir", "{pages}", "--suffix", ".xml"], "would be overwritten"),
        (["{pages}/0001.png"], "has pages and"),
        (["{pages}"], None),
        (["{pages}", "--output-dir", "out"], "would both become"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_exit_code_2(call, tmp_path, monkeypatch, words, complaint):
    monkeypatch.chdir(tmp_path)
    pages = make_folder(tmp_path / "pages", "page", [["one"]])
    result = call("read", pages, *(word.format(pages=pages) for word in words))
    if complaint is None:
        assert result.exit_code == 0
        return
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["--format", "page", "--output-dir", "o"], ["--output-dir", "o"]])
def test_pictures_of_lines_are_not_pages(call, tmp_path, words):
    draw_page(["one"])[0].save(tmp_path / "a.png")
    result = call("read", tmp_path, *words)
    assert result.exit_code == 2
    assert "Give a page's XML file" in result.stderr
    assert call("read", tmp_path, "--format", "csv").stdout.startswith("source,text,confidence,character_confidence,")
