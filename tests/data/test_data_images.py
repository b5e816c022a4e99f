import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from trocr_gsa.data import ImageError, frames, images, load_image, pages_of
from trocr_gsa.data.images import MAX_PIXELS, image_size, read_header

GRADIENT = np.tile(np.linspace(0, 255, 60), (30, 1)).astype(np.uint8)


def encoded(image, format="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def grey(image):
    return np.asarray(image.convert("L"), dtype=int)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"nowhere\.png: no such file"):
        load_image(tmp_path / "nowhere.png")


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(ImageError, match="is a folder"):
        load_image(tmp_path)


@pytest.mark.parametrize("given", ["file", "bytes", "dict"])
def test_an_empty_file_is_named(tmp_path, given):
    path = tmp_path / "empty.png"
    path.touch()
    source = {"file": path, "bytes": b"", "dict": {"bytes": b"", "path": "empty.png"}}[given]
    with pytest.raises(ImageError, match=r"empty \(0 bytes\)"):
        load_image(source)


def test_text_is_no_picture(tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("this is no picture")
    with pytest.raises(ImageError, match=r"notes\.png: not a picture"):
        load_image(str(path))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_a_truncated_picture_is_named(tmp_path, format):
    path = tmp_path / f"half.{format.lower()}"
    content = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90), dtype=np.uint8)), format)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match=path.name):
        load_image(path)


@pytest.mark.parametrize("size", [(1, 1), (300, 1), (1, 300), (2, 2)])
def test_a_picture_too_small_for_text_is_refused(size):
    with pytest.raises(ImageError, match="too small"):
        load_image(Image.new("L", size))


@pytest.mark.parametrize("size", [(20000, 10), (10, 20000)])
def test_a_picture_far_too_long_is_refused(size):
    with pytest.raises(ImageError, match=r"100 times as long as high\. Cut it into lines"):
        load_image(encoded(Image.new("L", size)), name="strip.png")


@pytest.mark.parametrize("side", [int(MAX_PIXELS**0.5) + 100, 60_000])
def test_a_decompression_bomb_is_refused_before_it_unpacks(side):
    header = b"P5 %d %d 255\n" % (side, side)  # a grey map of a few bytes that claims to be huge
    with pytest.raises(ImageError, match="when unpacked"):
        load_image({"bytes": header, "path": "bomb.pgm"})


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(format):
    deep = Image.fromarray(GRADIENT.astype(np.uint16) * 257)
    image = load_image(encoded(deep, format))
    assert image.mode == "L"
    np.testing.assert_array_equal(np.asarray(image), GRADIENT)


@pytest.mark.parametrize(
    "values", [GRADIENT.astype(np.float32) / 255, GRADIENT.astype(np.float32), GRADIENT.astype(np.int32) * 257]
)
def test_floats_and_wide_integers_are_scaled_to_eight_bits(values):
    np.testing.assert_array_equal(np.asarray(load_image(Image.fromarray(values))), GRADIENT)


def test_cmyk_becomes_rgb():
    image = load_image(encoded(Image.fromarray(GRADIENT).convert("RGB").convert("CMYK"), "JPEG", quality=95))
    assert image.mode == "RGB"
    assert np.abs(grey(image) - GRADIENT).max() < 12


def test_a_palette_becomes_its_colours():
    image = load_image(encoded(Image.fromarray(GRADIENT).convert("RGB").quantize(64)))
    assert image.mode == "RGB"
    assert np.abs(grey(image) - GRADIENT).max() < 12


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_becomes_white(mode):
    clear = Image.new("RGBA", (60, 30), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 30, 30))
    image = grey(load_image(clear.convert(mode)))
    assert image[:, :30].max() == 0
    assert image[:, 30:].min() == 255


def test_what_is_transparent_is_laid_over_white_in_parts_as_it_were_in_one():
    pixels = np.random.default_rng(0).integers(0, 256, (600, 40, 4), dtype=np.uint8)
    clear = Image.fromarray(pixels)
    whole = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    assert (np.asarray(load_image(clear)) == np.asarray(whole)).all()


