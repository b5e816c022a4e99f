"""Pages of PDFs: what they are called, how finely they are drawn, and what is said of those that cannot be."""

import os
import re
import sys
import time
from pathlib import Path

import pytest
from page_makers import draw_page
from PIL import Image
from segmenter_makers import make_scans, put_stand_in
from slow_cases import others_slow

from trocr_gsa.data.images import load_image
from trocr_gsa.data.pages import PageError, Scan, find_scans
from trocr_gsa.data.pages.pdf import MAX_SIDE, render_page

FIRST_PAGE = re.compile(rb"/Kids \[ \d+ 0 R")  # as Pillow writes the list of pages


@pytest.fixture(autouse=True)
def _kraken(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(put_stand_in(tmp_path / "bin").parent), prepend=os.pathsep)


@pytest.fixture(scope="session")
def pdfium():
    return pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed")


@pytest.fixture
def scan(pdfium, tmp_path) -> Path:
    return make_pdf(tmp_path / "scans" / "scan.pdf", [["abc def", "zweite Zeile"], ["drei"]])


def make_pdf(path: Path, pages: list[list[str]], dpi: int = 300) -> Path:
    path.parent.mkdir(exist_ok=True)
    first, *others = [draw_page(texts)[0] for texts in pages]
    first.save(path, save_all=True, append_images=others, resolution=dpi)
    return path


def locked(content: bytes) -> bytes:
    """A PDF that says it is encrypted, by keys that no password gives."""
    before, trailer, behind = content.rpartition(b"trailer")
    key = b"<" + b"00" * 32 + b">"
    encrypted = b"<< /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O " + key + b" /U " + key + b" >> /ID [<00><00>]"
    return before + trailer + behind.replace(b"<<", encrypted, 1)


def with_first_page(content: bytes, drawing: bytes) -> bytes:
    """A PDF of Pillow's with another drawing on its first page, added behind, as PDFs are changed."""
    before, place = int(content.rsplit(b"startxref", 1)[1].split()[0]), len(content) + 1
    stream = b"3 0 obj<< /Length %d >>stream\n%b\nendstream endobj\n" % (len(drawing), drawing)
    table = b"xref\n3 1\n%010d 00000 n \ntrailer << /Root 7 0 R /Size 10 /Prev %d >>\n" % (place, before)
    return b"%b\n%b%bstartxref\n%d\n%%%%EOF" % (content, stream, table, place + len(stream))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("format", others_slow(["page", "alto", "hocr"], "page"))
def test_every_page_becomes_a_file_with_its_picture_beside_it(call, scan, tmp_path, format):
    result = call("read", scan, "--segment", "--format", format, "--output-dir", tmp_path / "out")
    assert (result.exit_code, result.stderr) == (0, "")
    suffix = {"hocr": ".hocr"}.get(format, ".xml")
    pictures = ["scan-0001.jpg", "scan-0002.jpg"]
    assert names_in(tmp_path / "out") == sorted([*pictures, f"scan-0001{suffix}", f"scan-0002{suffix}"])
    assert "scan-0002.jpg" in (tmp_path / "out" / f"scan-0002{suffix}").read_text(encoding="utf-8")


def test_what_came_out_can_be_read_again(call, scan, tmp_path):
    words = ["read", scan, "--segment", "--format"]
    assert call(*words, "page", "--output-dir", tmp_path / "out").exit_code == 0
    assert len(call("read", tmp_path / "out").stdout.splitlines()) == 3


def test_text_needs_no_pictures(call, scan, tmp_path):
    assert call("read", scan.parent, "--segment", "--output-dir", tmp_path / "out").exit_code == 0
    assert names_in(tmp_path / "out") == ["scan-0001.txt", "scan-0002.txt"]
    rows = call("read", scan, "--segment", "--format", "csv").stdout.splitlines()
    assert [row.partition(",")[0] for row in rows] == ["source", *["scan-0001.jpg"] * 2, "scan-0002.jpg"]


def test_a_run_goes_on_where_it_was_interrupted_even_among_its_own_pictures(call, scan):
    words = ["read", scan.parent, "--segment", "--format", "page", "--output-dir", scan.parent]
    assert call(*words).exit_code == 0
    (scan.parent / "scan-0002.xml").unlink()
    (scan.parent / "scan-0001.xml").write_text("mine")
    result = call(*words)
    assert (result.exit_code, result.stderr.partition(";")[0]) == (0, "already there and left as they are: 1 pages")
    assert (scan.parent / "scan-0001.xml").read_text() == "mine"
    assert len(names_in(scan.parent)) == 5


