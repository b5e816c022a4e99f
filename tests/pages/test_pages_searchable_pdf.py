"""PDFs that can be searched: the text lies where it was read, the page looks as before, and nothing of it is drawn."""

import io
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_makers import INK, SIZE, draw_page, make_folder, page_line, page_xml
from PIL import Image, ImageDraw
from segmenter_makers import put_stand_in

from trocr_gsa.data.formats import FORMATS
from trocr_gsa.data.line import Line
from trocr_gsa.data.pages import PageFile, Scan
from trocr_gsa.data.pages.page import Page
from trocr_gsa.data.provenance import Provenance, Weights
from trocr_gsa.data.words import Word

pikepdf = pytest.importorskip("pikepdf")
pypdfium2 = pytest.importorskip("pypdfium2")
pytest.importorskip("fontTools")

MADE = Provenance("1.0", Weights("packaged", "ab"), None, "2020-09-13T12:26:40Z", {})
WORDS = {"ein": (100, 60, 160, 90), "ſonderbares": (180, 60, 300, 90)}
TILT = 20


def corners(left: float, top: float, right: float, bottom: float) -> tuple[tuple[float, float], ...]:
    return (left, top), (right, top), (right, bottom), (left, bottom)


def line_of(words: dict[str, tuple[float, ...]] = WORDS) -> Line:
    placed = tuple(Word(text, 0.5, corners(*box)) for text, box in words.items())
    return Line(" ".join(words), 0.5, 0.0, words=placed)


def page_of(folder: Path, picture: Image.Image, name: str = "0001.png", lines: int = 1, **options: Any) -> Page:
    """A page with its picture, and lines of which only the number matters."""
    folder.mkdir(exist_ok=True)
    picture.save(folder / name, **options)
    drawn = draw_page(["x"] * lines)[1]
    body = "\n".join(page_line(i, line) for i, line in enumerate(drawn, 1))
    path = (folder / name).with_suffix(".xml")
    path.write_text(page_xml(body, name, picture.size), encoding="utf-8")
    opened = PageFile(path, folder, path.name).open()
    assert opened is not None
    return opened[0]


def words_in(content: bytes, page: int = 0) -> dict[str, tuple[float, float, float, float]]:
    """The words of a PDF page, and their boxes on it as it is shown: left, top, right, bottom as shares of the page."""
    document = pypdfium2.PdfDocument(content)
    shown = document[page]
    text = shown.get_textpage()
    width, height = shown.get_size()
    found: dict[str, tuple[float, float, float, float]] = {}
    word, boxes = "", []
    for index in [*range(text.count_chars()), None]:
        letter = " " if index is None else text.get_text_range(index, 1)
        if letter.isspace():
            if word:
                left, bottom, right, top = (
                    fold(each) for fold, each in zip(FOLDS, zip(*boxes, strict=True), strict=True)
                )
                found[word] = (left / width, 1 - top / height, right / width, 1 - bottom / height)
            word, boxes = "", []
        else:
            word += letter
            boxes.append(text.get_charbox(index))
    for each in (text, shown, document):
        each.close()
    return found


FOLDS = (min, min, max, max)


def shown_as(content: bytes, size: tuple[int, int], page: int = 0) -> Image.Image:
    document = pypdfium2.PdfDocument(content)
    drawn = document[page]
    image = drawn.render(scale=size[0] / drawn.get_size()[0]).to_pil().convert("L")
    drawn.close()
    document.close()
    return image


def test_the_text_lies_where_its_words_are(tmp_path):
    page = page_of(tmp_path, draw_page(["x"])[0])
    found = words_in(FORMATS["pdf"].write_page(page, [line_of()]))
    assert list(found) == list(WORDS)
    for text, box in WORDS.items():
        expected = np.array(box) / (*SIZE, *SIZE)
        np.testing.assert_allclose(found[text], expected, atol=0.005)