def test_a_transparent_palette_becomes_white():
    clear = Image.new("P", (60, 30), 1)
    clear.putpalette([0, 0, 0, 0, 0, 0])
    clear.info["transparency"] = 1
    assert grey(load_image(encoded(clear, transparency=1))).min() == 255


def test_black_and_white_becomes_grey():
    image = load_image(Image.fromarray(GRADIENT).convert("1"))
    assert image.mode == "L"
    assert set(np.unique(np.asarray(image))) == {0, 255}


def test_the_cameras_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned: show it rotated clockwise by 90 degrees
    content = encoded(Image.fromarray(GRADIENT), "JPEG", quality=95, exif=exif)
    image = load_image(content)
    assert image.size == image_size(content) == (30, 60)
    assert np.abs(np.asarray(image, dtype=int) - np.rot90(GRADIENT, -1)).max() < 12


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_known_before_the_picture_is_decoded(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(GRADIENT), format, exif=exif)
    assert image_size(content) == load_image(content).size == ((60, 30) if orientation < 5 else (30, 60))


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_an_uncompressed_tiff_is_the_same_picture_by_path_and_from_memory(tmp_path, mode, orientation):
    """Pillow itself scrambles such a file if it opens it by its path: width and height are exchanged."""
    levels = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    image = Image.fromarray(levels.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(levels).convert(mode)
    path = tmp_path / "scan.tif"
    image.save(path, tiffinfo={ExifTags.Base.Orientation: orientation})
    by_path = load_image(path)
    assert by_path.size == read_header(path).size == ((60, 40) if orientation == 3 else (40, 60))
    assert np.array_equal(by_path, load_image(path.read_bytes()))
    quarters = {3: 2, 6: -1, 8: 1}[orientation]
    assert np.array_equal(grey(by_path), np.rot90(levels, quarters))


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("L", (60, 30), value) for value in (10, 200)]
    image = load_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert np.unique(grey(image)) == [10]


def test_a_good_picture_is_unchanged_and_the_callers_stays_open():
    mine = Image.fromarray(GRADIENT)
    np.testing.assert_array_equal(np.asarray(load_image(mine)), GRADIENT)
    np.testing.assert_array_equal(np.asarray(mine), GRADIENT)


def multi(*sizes, **options):
    pages = [Image.new("L", size, 40 * place + 40) for place, size in enumerate(sizes)]
    return encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:], **options)


def test_a_tiff_of_several_pages_is_refused_until_one_is_asked_for(tmp_path):
    path = tmp_path / "multi.tif"
    path.write_bytes(multi((60, 30), (50, 40), (70, 20)))
    for source in (path, str(path), path.read_bytes(), {"bytes": path.read_bytes(), "path": "multi.tif"}):
        with pytest.raises(ImageError, match="has 3 pages"):
            load_image(source)
    found = [load_image(page) for page in pages_of(path)]
    assert [image.size for image in found] == [(60, 30), (50, 40), (70, 20)]
    assert [image.getpixel((0, 0)) for image in found] == [40, 80, 120]
    assert [str(page) for page in pages_of(path)] == [f"{tmp_path}/multi-000{number}.tif" for number in (1, 2, 3)]
    assert [image_size(page) for page in pages_of(path)] == [image.size for image in found]


def test_a_page_that_is_not_there_any_more_is_named(tmp_path):
    path = tmp_path / "multi.tif"
    path.write_bytes(multi((60, 30), (50, 40)))
    gone = frames.PicturePage(path, 3)
    with pytest.raises(ImageError, match=r"multi-0003\.tif: the file has 2 pages"):
        load_image(gone)


