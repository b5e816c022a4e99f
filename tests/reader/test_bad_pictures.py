"""Bad pictures: each costs itself alone, and says what is wrong with it; odd but good ones are read."""

import io
import struct
import zlib

import numpy as np
import pytest
from picture_forms import every_form
from PIL import Image
from printed_pages import page
from slow_cases import others_slow
from tiny_checkpoint import draw_line

from trocr_gsa.data.line import Line
from trocr_gsa.reader import line_reader, pictures
from trocr_gsa.reader.pictures import load_line

GOOD = draw_line("good", 64)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that claims 30000 × 30000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def damaged() -> bytes:
    whole = saved(Image.effect_noise((300, 40), 60), "PNG")
    return whole[: len(whole) // 2]


BAD = {
    "missing.png": None,
    "empty.png": b"",
    "text.png": b"this is no picture",
    "damaged.png": damaged(),
    "bomb.png": bomb(),
    "dot.png": saved(Image.new("L", (1, 1)), "PNG"),
    "thread.png": saved(Image.new("L", (20000, 10)), "PNG"),
    "novel.png": saved(Image.new("L", (16 * 90, 16)), "PNG"),
}
ODD = {
    "deep.png": saved(Image.fromarray(np.asarray(GOOD).astype(np.uint16) * 257), "PNG"),
    "print.tif": saved(GOOD.convert("CMYK"), "TIFF"),
    "palette.png": saved(GOOD.convert("P"), "PNG"),
    "alpha.png": saved(GOOD.convert("RGBA"), "PNG"),
    "colour.jpg": saved(GOOD.convert("RGB"), "JPEG", quality=95),
    "moving.gif": saved(GOOD, "GIF", save_all=True, append_images=[Image.new("L", GOOD.size)]),
    "bilevel.png": saved(GOOD.convert("1"), "PNG"),
}


@pytest.fixture(scope="module")
def good(reader) -> Line:
    """The good picture, read by itself."""
    return reader.read([GOOD])[0]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_named_and_the_others_are_read(reader, good, tmp_path, name):
    path = tmp_path / name
    if BAD[name] is not None:
        path.write_bytes(BAD[name])
    before, bad, after = reader.read([GOOD, path, GOOD])
    assert (before.text, before.error) == (after.text, after.error) == (good.text, None)
    assert (bad.text, bad.confidence, bad.source) == ("", 0.0, str(path))
    assert bad.error.startswith(str(path))
    assert "\n" not in bad.error


def test_a_page_is_no_line_unless_it_was_cut_out_of_one(reader):
    (line,) = reader.read([page(3)])
    assert line.text == ""
    assert line.error.startswith("images[0]: looks like 3 lines")
    assert "segmented_pages" in line.error
    assert reader.read([page(3)], are_cut=True)[0].error is None
    assert reader.read([page(1)])[0].error is None


def test_an_empty_line_of_a_page_is_empty_too(reader, good):
    before, empty, after = reader.read([GOOD, Image.new("RGB", (300, 40), "ivory"), GOOD], are_cut=True)
    assert (empty.text, empty.error) == ("", None)
    assert "no writing" in empty.note
    assert before.text == after.text == good.text
    assert before.note is after.note is None


@pytest.mark.parametrize("beams", [1, 2])
def test_a_doubtful_picture_is_empty_where_the_reader_is_unsure_and_an_evident_line_is_not(reader, monkeypatch, beams):
    doubtful, evident = GOOD, page(1)
    kept = reader.read([doubtful, evident], num_beams=beams)
    monkeypatch.setattr(reader.model.config, "empty_paper_confidence", 1.0)
    empty, line = reader.read([doubtful, evident], num_beams=beams)
    assert (empty.text, empty.character_confidences, empty.error) == ("", (), None)
    assert "no writing" in empty.note
    assert (line.text, line.note) == (kept[1].text, None)
    assert kept[0].note is None


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    "exif", [b"", b"Exif", b"Exif\0\0\0M\0*\0\0\0\x08", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"\xff" * 99]
)
@pytest.mark.parametrize("kind", others_slow(["PNG", "JPEG", "WEBP"], "JPEG"))
def test_a_photo_whose_camera_wrote_nonsense_beside_it_is_read(reader, tmp_path, exif, kind):
    (tmp_path / "photo").write_bytes(saved(GOOD, kind, exif=exif, quality=95))
    line = reader.read([tmp_path / "photo"])[0]
    assert (line.error, line.note) == (None, None)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_large_picture_is_kept_small_and_turning_it_first_changes_nothing(mode, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_PIXELS", 3000)
    large = page(1).convert(mode)
    kept = load_line(large, "x", is_cut=False)
    turned = load_line(large.transpose(Image.Transpose.ROTATE_90), "x", is_cut=False)
    assert large.width * large.height > 3000 >= kept.image.width * kept.image.height
    np.testing.assert_array_equal(np.rot90(np.asarray(kept.image)), np.asarray(turned.image))
    assert load_line(GOOD, "x", is_cut=False).image.size == GOOD.size


def test_a_batch_holds_few_pixels_and_reads_every_picture(reader, monkeypatch):
    read, sizes = line_reader.read_images, []

    def counted(model, processor, images, *rest, **more):
        sizes.append(sum(image.width * image.height for image in images))
        return read(model, processor, images, *rest, **more)

    images = [draw_line("abc", 40 + 4 * (place % 5)) for place in range(12)]
    expected = [line.text for line in reader.read(images)]
    monkeypatch.setattr(line_reader, "BATCH_PIXELS", 3000)
    monkeypatch.setattr(line_reader, "read_images", counted)
    assert [line.text for line in reader.read(images)] == expected
    assert len(sizes) > 3
    assert max(sizes) < 3000 + 56 * 20


def test_an_array_too_large_for_memory_is_named_before_it_is_looked_at(reader):
    endless = np.broadcast_to(np.float64(1), (10**6, 10**6))  # takes no memory
    assert "more than 89,000,000 pixels" in reader.read([endless])[0].error


def test_a_folder_is_no_picture(reader, tmp_path):
    assert "folder" in reader.read([tmp_path])[0].error


class Broken:
    """What raises an error of its own when it is looked at."""

    def __array__(self, *_: object) -> np.ndarray:
        raise OSError("the server\nis gone")


def closed(kind: str) -> Image.Image:
    """A picture whose file was closed before its pixels were read."""
    image = Image.open(io.BytesIO(saved(GOOD, kind, save_all=True)))
    image.close()
    return image


def no_pictures() -> list:
    arrays = [np.zeros((20, 64, 2), np.uint8), np.zeros(64, np.uint8), np.full((20, 64), np.nan), np.array(["a"])]
    return [None, 7, object(), [], {}, {"bytes": 5}, {"path": 1}, "", b"", bytearray(9), io.BytesIO(b"x"), Broken(),
            Image.new("L", (0, 0)), closed("PNG"), closed("TIFF"), *arrays]  # fmt: skip


@pytest.mark.parametrize("place", range(len(no_pictures())))
def test_what_is_no_picture_is_named_and_the_others_are_read(reader, good, place):
    before, line, after = reader.read([GOOD, no_pictures()[place], GOOD])
    assert (before.text, before.error) == (after.text, after.error) == (good.text, None)
    assert (line.text, line.source) == ("", "images[1]")
    assert "images[1]" in line.error
    assert "\n" not in line.error


@pytest.mark.parametrize("images", [None, 7, "a.png", b"", GOOD, np.zeros((20, 64))])
def test_pictures_that_are_no_list_are_an_error_that_says_so(reader, images):
    with pytest.raises(ValueError, match="`images` must be a list of pictures, got"):
        reader.read(images)


@pytest.mark.parametrize("path", ["a\0b.png", 300 * "x" + ".png", 5000 * "x", "/dev/null", __file__ + "/x"])
def test_a_path_that_no_file_can_have_is_named(reader, path):
    assert reader.read([path])[0].error.startswith(path)


@pytest.mark.parametrize("form", every_form(np.asarray(GOOD)).values(), ids=every_form(np.asarray(GOOD)))
def test_a_picture_in_any_form_is_read_alike(reader, good, form):
    line = reader.read([form])[0]
    assert (line.text, line.confidence, line.error) == (good.text, good.confidence, None)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_picture_is_read(reader, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(ODD[name])
    line = reader.read([path])[0]
    assert (line.error, line.source) == (None, str(path))


def test_a_photo_is_read_as_viewers_show_it(reader, good, tmp_path):
    """Orientation 6 asks a viewer to turn the stored picture by 270 degrees counter-clockwise."""
    path = tmp_path / "photo.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    GOOD.rotate(90, expand=True).save(path, exif=exif)
    assert reader.read([path])[0].orientation == good.orientation
