"""`trocr-gsa read --segment` on pictures of pages, with a program in kraken's place."""

import json
import os
import re
from pathlib import Path

import pytest
from lxml import etree
from page_makers import draw_page, make_folder
from PIL import Image
from segmenter_makers import RowSegmenter, blackened, make_scans, put_program, put_stand_in
from slow_cases import others_slow

from trocr_gsa.data.pages import KrakenSegmenter, Scan, find_scans, segmented_pages
from trocr_gsa.data.pages.segmenting import PAGES_PER_CALL
from trocr_gsa.reader.pages import read_pages

SCHEMA = Path(__file__).parent / "schemas" / "pagecontent-2019-07-15.xsd"
PAGES = {"0001.png": ["abc def", "zweite Zeile"], "deep/0002.jpg": ["drei", "vier", "viel mehr"]}


@pytest.fixture(autouse=True)
def _kraken(tmp_path, monkeypatch):
    program = put_stand_in(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)


@pytest.fixture
def scans(tmp_path):
    (tmp_path / "scans" / "deep").mkdir(parents=True)
    return make_scans(tmp_path / "scans", PAGES)


@pytest.fixture(params=others_slow(["page", "alto"], "page"))
def kind(request):
    return request.param


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def texts_in(path: Path) -> list[str]:
    root = etree.parse(path).getroot()
    return ["".join([*line.itertext("{*}Unicode"), *line.xpath(".//@CONTENT")]) for line in root.iter("{*}TextLine")]


def test_pictures_become_files_that_say_where_their_lines_are_and_what_they_say(call, scans, kind, tmp_path):
    result = call("read", scans, "--segment", "--format", kind, "--output-dir", tmp_path / "out")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert files_in(tmp_path / "out") == ["0001.xml", "deep/0002.xml"]
    root = etree.parse(tmp_path / "out" / "deep" / "0002.xml").getroot()
    assert root.xpath("//@imageFilename | //*[local-name()='fileName']/text()") == ["0002.jpg"]
    assert [len(texts_in(tmp_path / "out" / name)) for name in ("0001.xml", "deep/0002.xml")] == [2, 3]
    assert root.xpath("count(//@conf | //@WC)") == 3
    if kind == "page":
        assert etree.XMLSchema(etree.parse(SCHEMA)).validate(root)


def test_put_beside_their_pictures_they_are_pages_like_any_other(call, scans, kind):
    assert call("read", scans, "--segment", "--format", kind, "--output-dir", scans).exit_code == 0
    written = [*texts_in(scans / "0001.xml"), *texts_in(scans / "deep" / "0002.xml")]
    assert call("read", scans).stdout.splitlines() == written