def test_small_copies_and_masks_in_a_tiff_are_no_pages(tmp_path):
    path = tmp_path / "scan.tif"
    for kind in (1, 4):
        page, copy = Image.new("L", (60, 30), 9), Image.new("L", (30, 15), 99)
        copy.encoderinfo = {"tiffinfo": {254: kind}}
        page.save(path, save_all=True, append_images=[copy])
        assert pages_of(path) == [path]
        assert load_image(path).getpixel((0, 0)) == 9
        copy.encoderinfo = {}
        page.encoderinfo = {}
    page.save(path, save_all=True, append_images=[copy])
    assert len(pages_of(path)) == 2  # the control


def test_a_tiff_of_too_many_pages_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "MAX_PAGES", 2)
    path = tmp_path / "multi.tif"
    path.write_bytes(multi((60, 30), (50, 40), (70, 20)))
    assert pages_of(path) == [path]
    with pytest.raises(ImageError, match="more than 2 pages"):
        load_image(path)


@pytest.mark.parametrize("content", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"no picture", None])
def test_what_cannot_be_opened_is_one_page_for_the_loader_to_tell(tmp_path, content):
    path = tmp_path / "bad.tif"
    if content is not None:
        path.write_bytes(content)
    assert pages_of(path) == [path]
    with pytest.raises(ImageError, match=r"bad\.tif"):
        load_image(path)


def test_an_open_tiff_stands_for_the_page_that_it_shows_and_a_note_says_so(tmp_path):
    path = tmp_path / "multi.tif"
    path.write_bytes(multi((60, 30), (50, 40)))
    with Image.open(path) as image:
        image.seek(1)
        assert load_image(image).size == (50, 40)
        assert read_header(image).unread == "page 2 of 2 was read"
    assert read_header(GRADIENT).unread is None


SCANS = {
    "grey.png": ("L", "PNG"),
    "colour.png": ("RGB", "PNG"),
    "palette.png": ("P", "PNG"),
    "clear.png": ("RGBA", "PNG"),
    "bilevel.tif": ("1", "TIFF"),
    "deep.png": ("I;16", "PNG"),
    "colour.tif": ("RGB", "TIFF"),
    "print.tif": ("CMYK", "TIFF"),
    "grey.jpg": ("L", "JPEG"),
    "colour.jpg": ("RGB", "JPEG"),
}


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize(("mode", "format"), SCANS.values(), ids=SCANS)
def test_a_large_scan_is_read_in_grey_where_its_lines_are_known(monkeypatch, mode, format, orientation):
    """In strips, which leave no trace."""
    monkeypatch.setattr(images, "STRIP", 700)
    values = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    picture = Image.fromarray(values if mode in ("RGB", "CMYK") else values[..., 0]).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(picture, format, exif=exif, **({"quality": 95} if format == "JPEG" else {}))
    expected = np.asarray(load_image(content).convert("L"), dtype=int)
    monkeypatch.setattr(images, "MAX_PIXELS", 2399)
    with pytest.raises(ImageError, match="more than 2,399 pixels"):
        load_image(content)
    scan = load_image(content, is_scan=True)
    assert scan.mode == "L"
    assert read_header(content, is_scan=True).size == scan.size
    assert np.abs(np.asarray(scan, dtype=int) - expected).max() <= (12 if format == "JPEG" else 0)


def test_a_scan_that_memory_does_not_hold_is_refused_before_it_is_unpacked():
    header = b"P6 40000 40000 255\n"
    with pytest.raises(ImageError, match="40000 × 40000 pixels is more than can be unpacked in memory"):
        load_image(header, "page.ppm", is_scan=True)


def test_a_lack_of_memory_is_not_told_as_damage(monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("trocr_gsa.model.pictures.as_picture", fail)
    with pytest.raises(ImageError, match=r"line\.png: too little memory for 60 × 30"):
        load_image(encoded(Image.fromarray(GRADIENT)), "line.png")


def test_pillows_own_limit_is_as_before():
    before = Image.MAX_IMAGE_PIXELS
    load_image(encoded(Image.fromarray(GRADIENT)))
    with pytest.raises(ImageError):
        load_image(b"no picture")
    assert before == Image.MAX_IMAGE_PIXELS
