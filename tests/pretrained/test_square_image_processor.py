"""Square pictures are the stock processor's for lying lines, and turn with the page."""

import numpy as np
import pytest
import torch
from picture_forms import every_form
from PIL import Image
from transformers import AutoImageProcessor
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from trocr_gsa import PointGroup, SquareImageProcessor

SIDE = 48
HALF = [0.5, 0.5, 0.5]
OFTEN = {"image_mean": HALF, "image_std": HALF}
UNEQUAL = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SIZES = [(200, 30), (97, 96), (30, 20), (701, 333), (2, 2), (1501, 40), (SIDE, SIDE)]


def noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def written(side: int) -> Image.Image:
    """A square with upright strokes on its middle line."""
    values = np.full((side, side, 3), 230, dtype=np.uint8)
    for stroke in range(4, side - 4, 7):
        values[side // 3 : side // 2 + stroke % 5, stroke : stroke + 2] = 20
    return Image.fromarray(values)


def stock(resample: int, settings: dict) -> ViTImageProcessorPil:
    return ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}, resample=resample, **settings)


def squash(image, resample: int = 2, **settings):
    return SquareImageProcessor(SIDE, resample, **settings)(image)["pixel_values"]


def turned(image: Image.Image, group: PointGroup, element: int) -> Image.Image:
    pixels = group.transform_image(torch.from_numpy(np.array(image)).permute(2, 0, 1), element)
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


@pytest.mark.parametrize("settings", [OFTEN, UNEQUAL], ids=["half", "imagenet"])
@pytest.mark.parametrize("resample", [2, 3], ids=["bilinear", "bicubic"])
@pytest.mark.parametrize("size", SIZES)
def test_a_lying_picture_is_the_stock_processors_bit_for_bit(size, resample, settings):
    image = noise(*size)
    expected = stock(resample, settings)(image, return_tensors="pt")["pixel_values"]
    found = squash(image, resample, **settings)
    if size[0] == size[1] != SIDE:
        assert (found - expected).abs().max() < 26 / 255 / 0.224  # it may be taken to stand: another order of rounding
    else:
        assert torch.equal(found, expected)
    assert found.dtype == expected.dtype


def test_deits_processor_is_met_too():
    deit = DeiTImageProcessorPil(size={"height": SIDE, "width": SIDE}, do_center_crop=False, **OFTEN)
    expected = deit(noise(200, 30), return_tensors="pt")["pixel_values"]
    assert torch.equal(squash(noise(200, 30), resample=3), expected)


@pytest.mark.parametrize("resample", [1, 2, 3, 5], ids=["lanczos", "bilinear", "bicubic", "hamming"])
@pytest.mark.parametrize("size", [*SIZES, (130, 130), (131, 131)])
def test_a_turned_or_mirrored_picture_is_the_tensor_turned_or_mirrored(size, resample):
    group = PointGroup.from_name("D4")
    image = noise(*size)
    upright = squash(image, resample)
    for element in range(group.order):
        assert torch.equal(squash(turned(image, group, element), resample), group.transform_image(upright, element))


def test_the_stock_processor_does_not_commute():
    """The control: a quarter turn of a picture nearly square is rounded elsewhere."""
    process = stock(3, OFTEN)
    lying, standing = (
        process(image, return_tensors="pt")["pixel_values"]
        for image in (noise(97, 96), noise(97, 96).transpose(Image.Transpose.ROTATE_90))
    )
    assert (lying.rot90(1, (2, 3)) - standing).abs().max() > 1 / 255


@pytest.mark.parametrize("side", [70, 131])
@pytest.mark.parametrize("resample", [2, 3])
def test_a_square_with_upright_strokes_lies(side, resample):
    image = written(side)
    expected = stock(resample, OFTEN)(image, return_tensors="pt")["pixel_values"]
    assert torch.equal(squash(image, resample), expected)
    standing = squash(image.transpose(Image.Transpose.ROTATE_90), resample)
    assert torch.equal(standing, expected.rot90(1, (2, 3)))