def test_another_picture_of_that_name_is_left_as_it_is(call, scan, tmp_path):
    kept = make_scans(tmp_path / "out", {"scan-0001.jpg": ["something else"]}) / "scan-0001.jpg"
    Image.open(kept).resize((50, 50)).save(kept)
    before = kept.read_bytes()
    result = call("read", scan, "--segment", "--format", "page", "--output-dir", tmp_path / "out")
    assert (result.exit_code, result.stderr[:24]) == (1, "left out: scan-0001.jpg:")
    assert kept.read_bytes() == before
    assert (tmp_path / "out" / "scan-0002.xml").is_file()


@pytest.mark.parametrize("is_same", [True, False])
def test_a_kept_picture_is_compared_and_not_only_its_size(call, scan, tmp_path, is_same):
    words = ["read", scan, "--segment", "--format", "page", "--output-dir", tmp_path / "out"]
    assert call(*words).exit_code == 0
    first, second = tmp_path / "out" / "scan-0001.jpg", tmp_path / "out" / "scan-0002.jpg"
    one, other = load_image(first), load_image(second)
    assert one.size == other.size
    (one if is_same else other).save(first, quality=80)
    before = first.read_bytes()
    result = call(*words, "--overwrite")
    assert (result.exit_code, "is another picture" in result.stderr) == ((0, False) if is_same else (1, True))
    assert first.read_bytes() == before


def test_a_page_is_drawn_at_300_dots_per_inch(pdfium, tmp_path):
    coarse = make_pdf(tmp_path / "a.pdf", [["one"]], dpi=100)  # of 400 × 300 pixels
    assert render_page(coarse, 1, "a.pdf").size == pytest.approx((1200, 900), abs=1)


def test_a_page_as_large_as_a_door_is_drawn_more_coarsely(pdfium, tmp_path):
    door = make_pdf(tmp_path / "a.pdf", [["one"]], dpi=4)
    assert max(render_page(door, 1, "a.pdf").size) == MAX_SIDE


def test_bad_files_are_named_and_the_rest_is_read(call, scan, tmp_path):
    good = scan.read_bytes()
    bad = {"empty.pdf": b"", "broken.pdf": b"%PDF-1.4 and no more", "half.pdf": good[:700], "locked.pdf": locked(good)}
    for name, content in bad.items():
        (scan.parent / name).write_bytes(content)
    result = call("read", scan.parent, "--segment", "--format", "page", "--output-dir", tmp_path / "out")
    assert result.exit_code == 1
    complaints = result.stderr.splitlines()
    for complaint, name in zip(complaints, sorted(bad), strict=True):
        assert complaint.startswith(f"left out: {name}: ")
    assert "locked by a password" in complaints[-1]
    assert "scan-0002.xml" in names_in(tmp_path / "out")


@pytest.mark.parametrize("content", [None, b"", b"no PDF"])
def test_a_bad_file_alone_is_named_too(pdfium, call, tmp_path, content):
    if content is not None:
        (tmp_path / "a.pdf").write_bytes(content)
    result = call("read", tmp_path / "a.pdf", "--segment", "--adapter", "fr=a", "--adapter", "de=b", "--use", "*=fr")
    assert (result.exit_code, result.stderr[:18]) == (
        1,
        "left out: a.pdf: i" if content is not None else "left out: a.pdf: c",
    )


