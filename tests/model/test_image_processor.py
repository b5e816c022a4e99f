"""Preprocessing commutes with turning the image, keeps its aspect, and refuses what is no line."""

import numpy as np
import pytest
import torch
from picture_forms import every_form
from PIL import Image, ImageDraw

from trocr_gsa import PointGroup, TrOCRGSAImageProcessor
from trocr_gsa.model.patches import patch_positions, see_from_poses

PATCH = 8
SIZES = [(160, 16), (211, 37), (64, 11), (640, 100), (33, 33), (50, 49), (17, 120), (2, 3), (1500, 30)]


@pytest.fixture
def process():
    return TrOCRGSAImageProcessor(line_height=2 * PATCH, patch_size=PATCH)


def drawn(width: int, height: int) -> Image.Image:
    """Ink of some greys on uneven paper, and no symmetry."""
    paper = 200 + 30 * np.sin(np.arange(width) / 9)[None] + 20 * np.cos(np.arange(height) / 5)[:, None]
    image = Image.fromarray(paper.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.line((width * 0.1, height * 0.2, width * 0.6, height * 0.7), fill=20, width=max(1, height // 9))
    pen.rectangle((width * 0.7, height * 0.1, width * 0.8, height * 0.6), fill=90)
    return image


def turned(image: Image.Image, element: int) -> Image.Image:
    """What Pillow makes of an element of D4: first the mirror, then the turn."""
    if element >= 4:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image.rotate(90 * (element % 4), expand=True)


def patches_of(out, line: int = 0) -> torch.Tensor:
    """A line's own patches, without what is padding to a model."""
    return out["pixel_values"][line, out["pixel_attention_mask"][line]]


def patches_by_position(out) -> dict[tuple[float, float], torch.Tensor]:
    patches = patches_of(out)
    positions = patch_positions(out["spatial_shapes"], len(patches))[0]
    return {tuple(x.tolist()): patch for x, patch in zip(positions, patches, strict=True)}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("element", range(8))
def test_turning_the_image_turns_the_patches_and_their_places(process, element, size):
    group, image = PointGroup.from_name("D4"), drawn(*size)
    upright, after = (patches_by_position(process(x)) for x in (image, turned(image, element)))
    assert len(after) == len(upright)
    for position, patch in upright.items():
        moved = group.matrices[element].float() @ torch.tensor(position)
        # (g⁻¹)⁻¹·patch: what the pose g⁻¹ sees is the patch turned by g
        expected = see_from_poses(patch[None, None], group, PATCH)[0, group.inverse[element], 0]
        assert (after[tuple(moved.tolist())] - expected).abs().max() < 1e-6


def test_a_half_turn_alone_would_be_seen(process):
    """The control: patches in the same order and as they lie are far from equal."""
    image = drawn(211, 37)
    difference = process(image)["pixel_values"] - process(turned(image, 2))["pixel_values"]
    assert difference.abs().max() > 1


@pytest.mark.parametrize(
    ("size", "shape"),
    [((160, 16), (2, 20)), ((320, 32), (2, 20)), ((80, 8), (2, 20)), ((16, 160), (20, 2)), ((33, 33), (2, 2))],
)
def test_the_short_side_becomes_the_line_height_and_the_aspect_is_kept(process, size, shape):
    out = process(drawn(*size))
    assert out["spatial_shapes"].tolist() == [list(shape)]
    assert process.num_patches(*size) == shape[0] * shape[1] == len(patches_of(out))


def test_padding_is_paper_and_lies_at_both_ends_alike(process):
    pixels = np.full((16, 100), 220, dtype=np.uint8)
    pixels[:, :50], pixels[:, 50:60] = 219, 0  # not quite half of it is 220
    out = process(pixels)  # 100 pixels in 13 patches of 8: two more at each end
    assert out["spatial_shapes"].tolist() == [[2, 13]]
    rows = patches_of(out).view(2, 13, PATCH, PATCH).transpose(1, 2).reshape(16, 104)
    left, right = rows[:, :2].unique(), rows[:, -2:].unique()
    assert torch.equal(left, right)
    assert torch.equal(left, rows[0, 2:3])  # 219, the median: neither the ink nor the mean
    assert rows[0, -3] != right


def test_an_image_of_the_right_size_is_cut_as_it_is(process):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24), dtype=np.uint8)
    out = process(pixels)
    scaled = (torch.tensor(pixels).float() - pixels.mean()) / pixels.std(ddof=1)
    assert torch.allclose(out["pixel_values"][0, 1], scaled[:8, 8:16].flatten(), atol=1e-5)
    assert torch.allclose(out["pixel_values"][0, 3], scaled[8:, :8].flatten(), atol=1e-5)


def test_every_line_has_mean_0_and_deviation_1(process):
    for size in ((160, 16), (16, 80)):
        values = patches_of(process(drawn(*size)))
        assert abs(values.mean()) < 1e-5
        assert abs(values.std() - 1) < 1e-5


def test_lines_of_unlike_shapes_share_a_batch_with_padding_at_its_end(process):
    images = [drawn(160, 16), drawn(16, 48), drawn(30, 30)]
    together = process(images)
    assert together["pixel_values"].shape == (3, 41, PATCH * PATCH)  # the longest, and what says its shape
    assert together["pixel_attention_mask"].sum(1).tolist() == [40, 12, 4]
    assert together["spatial_shapes"].tolist() == [[2, 20], [6, 2], [2, 2]]
    for line, image in enumerate(images):
        alone = process(image)["pixel_values"][0]
        assert torch.equal(together["pixel_values"][line, : len(alone)], alone)
        assert (together["pixel_values"][line, len(alone) :] == 0).all()
        assert together["pixel_attention_mask"][line, : len(alone) - 1].all()


def test_the_same_picture_in_any_form_is_the_same_line(process):
    grey = np.asarray(drawn(90, 20))
    expected = process(Image.fromarray(grey))["pixel_values"]
    for name, form in every_form(grey).items():
        assert (process(form)["pixel_values"] - expected).abs().max() < 1e-4, name


def test_colour_is_kept_where_the_model_sees_colour():
    process = TrOCRGSAImageProcessor(line_height=PATCH, patch_size=PATCH, num_channels=3)
    pixels = np.zeros((PATCH, PATCH, 3), dtype=np.uint8)
    pixels[..., 2] = 255
    red, green, blue = process(pixels)["pixel_values"][0, 0].view(3, -1)
    assert (blue > red).all()
    assert torch.equal(red, green)
    grey = process(np.arange(64, dtype=np.float32).reshape(8, 8))["pixel_values"][0, 0].view(3, -1)
    assert torch.equal(grey[0], grey[2])


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_image_gives_zeros_and_no_nan(process, value):
    assert (patches_of(process(Image.new("L", (70, 20), value))).abs() < 1e-3).all()


def test_noise_of_less_than_a_grey_level_is_not_blown_up(process):
    faint = 128 + 1e-2 * np.random.default_rng(0).standard_normal((16, 64))
    assert patches_of(process(faint)).abs().max() < 0.1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Image.new("L", (1, 1)), r"`images\[1\]` must be at least 2 pixels high and wide, got 1×1"),
        (Image.new("L", (500, 1)), r"`images\[1\]` must be at least 2 pixels high and wide, got 500×1"),
        (
            Image.new("L", (20000, 10)),
            r"`images\[1\]` is 20000×10 pixels and needs 8000 patches, .*`max_patches` = 1024",
        ),
        (Image.new("L", (10, 20000)), r"`images\[1\]` is 10×20000 pixels and needs 8000 patches"),
        (np.zeros((0, 20), np.uint8), r"`images\[1\]` must be at least 2 pixels high and wide, got 20×0"),
        (
            np.zeros((2, 20, 60), np.uint8),
            r"`images\[1\]` must be a PIL image or an array.* got uint8 of shape \(2, 20",
        ),
        (np.zeros((20, 60, 2)), r"`images\[1\]` must be a PIL image or an array.* got float64"),
        (np.zeros((1, 1, 20, 60)), r"`images\[1\]` must be .* got float64 of shape \(1, 1, 20, 60\)"),
        (np.full((20, 60), np.nan), r"`images\[1\]` must hold finite numbers"),
        ("line.png", r"`images\[1\]` must be a PIL image or an array"),
        (None, r"`images\[1\]` must be a PIL image or an array"),
    ],
    ids=lambda bad: "" if isinstance(bad, str) else type(bad).__name__,
)
def test_what_is_no_line_is_one_clear_error_that_names_the_image(process, bad, message):
    with pytest.raises(ValueError, match=message):
        process([drawn(60, 20), bad])


