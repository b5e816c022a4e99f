import io

import numpy as np
import pytest
from PIL import Image

from trocr_gsa.data import ImageError, load_image
from trocr_gsa.data.images import MAX_PIXELS, image_size

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


def test_a_transparent_palette_becomes_white():
    clear = Image.new("P", (60, 30), 1)
    clear.putpalette([0, 0, 0, 0, 0, 0])
    clear.info["transparency"] = 1
    assert grey(load_image(encoded(clear, transparency=1))).min() == 255


def test_black_and_white_becomes_grey():
    image = load_image(Image.fromarray(GRADIENT).convert("1"))
    assert image.mode == "L"
    assert set(np.unique(image)) == {0, 255}


def test_the_cameras_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned: show it rotated clockwise by 90 degrees
    content = encoded(Image.fromarray(GRADIENT), "JPEG", quality=95, exif=exif)
    image = load_image(content)
    assert image.size == image_size(content) == (30, 60)
    assert np.abs(np.asarray(image, dtype=int) - np.rot90(GRADIENT, -1)).max() < 12


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("L", (60, 30), value) for value in (10, 200)]
    image = load_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert np.unique(grey(image)) == [10]


def test_a_good_picture_is_unchanged_and_the_callers_stays_open():
    mine = Image.fromarray(GRADIENT)
    np.testing.assert_array_equal(np.asarray(load_image(mine)), GRADIENT)
    np.testing.assert_array_equal(np.asarray(mine), GRADIENT)