def test_a_page_that_cannot_be_drawn_is_named_and_the_rest_is_read(call, scan, tmp_path):
    broken, found = FIRST_PAGE.subn(b"/Kids [ 9999 0 R", scan.read_bytes())
    assert found == 1
    scan.write_bytes(broken)
    result = call("read", scan, "--segment", "--format", "page", "--output-dir", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.startswith("left out: scan.pdf: page 1 cannot be drawn")
    assert names_in(tmp_path / "out") == ["scan-0002.jpg", "scan-0002.xml"]


@pytest.mark.parametrize(("count", "complaint"), [(1_000_000, "more than 10,000"), (10_000, "has 2"), (5, "has 2")])
def test_a_count_of_pages_that_are_not_there_is_refused_at_once(scan, count, complaint):
    content, found = re.subn(rb"/Count 2", b"/Count %d" % count, scan.read_bytes())
    assert found == 1
    scan.write_bytes(content)
    start = time.process_time()
    scans, (problem,) = find_scans(scan)
    assert scans == []
    assert problem.startswith(f"scan.pdf: claims to have {count:,} pages, ")
    assert complaint in problem
    assert time.process_time() - start < 10


def test_a_single_page_that_is_not_there_is_named_when_its_turn_comes(scan):
    scan.write_bytes(scan.read_bytes().replace(b"/Count 2", b"/Count 3"))
    scans, problems = find_scans(scan)
    assert (len(scans), problems) == (3, [])
    with pytest.raises(PageError, match="page 3 cannot be drawn"):
        scans[2].load()


def test_a_file_that_disappears_is_named(scan, call, tmp_path):
    (first, _), _ = find_scans(scan)
    scan.unlink()
    with pytest.raises(PageError, match=r"scan\.pdf: cannot be read"):
        first.load()


def test_adapters_can_be_chosen_by_the_file(scan):
    assert [str(page.path) for page in find_scans(scan)[0]] == [str(scan)] * 2


@pytest.mark.parametrize("words", [["{pdf}"], ["{folder}"], ["{folder}/*.pdf"], ["{pdf}", "--format", "jsonl"]])
def test_without_segment_a_pdf_is_refused_with_what_to_do(call, tmp_path, words):
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.pdf").write_bytes(b"%PDF-1.4")
    result = call("read", *(word.format(pdf=tmp_path / "scans/a.pdf", folder=tmp_path / "scans") for word in words))
    assert result.exit_code == 2
    assert "a.pdf has pages, not one line. Add --segment" in result.stderr


def test_a_pdf_beside_pictures_of_lines_does_not_disturb_them(call, tmp_path):
    """A folder means its pictures, as ever."""
    folder = make_scans(tmp_path / "lines", {"a.png": ["one"]})
    (folder / "notes.pdf").write_bytes(b"%PDF-1.4")
    assert call("read", folder).exit_code == 0


def test_without_pypdfium2_one_line_says_how_to_get_it(call, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    result = call("read", tmp_path / "a.pdf", "--segment")
    assert result.exit_code == 2
    assert result.stderr.endswith("pip install 'trocr-gsa[pages]'\n")
    make_scans(tmp_path, {"0001.png": ["one"]})
    assert Scan(tmp_path / "0001.png", tmp_path, "0001.png").load().size == (400, 300)


def test_a_page_that_takes_for_ever_to_draw_is_named_and_the_rest_is_drawn(scan, monkeypatch):
    again_and_again = b"q 90 0 0 70 0 0 cm /image Do Q " * 300_000
    scan.write_bytes(with_first_page(scan.read_bytes(), again_and_again))
    monkeypatch.setattr("trocr_gsa.data.pages.pdf.SECONDS", 1)
    scans, problems = find_scans(scan)
    assert (len(scans), problems) == (2, [])
    with pytest.raises(PageError, match=r"^scan\.pdf: needs more than 1 s or 2 GB"):
        scans[0].load()
    monkeypatch.setattr("trocr_gsa.data.pages.pdf.SECONDS", 20)
    assert scans[1].load().size == (400, 300)


def test_a_page_that_takes_too_much_memory_is_named(scan, monkeypatch):
    monkeypatch.setattr("trocr_gsa.data.pages.pdf.BYTES", 1_000_000)
    scans, (problem,) = find_scans(scan)
    assert (scans, problem.startswith("scan.pdf: needs more than 20 s or 0.001 GB")) == ([], True)


def test_a_pdf_whose_name_is_not_utf8_is_drawn(scan):
    scan = scan.rename(scan.with_name(os.fsdecode(b"bl\xe4tter.pdf")))
    scans, problems = find_scans(scan)
    assert (len(scans), problems) == (2, [])
    assert scans[0].load().size == (400, 300)


def test_what_only_looks_like_a_pdf_by_its_name_does_not_stop_a_folder(scan):
    os.mkfifo(scan.with_name("pipe.pdf"))
    scan.with_name("folder.pdf").mkdir()
    scans, problems = find_scans(scan.parent)
    assert len(scans) == 2
    assert [problem.split(":")[0] for problem in problems] == ["folder.pdf", "pipe.pdf"]