def test_the_longest_line_is_a_setting():
    image = drawn(160, 16)
    assert TrOCRGSAImageProcessor(line_height=16, patch_size=8, max_patches=40)(image)["spatial_shapes"].tolist()
    with pytest.raises(ValueError, match="needs 40 patches, more than `max_patches` = 39"):
        TrOCRGSAImageProcessor(line_height=16, patch_size=8, max_patches=39)(image)


def test_no_image_at_all_is_said(process):
    with pytest.raises(ValueError, match="`images` must hold at least one"):
        process([])


def test_an_option_that_does_not_exist_is_not_swallowed(process):
    with pytest.raises(TypeError, match="line_hight"):
        process(drawn(60, 20), line_hight=32)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"line_height": 50, "patch_size": 16}, "`line_height`"),
        ({"line_height": 0}, "`line_height`"),
        ({"line_height": 21, "patch_size": 7}, "`patch_size`"),
        ({"patch_size": 0}, "`patch_size`"),
        ({"num_channels": 2}, "`num_channels`"),
        ({"line_height": 48.0}, "`line_height` must be a whole number above 0, got 48.0"),
        ({"max_patches": 0}, "`max_patches` must be a whole number above 0, got 0"),
        ({"max_patches": None}, "`max_patches` must be a whole number above 0, got None"),
    ],
)
def test_impossible_settings_name_their_field(settings, field):
    with pytest.raises(ValueError, match=field):
        TrOCRGSAImageProcessor(**settings)