def test_letters_of_any_script_and_beyond_the_basic_plane_are_found(tmp_path):
    words = {
        "Ελλάς": (10, 10, 90, 40),
        "слово": (100, 10, 190, 40),
        "𝔉raktur": (200, 10, 300, 40),
        "עברית": (310, 10, 390, 40),
    }
    page = page_of(tmp_path, draw_page(["x"])[0])
    content = FORMATS["pdf"].write_page(page, [line_of(words)])
    document = pypdfium2.PdfDocument(content)
    shown = document[0]
    text = shown.get_textpage()
    said = text.get_text_range()
    for each in (text, shown, document):
        each.close()
    for word in ("Ελλάς", "слово", "𝔉raktur"):
        assert word in said
    assert set("עברית") <= set(said)


def test_words_of_a_tilted_line_are_one_line(tmp_path):
    turn = np.radians(TILT)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    words = tuple(
        Word(text, 0.5, tuple(map(tuple, (np.array(corners(*box)) - (100, 60)) @ matrix + (60, 200))))
        for text, box in WORDS.items()
    )
    page = page_of(tmp_path, draw_page(["x"])[0])
    content = FORMATS["pdf"].write_page(page, [Line("ein ſonderbares", 0.5, TILT, words=words)])
    assert list(words_in(content)) == list(WORDS)
    assert text_of(content) == "ein ſonderbares"


def text_of(content: bytes, page: int = 0) -> str:
    document = pypdfium2.PdfDocument(content)
    shown = document[page]
    text = shown.get_textpage()
    said = text.get_text_range().strip()
    for each in (text, shown, document):
        each.close()
    return said


def test_words_that_reach_to_different_heights_are_one_line_and_lines_are_several(tmp_path):
    words = {"a": (100, 70, 110, 85), "yet": (120, 65, 150, 92), "To": (160, 60, 180, 85)}
    lower = {"next": (100, 120, 160, 150)}
    page = page_of(tmp_path, draw_page(["x"])[0], lines=2)
    content = FORMATS["pdf"].write_page(page, [line_of(words), line_of(lower)])
    assert text_of(content).split("\r\n") == ["a yet To", "next"]


def test_where_words_are_not_known_the_line_s_text_lies_on_the_line(tmp_path):
    page = page_of(tmp_path, draw_page(["x"])[0])
    content = FORMATS["pdf"].write_page(page, [Line("two words", 0.5, 0.0)])
    assert text_of(content) == "two words"
    (low_x, low_y), (high_x, high_y) = page.lines[0].polygon.min(0), page.lines[0].polygon.max(0)
    boxes = np.array(list(words_in(content).values())) * (*SIZE, *SIZE)
    np.testing.assert_allclose(boxes[:, :2].min(0), (low_x, low_y), atol=1)
    np.testing.assert_allclose(boxes[:, 2:].max(0), (high_x, high_y), atol=1)


@pytest.mark.parametrize("reading", [None, Line("", 0.5, 0.0), Line("", 0.5, 0.0, words=())])
def test_a_page_without_text_is_a_page(tmp_path, reading):
    page = page_of(tmp_path, draw_page(["x"])[0])
    content = FORMATS["pdf"].write_page(page, [reading])
    assert text_of(content) == ""


@pytest.mark.parametrize("name", ["0001.png", "0001.jpg", "0001.tif"])
@pytest.mark.parametrize("mode", ["L", "RGB", "1", "CMYK", "LA"])
def test_the_page_looks_as_its_picture(tmp_path, name, mode):
    if (name.endswith("jpg") and mode in ("1", "LA")) or (name.endswith("png") and mode == "CMYK"):
        return
    picture = draw_page(["some words", "more of them"])[0]
    ImageDraw.Draw(picture).rectangle((10, 10, 60, 40), fill=INK)  # tells which way up it is
    page = page_of(tmp_path, picture.convert(mode), name, lines=2)
    shown = shown_as(FORMATS["pdf"].write_page(page, [line_of(), None]), SIZE)
    expected = picture.convert(mode).convert("L")
    assert np.abs(np.asarray(shown, dtype=int) - np.asarray(expected, dtype=int)).mean() < 4
    assert np.abs(np.asarray(shown, dtype=int) - np.asarray(expected.rotate(180), dtype=int)).mean() > 5  # the control


