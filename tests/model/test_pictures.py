"""The loader: what levels mean is recognised by their range, and refused where that is in doubt."""

import numpy as np
import pytest
import torch
from picture_forms import every_form
from PIL import Image, ImageCms

from trocr_gsa.data import ImageError, load_image
from trocr_gsa.model.pictures import PictureError, as_picture, eight_bit

GREY = np.tile(np.linspace(0, 255, 60), (30, 1)).astype(np.uint8)
FORMS = every_form(GREY)


@pytest.mark.parametrize("name", FORMS)
def test_a_reader_and_a_processor_see_the_same_pixels_in_any_form(name):
    seen, loaded = as_picture(FORMS[name], "x"), load_image(FORMS[name])
    assert (seen.mode, seen.tobytes()) == (loaded.mode, loaded.tobytes())
    np.testing.assert_array_equal(np.asarray(seen.convert("L")), GREY)


@pytest.mark.parametrize("mode", ["LAB", "YCbCr", "HSV", "RGBX", "RGBa", "PA", "La"])
def test_colours_of_any_space_are_seen_as_a_viewer_shows_them(mode):
    colours = Image.merge("RGB", [Image.fromarray(np.roll(GREY, shift, axis=1)) for shift in (0, 7, 19)])
    if mode in ("PA", "La"):
        stored = Image.fromarray(GREY).convert("LA").convert(mode)
        colours = Image.fromarray(GREY)
    elif mode == "LAB":
        stored = ImageCms.profileToProfile(
            colours, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    else:
        stored = colours.convert("RGBA").convert(mode) if mode == "RGBa" else colours.convert(mode)
    seen = as_picture(stored, "x").convert("RGB")
    difference = np.asarray(seen, dtype=int) - np.asarray(colours.convert("RGB"), dtype=int)
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize("kind", ["I;16", "I;16B", "I", "F"])
def test_a_deep_picture_is_the_same_in_every_mode(kind):
    deep = Image.fromarray((GREY.astype(np.int32) * 257) if kind != "F" else GREY.astype(np.float32))
    scaled = eight_bit(deep if kind in "IF" else deep.convert(kind), "x")
    np.testing.assert_array_equal(np.asarray(scaled), GREY)


@pytest.mark.parametrize(
    ("levels", "found"),
    [
        (np.linspace(-1, 1, 60), "-1 … 1"),
        (np.linspace(-0.3, 200, 60), "-0.3 … 200"),
        (np.linspace(0, 1.3, 60), "0 … 1.3"),
        (np.linspace(0, 15, 60), "0 … 15"),
        (np.linspace(0, 300, 60), "0 … 300"),
        (np.linspace(0, 65535, 60), "0 … 65535"),
        (np.arange(60) - 5, "-5 … 54"),
        (np.arange(60) * 2000, "0 … 118000"),
        (np.arange(60) * 60, "0 … 3540"),
        (np.array([0, np.inf] * 30), "infinity"),
    ],
)
@pytest.mark.parametrize("form", ["array", "tensor", "image"])
def test_levels_on_no_known_scale_are_refused_with_what_was_found(levels, found, form):
    array = np.tile(levels, (30, 1))
    deep = array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
    with pytest.raises(PictureError, match=f"^line.*{found}"):
        as_picture({"array": array, "tensor": torch.tensor(array), "image": Image.fromarray(deep)}[form], "line")
    with pytest.raises(ImageError, match=f"^line.*{found}"):
        load_image(array, "line")


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int64])
def test_integers_of_0_and_1_may_be_a_mask_and_are_refused(kind):
    mask = (GREY > 128).astype(kind)
    for array in (mask, torch.tensor(mask), np.dstack([mask] * 3)):
        with pytest.raises(PictureError, match=r"^line: integers of 0 and 1 may be a mask, which has the type bool"):
            as_picture(array, "line")
    assert as_picture(np.zeros_like(mask), "line").getextrema() == (0, 0)
    assert as_picture(mask.astype(bool), "line").getextrema() == (0, 255)


def test_floats_may_leave_their_range_by_rounding():
    rounded = GREY / 255 * (1 + 1e-6) - 1e-7
    np.testing.assert_array_equal(np.asarray(as_picture(rounded, "x")), GREY)


def test_black_and_white_of_truth_values():
    assert np.asarray(as_picture(GREY > 100, "x"))[0, [0, -1]].tolist() == [0, 255]


@pytest.mark.parametrize("clear", [np.float64, np.uint8])
def test_clear_parts_of_an_array_are_white(clear):
    pixels = np.zeros((20, 30, 4), dtype=clear)
    pixels[:, :10, 3] = 1 if clear is np.float64 else 255
    grey = np.asarray(as_picture(pixels, "x").convert("L"))
    assert (grey[0, 0], grey[0, 20]) == (0, 255)


def test_a_picture_is_turned_as_its_camera_says_whoever_loads_it():
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(GREY)
    stored.info["exif"] = exif.tobytes()
    assert as_picture(stored, "x").size == load_image(stored).size == (30, 60)


def test_a_tensor_with_a_gradient_is_no_picture():
    with pytest.raises(PictureError, match="line must be a PIL image or an array"):
        as_picture(torch.zeros(20, 60, requires_grad=True), "line")