def test_every_page_of_a_tiff_is_a_page_with_its_picture_beside_it(call, tmp_path, kind):
    pages = [draw_page(texts)[0] for texts in (["abc def", "zweite Zeile"], ["drei"])]
    (tmp_path / "scans").mkdir()
    pages[0].save(tmp_path / "scans" / "scan.tif", save_all=True, append_images=pages[1:])
    result = call("read", tmp_path / "scans", "--segment", "--format", kind, "--output-dir", tmp_path / "out")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert files_in(tmp_path / "out") == ["scan-0001.jpg", "scan-0001.xml", "scan-0002.jpg", "scan-0002.xml"]
    assert [len(texts_in(tmp_path / "out" / f"scan-000{number}.xml")) for number in (1, 2)] == [2, 1]
    assert "scan-0002.jpg" in (tmp_path / "out" / "scan-0002.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize("format", others_slow(["text", "jsonl", "csv", "hocr"], "text", "hocr"))
def test_what_was_read_comes_in_every_format(call, scans, format, tmp_path):
    words = ["read", scans, "--segment", "--format", format]
    assert call(*words, "--output-dir", tmp_path / "out").exit_code == 0
    assert [Path(name).stem for name in files_in(tmp_path / "out")] == ["0001", "0002"]
    if format == "jsonl":
        rows = [json.loads(row) for row in call(*words).stdout.splitlines()]
        assert [row["source"] for row in rows] == ["0001.png"] * 2 + ["deep/0002.jpg"] * 3


def test_a_turned_picture_is_found_as_a_viewer_shows_it(call, tmp_path):
    """A picture whose pixels lie on their side, with a camera's note that says so."""
    folder = make_scans(tmp_path / "scans", {"a.png": ["abc def", "zweite Zeile"]})
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(folder / "a.png") as upright:
        upright.rotate(90, expand=True).save(folder / "b.png", exif=exif)
    texts = call("read", folder, "--segment").stdout.splitlines()
    assert len(texts) == 4
    assert texts[:2] == texts[2:]


def test_a_run_goes_on_where_it_was_interrupted(call, scans, tmp_path):
    words = ["read", scans, "--segment", "--format", "page", "--output-dir", tmp_path / "out"]
    call(*words)
    (tmp_path / "out" / "0001.xml").write_text("mine")
    (tmp_path / "out" / "deep" / "0002.xml").unlink()
    assert call(*words).stderr == "already there and left as they are: 1 pages; --overwrite reads them again\n"
    assert (tmp_path / "out" / "0001.xml").read_text() == "mine"
    assert len(texts_in(tmp_path / "out" / "deep" / "0002.xml")) == 3


def test_a_page_without_lines_is_named_and_written(call, scans, kind, tmp_path):
    Image.new("L", (400, 300), 225).save(scans / "blank.png")
    words = ["read", scans, "--segment", "--format", kind, "--output-dir", tmp_path / "out"]
    result = call(*words)
    assert (result.exit_code, result.stderr) == (1, "left out: blank.png: no line was found on it.\n")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.xml")) == ["0001.xml", "0002.xml", "blank.xml"]
    again = call(*words)
    assert (again.exit_code, again.stderr.splitlines()[1:]) == (1, result.stderr.splitlines())


def test_bad_pages_are_named_and_the_rest_is_read(call, scans, tmp_path):
    blackened(draw_page(["one"])[0]).save(scans / "0000.png")
    blackened(draw_page(["two"])[0]).save(scans / "0003.png")
    (scans / "4.png").write_bytes(b"")
    (scans / "5.jpg").write_bytes((scans / "deep" / "0002.jpg").read_bytes()[:900])
    result = call("read", scans, "--segment", "--format", "page", "--output-dir", tmp_path / "out")
    assert result.exit_code == 1
    starts = ["0000.png: kraken found no layout: RuntimeError: too black to see", "0003.png: kraken found no layout: ",
              "4.png: the file is empty", "5.jpg: "]  # fmt: skip
    for message, start in zip(result.stderr.splitlines(), starts, strict=True):
        assert message.startswith(f"left out: {start}")
    assert files_in(tmp_path / "out") == ["0001.xml", "deep/0002.xml"]


def test_pages_are_handed_over_a_few_at_a_time_and_prepared_when_their_turn_comes(scans, page_reader, tmp_path):
    taken = []

    def many():
        for number in range(10_000):
            taken.append(number)
            yield Scan(scans / "0001.png", scans, f"{number}.png")

    segment = RowSegmenter()
    pages = segmented_pages(many(), segment, "PAGE")
    for _ in range(PAGES_PER_CALL):
        next(pages).open()
    assert len(taken) == PAGES_PER_CALL
    folder = next(pages).picture.parent
    assert (len(taken), segment.handed) == (2 * PAGES_PER_CALL, [PAGES_PER_CALL, PAGES_PER_CALL])
    assert len(list(folder.glob("*.png"))) == PAGES_PER_CALL
    pages.close()
    assert not folder.exists()


def test_any_segmenter_can_be_passed_in(scans, page_reader):
    blackened(draw_page(["one"])[0]).save(scans / "0000.png")
    found, _ = find_scans(scans)
    bad, *good = read_pages(page_reader, segmented_pages(found, RowSegmenter(), "ALTO"))
    assert (bad.page, bad.problems) == (None, ["0000.png: too black to see"])
    assert [len([r for r in page.readings if r]) for page in good] == [2, 3]


def test_a_segmenter_that_writes_no_page_is_named(scans, page_reader):
    def nonsense(pictures, kind):
        pictures[0].with_suffix(".xml").write_text("<html/>")
        return {}

    found, _ = find_scans(scans)
    pages = list(read_pages(page_reader, segmented_pages(found, nonsense, "PAGE")))
    assert [re.sub(r"\.png: .*|\.jpg: .*", "", *page.problems) for page in pages] == ["0001", "deep/0002"]


def test_a_kraken_that_is_not_there_is_one_line_that_says_how_to_get_it(call, scans, monkeypatch):
    monkeypatch.setenv("PATH", str(scans))
    result = call("read", scans, "--segment", "--model", "there is no such model")
    assert result.exit_code == 2
    assert result.stderr.endswith("pipx install kraken\n")
    assert len(result.stderr.splitlines()) == 1


def test_a_kraken_that_does_not_run_ends_the_command(call, scans, tmp_path):
    put_program(tmp_path / "bin", "echo it is all wrong >&2; exit 1")
    result = call("read", scans, "--segment")
    assert result.exit_code == 2
    assert "kraken does not run: it is all wrong." in result.stderr


def test_a_kraken_that_is_killed_by_a_page_goes_on_behind_it(scans, tmp_path):
    make_scans(scans, {"0000.png": ["killer"]})
    stand_in = put_stand_in(tmp_path / "sound").as_posix()
    once = f'[ "$1" = --version ] || [ -e "{tmp_path}/hit" ] || {{ touch "{tmp_path}/hit"; kill -9 $$; }}'
    program = put_program(tmp_path / "bin", f'{once}\nexec "{stand_in}" "$@"')
    found, _ = find_scans(scans)
    pages = list(segmented_pages(found, KrakenSegmenter(str(program)), "PAGE"))
    assert [page.problem for page in pages] == ["0000.png: kraken found no layout: it stopped", None, None]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["pages/0001.xml", "--segment"], "without --segment"),
        (["pages", "pages/0001.xml", "--segment"], "without --segment"),
        (["none", "--segment"], "contains no picture and no PDF"),
        (["none/*.png", "--segment"], "contains no picture and no PDF"),
        (["pages", "--segment", "--format", "alto"], "Add --output-dir"),
        (["pages", "--segment", "--output-dir", "o", "--suffix", ".PNG"], "is a picture's"),
        (["pages/0001.png", "--format", "page", "--output-dir", "o"], "or add --segment"),
        (["both", "--segment", "--output-dir", "o"], "would both become"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_exit_code_2(call, tmp_path, monkeypatch, words, complaint):
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "pages", "page", [["one"]])
    make_scans(tmp_path / "both", {"a.png": ["one"], "a.jpg": ["one"]})
    (tmp_path / "none").mkdir()
    result = call("read", *words)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_hidden_pictures_are_no_pages(tmp_path):
    for name in ("a.png", "._a.png", ".copies/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        draw_page(["one"])[0].save(tmp_path / name)
    assert [scan.name for scan in find_scans(tmp_path)[0]] == ["a.png"]
    assert [scan.name for scan in find_scans(tmp_path / ".copies")[0]] == ["b.png"]


def test_files_that_lie_beside_the_pictures_are_left_alone(call, tmp_path):
    pages = make_folder(tmp_path / "pages", "page", [["one", "two"]])
    before = (pages / "0001.xml").read_bytes()
    words = ["read", pages, "--segment", "--format", "page", "--output-dir"]
    assert call(*words, tmp_path / "out").exit_code == 0
    assert files_in(tmp_path / "out") == ["0001.xml"]
    assert "1 pages" in call(*words, pages).stderr
    assert (pages / "0001.xml").read_bytes() == before