def test_a_jpeg_is_copied_byte_for_byte(tmp_path):
    page = page_of(tmp_path, draw_page(["x"])[0].convert("RGB"), "0001.jpg", quality=50)
    with pikepdf.open(io.BytesIO(FORMATS["pdf"].write_page(page, [line_of()]))) as pdf:
        (image,) = [each for each in pdf.pages[0].resources.XObject.values() if each.Subtype == pikepdf.Name.Image]
        assert image.read_raw_bytes() == (tmp_path / "0001.jpg").read_bytes()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_photograph_is_shown_as_viewers_show_it(tmp_path, orientation):
    picture = draw_page(["x"])[0]
    ImageDraw.Draw(picture).rectangle((10, 10, 90, 60), fill=INK)
    stored = {3: 180, 6: 90, 8: 270}.get(orientation, 0)  # what the camera's tag undoes
    exif = Image.Exif()
    exif[0x0112] = orientation
    folder = tmp_path
    picture.rotate(stored, expand=True).save(folder / "0001.jpg", exif=exif)
    (folder / "0001.xml").write_text(page_xml(page_line(1, draw_page(["x"])[1][0]), "0001.jpg"), encoding="utf-8")
    opened = PageFile(folder / "0001.xml", folder, "0001.xml").open()
    assert opened is not None
    content = FORMATS["pdf"].write_page(opened[0], [line_of()])
    shown = np.asarray(shown_as(content, SIZE), dtype=int)
    assert shown.shape == (SIZE[1], SIZE[0])
    assert np.abs(shown - np.asarray(picture, dtype=int)).mean() < 4


@pytest.mark.parametrize(("dpi", "inches"), [((200, 200), 2.0), (None, SIZE[0] / 300), ((1, 1), SIZE[0] / 300)])
def test_a_page_is_as_large_as_its_picture_says(tmp_path, dpi, inches):
    options = {} if dpi is None else {"dpi": dpi}
    page = page_of(tmp_path, draw_page(["x"])[0], **options)
    with pikepdf.open(io.BytesIO(FORMATS["pdf"].write_page(page, [line_of()]))) as pdf:
        assert float(pdf.pages[0].mediabox[2]) == pytest.approx(72 * inches, rel=0.01)


def scanned_pdf(folder: Path, rotation: int, crop: bool) -> Path:
    """A PDF of one page that shows a drawn page, stored turned or with a margin that is cropped."""
    picture = draw_page(["ein ſonderbares"])[0]
    ImageDraw.Draw(picture).rectangle((10, 10, 60, 40), fill=INK)
    folder.mkdir()
    page = page_of(folder, picture.rotate(rotation, expand=True))
    path = folder / "scan.pdf"
    with pikepdf.open(io.BytesIO(FORMATS["pdf"].write_page(page, [None]))) as pdf:
        pdf.pages[0].Rotate = rotation
        if crop:
            left, bottom, right, top = map(float, pdf.pages[0].mediabox)
            pdf.pages[0].MediaBox = pikepdf.Array([left - 20, bottom - 30, right + 10, top + 5])
            pdf.pages[0].CropBox = pikepdf.Array([left, bottom, right, top])
        pdf.docinfo["/Title"] = "old"
        pdf.save(path)
    return path


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_page_of_a_pdf_stays_and_gets_its_text_however_it_is_stored(tmp_path, rotation, crop):
    path = scanned_pdf(tmp_path / "in", rotation, crop)
    scan = Scan(path, path.parent, "scan-0001.jpg", 1)
    size = scan.load().size
    drawn = draw_page(["x"])[1]
    (tmp_path / "0001.xml").write_text(page_xml(page_line(1, drawn[0]), size=SIZE), encoding="utf-8")
    read = PageFile(tmp_path / "0001.xml", tmp_path, "0001.xml").read()
    assert read is not None
    page = replace(read.scaled_to(size), picture=scan)
    scale = size[0] / SIZE[0]
    words = {text: tuple(scale * side for side in box) for text, box in WORDS.items()}
    content = FORMATS["pdf"].write_page(page, [line_of(words)])
    before, after = shown_as(path.read_bytes(), SIZE), shown_as(content, SIZE)
    assert np.abs(np.asarray(before, dtype=int) - np.asarray(after, dtype=int)).max() == 0
    assert text_of(content) == "ein ſonderbares"
    if not (rotation or crop):  # or a character's box is measured in the page's own way
        for text, box in WORDS.items():
            np.testing.assert_allclose(words_in(content)[text], np.array(box) / (*SIZE, *SIZE), atol=0.01)