@pytest.mark.parametrize("resample", [0, 4], ids=["nearest", "box"])
def test_a_filter_that_is_not_symmetric_is_refused(resample):
    row = noise(32, 2)
    mirrored = row.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((SIDE, 2), resample)
    assert mirrored.transpose(Image.Transpose.FLIP_LEFT_RIGHT) != row.resize((SIDE, 2), resample)  # as Pillow does it
    with pytest.raises(ValueError, match=f"`resample` must be the number of a symmetric filter.*got {resample}"):
        SquareImageProcessor(SIDE, resample)


def test_a_batch_is_its_pictures_one_by_one():
    images = [noise(200, 30), noise(30, 200), noise(64, 64)]
    together = squash(images)
    assert together.shape == (3, 3, SIDE, SIDE)
    assert all(torch.equal(together[index : index + 1], squash(image)) for index, image in enumerate(images))


def test_the_same_picture_in_any_form_is_the_same_square():
    grey = np.array(noise(90, 20).convert("L"))
    expected = squash(Image.fromarray(grey).convert("RGB"))
    for name, form in every_form(grey).items():
        assert torch.equal(squash(form), expected), name


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Image.new("RGB", (1, 1)), r"`images\[1\]` must be at least 2 pixels high and wide, got 1×1"),
        (np.zeros((0, 20), np.uint8), r"`images\[1\]` must be at least 2 pixels high and wide, got 20×0"),
        (np.zeros((2, 20, 60), np.uint8), r"`images\[1\]` must be a PIL image or an array.* uint8 of shape \(2, 20"),
        (np.full((20, 60), np.nan), r"`images\[1\]` must hold finite numbers"),
        (np.full((20, 60), np.inf, np.float32), r"`images\[1\]` must hold finite numbers"),
        ("line.png", r"`images\[1\]` must be a PIL image or an array"),
        (None, r"`images\[1\]` must be a PIL image or an array"),
    ],
    ids=lambda bad: "" if isinstance(bad, str) else type(bad).__name__,
)
def test_what_is_no_picture_is_one_clear_error_that_names_it(bad, message):
    with pytest.raises(ValueError, match=message):
        squash([noise(60, 20), bad])


def test_no_picture_at_all_is_said():
    with pytest.raises(ValueError, match="`images` must hold at least one"):
        squash([])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": {"height": 48, "width": 64}}, "`size` must be one side .* equal height and width"),
        ({"size": {"shortest_edge": 48}}, "`size` must be one side"),
        ({"size": 0}, "`size` must be one side"),
        ({"size": 50}, "`size` must be a multiple of `patch_size` = 16, got 50"),
        ({"patch_size": 0}, "`patch_size`"),
        ({"resample": 99}, "`resample`"),
        ({"image_mean": [0.5]}, "`image_mean`"),
        ({"image_std": [0.5, 0.0, 0.5]}, "`image_std`"),
    ],
)
def test_impossible_squares_name_their_field(settings, message):
    with pytest.raises(ValueError, match=message):
        SquareImageProcessor(**settings)


def test_every_picture_has_as_many_patches():
    process = SquareImageProcessor(size=384, patch_size=16)
    assert process.num_patches(2000, 30) == process.num_patches(3, 4) == process.max_patches == 576


def test_a_saved_square_processor_is_loaded_as_one(tmp_path):
    SquareImageProcessor(SIDE, 3, **UNEQUAL, patch_size=8).save_pretrained(tmp_path)
    loaded = AutoImageProcessor.from_pretrained(tmp_path)
    assert type(loaded) is SquareImageProcessor
    assert loaded.max_patches == 36
    assert torch.equal(loaded(noise(90, 20))["pixel_values"], squash(noise(90, 20), 3, **UNEQUAL))