def test_what_made_the_text_stands_in_the_information_and_the_same_input_gives_the_same_bytes(tmp_path):
    page = page_of(tmp_path, draw_page(["x"])[0])
    content = FORMATS["pdf"].write_page(page, [line_of()], MADE)
    assert FORMATS["pdf"].write_page(page, [line_of()], MADE) == content
    with pikepdf.open(io.BytesIO(content)) as pdf:
        said = {name: str(value) for name, value in pdf.docinfo.items()}
    assert said == {
        "/Producer": "trocr-gsa 1.0", "/CreationDate": "D:20200913122640Z", "/ModDate": "D:20200913122640Z",
        "/TextRecognition": "trocr-gsa 1.0; model: packaged; model SHA-256: ab",
    }  # fmt: skip


def test_a_page_without_picture_is_named(tmp_path):
    page = page_of(tmp_path, draw_page(["x"])[0])
    with pytest.raises(ValueError, match=r"0001\.xml: there is no image of it"):
        FORMATS["pdf"].write_page(replace(page, picture=None), [line_of()])


def test_many_pages_become_one_pdf_in_their_order_and_a_run_goes_on(call, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    pages = make_folder(tmp_path / "in", "page", [["one"], ["two"], ["three", "four"]])
    ask = ("read", pages, "--format", "pdf", "--output")
    assert call(*ask, tmp_path / "at-once.pdf").exit_code == 0
    with monkeypatch.context() as stopped:
        stopped.setattr("trocr_gsa.cli.page_parts.PageParts.merge", lambda *_: None)
        assert call(*ask, tmp_path / "book.pdf").exit_code == 0
    assert len(list((tmp_path / "book.pdf.pages").glob("*.page"))) == 3
    assert not (tmp_path / "book.pdf").exists()
    monkeypatch.setattr("trocr_gsa.reader.LineReader.read", lambda *_, **__: pytest.fail("read again"))
    result = call(*ask, tmp_path / "book.pdf")
    assert result.exit_code == 0
    assert "already there and left as they are: 3 pages" in result.stderr
    assert (tmp_path / "book.pdf").read_bytes() == (tmp_path / "at-once.pdf").read_bytes()
    assert not (tmp_path / "book.pdf.pages").exists()


@pytest.fixture
def kraken(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(put_stand_in(tmp_path / "bin").parent), prepend=":")


def test_scans_and_pdfs_become_one_pdf_with_all_their_pages(call, kraken, tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    pictures = [draw_page([text])[0] for text in ("eins", "zwei", "drei")]
    pictures[0].convert("RGB").save(folder / "a.pdf", save_all=True, append_images=[pictures[1].convert("RGB")])
    pictures[2].save(folder / "b.png")
    result = call("read", folder, "--segment", "--format", "pdf", "--output", tmp_path / "book.pdf")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    with pikepdf.open(tmp_path / "book.pdf") as pdf:
        assert len(pdf.pages) == 3
        assert str(pdf.docinfo["/Producer"]).startswith("trocr-gsa ")
        assert str(pdf.docinfo["/ModDate"]).startswith("D:20")
    assert not (tmp_path / "book.pdf.pages").exists()
    for number, picture in enumerate(pictures):
        shown = shown_as((tmp_path / "book.pdf").read_bytes(), SIZE, number)
        assert np.abs(np.asarray(shown, dtype=int) - np.asarray(picture, dtype=int)).mean() < 6


def test_each_page_becomes_a_pdf_of_its_own(call, kraken, tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    picture = draw_page(["eins"])[0].convert("RGB")
    picture.save(folder / "a.pdf", save_all=True, append_images=[picture])
    assert call("read", folder, "--segment", "--format", "pdf", "--output-dir", tmp_path / "out").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a-0001.pdf", "a-0002.pdf"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "needs a file. Add --output FILE or --output-dir FOLDER"),
        (("--output", "/dev/null"), "needs a file. Add --output FILE or --output-dir FOLDER"),
        (("--output-dir", "in"), "is the folder of the pages"),
        (("--output-dir", "out", "--suffix", ".png"), "is a picture's"),
    ],
)
def test_what_makes_no_sense_is_refused(call, tmp_path, monkeypatch, words, complaint):
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "in", "page", [["one"]])
    result = call("read", "in", "--format", "pdf", *words)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_without_pikepdf_the_first_thing_said_is_what_to_install(call, tmp_path, monkeypatch):
    pages = make_folder(tmp_path / "in", "page", [["one"]])
    monkeypatch.setattr("trocr_gsa.data.formats.find_spec", lambda name: None if name == "pikepdf" else "there")
    result = call("read", pages, "--format", "pdf", "--output", tmp_path / "book.pdf")
    assert result.exit_code == 2
    assert "`format` pdf needs pikepdf, not installed: pip install 'trocr-gsa[pages]'" in result.stderr


def by_pdftotext(content: bytes, folder: Path) -> str:
    (folder / "out.pdf").write_bytes(content)
    done = subprocess.run(["pdftotext", folder / "out.pdf", "-"], capture_output=True, check=True, encoding="utf-8")
    return done.stdout


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
def test_pdftotext_reads_the_text(tmp_path):
    page = page_of(tmp_path, draw_page(["x"])[0], lines=2)
    lower = {"nächſte": (100, 120, 200, 150), "Zeile": (220, 120, 300, 150)}
    said = by_pdftotext(FORMATS["pdf"].write_page(page, [line_of(), line_of(lower)]), tmp_path)
    assert [line for line in said.splitlines() if line] == ["ein ſonderbares", "nächſte Zeile"]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
@pytest.mark.parametrize("quarter", [0, 90])
def test_pdftotext_does_not_split_the_words_of_a_line_with_a_small_tilt(tmp_path, quarter, monkeypatch):
    page = page_of(tmp_path, Image.new("L", (1700, 1200), 255), dpi=(300, 300))
    texts = "by the Secretary-General on economies of scale and peace-keeping".split()
    line = Line(" ".join(texts), 0.5, 0.0, words=tuple(tilted_words(texts, quarter + 3.0)))
    assert set(texts) <= set(by_pdftotext(FORMATS["pdf"].write_page(page, [line]), tmp_path).split())
    assert text_of(FORMATS["pdf"].write_page(page, [line])) == line.text
    monkeypatch.setattr("trocr_gsa.data.pages.searchable_pdf.LEVELLED", 0.0)  # the control
    assert not set(texts) <= set(by_pdftotext(FORMATS["pdf"].write_page(page, [line]), tmp_path).split())


def tilted_words(texts: list[str], tilt: float) -> Iterator[Word]:
    """Words of a line across the middle of a page of 1700 × 1200 pixels."""
    cosine, sine = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    left = -540.0
    for text in texts:
        box = np.array(corners(left, -30, left + 15 * len(text), 20))
        yield Word(text, 0.5, tuple(map(tuple, box @ [[cosine, -sine], [sine, cosine]] + (850, 600))))
        left += 15 * len(text) + 16


@pytest.mark.parametrize(("form", "name"), [("JPEG", "0001.jpg"), ("PNG", "0001.png")])
def test_a_scan_beyond_pillows_own_limit_becomes_a_pdf(tmp_path, monkeypatch, form, name):
    page = page_of(tmp_path, draw_page(["x"])[0], name, format=form)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SIZE[0] * SIZE[1] // 3)
    content = FORMATS["pdf"].write_page(page, [line_of()])
    with pikepdf.open(io.BytesIO(content)) as pdf:
        image = pdf.pages[0].Resources.XObject.Image
        assert (int(image.Width), int(image.Height)) == SIZE
