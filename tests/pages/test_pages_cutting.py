"""Lines are cut along their polygons, levelled to the nearest quarter turn, and no further."""

import numpy as np
import pytest
from page_makers import INK, PAPER, draw_page, turn
from PIL import Image, ImageFilter

from trocr_gsa.data.images import ImageError
from trocr_gsa.data.pages import LineCut

SIZE = (400, 300)
BOX = np.array([[50, 50], [350, 50], [350, 90], [50, 90]], dtype=float)


def difference(a: Image.Image, b: Image.Image) -> float:
    """Mean difference of two pictures of nearly one size, edges and fractions of a pixel aside."""
    width, height = min(a.width, b.width), min(a.height, b.height)
    blurred = [np.asarray(image.filter(ImageFilter.GaussianBlur(1.5)), dtype=float) for image in (a, b)]
    first, second = (values[3 : height - 3, 3 : width - 3] for values in blurred)
    return float(np.abs(first - second).mean())


def cut_of(text: str, angle: float) -> tuple[Image.Image, LineCut, Image.Image]:
    """A drawn line, cut, how it was cut, and the line as it was drawn, before it was turned."""
    page, (line,) = draw_page([text], [angle])
    cut = LineCut.of(line.polygon, line.baseline, page.size, "line")
    return cut.cut(page), cut, line.upright


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_a_line_at_a_quarter_turn_is_cut_as_it_stands(angle):
    image, cut, upright = cut_of("Quarter turns", angle)
    expected = upright.rotate(angle, expand=True)
    assert cut.skew == 0
    assert max(abs(a - b) for a, b in zip(image.size, expected.size, strict=True)) <= 1
    assert difference(image, expected) < 1


@pytest.mark.parametrize("angle", [3, 10, 40, 87, 95, 176, 190, 265, 280, 357])
def test_a_line_is_levelled_to_the_nearest_quarter_turn(angle):
    image, cut, upright = cut_of("Levelled lines", angle)
    nearest = 90 * round(angle / 90)
    expected = upright.rotate(nearest, expand=True)
    assert abs((nearest + cut.skew - angle + 180) % 360 - 180) < 0.01
    assert max(abs(a - b) for a, b in zip(image.size, expected.size, strict=True)) <= 2
    assert difference(image, expected) < 12
    assert difference(image, expected.rotate(180)) > 12


@pytest.mark.parametrize("angle", [5, 95, 185, 275])
def test_the_direction_of_a_baseline_does_not_turn_the_picture(angle):
    page, (line,) = draw_page(["Either way"], [angle])
    first, second = (LineCut.of(line.polygon, base, page.size, "") for base in (line.baseline, line.baseline[::-1]))
    assert first.skew == pytest.approx(second.skew)
    assert difference(first.cut(page), second.cut(page)) < 3


def test_without_a_baseline_a_line_is_cut_as_it_lies():
    page, (line,) = draw_page(["Lying"], [20])
    for baseline in (None, np.empty((0, 2)), line.baseline[:1], np.array([[10.0, 10.0], [12.0, 20.0]])):
        cut = LineCut.of(line.polygon, baseline, page.size, "")
        assert (cut.skew, cut.has_direction) == (0, False)
        assert abs(cut.cut(page).width - np.ptp(line.polygon[:, 0])) <= 2


@pytest.mark.parametrize("angle", [0, 90, 180, 250])
def test_a_curved_line_is_straightened(angle):
    x = np.arange(300)
    wave = 14 * np.sin(x / 300 * np.pi)
    page = np.full((300, 400), PAPER, dtype=np.uint8)
    for column, rise in zip(x, wave, strict=True):
        page[int(150 - rise) : int(153 - rise), 50 + column] = INK
    middle = np.array([200.0, 150.0])
    baseline = np.stack([50 + x[::15], 152 - wave[::15]], axis=1)
    polygon = np.concatenate([baseline - np.array([0, 20]), (baseline + np.array([0, 10]))[::-1]])
    baseline, polygon = (middle + (points - middle) @ turn(angle) for points in (baseline, polygon))
    image = Image.fromarray(page).rotate(angle, Image.Resampling.BICUBIC, fillcolor=PAPER)
    cut = LineCut.of(polygon, baseline, image.size, "")
    level = cut.cut(image).rotate(-90 * cut.quarter, expand=True)
    ink = np.asarray(level)[:, 10:-10] < 160
    assert level.height <= 34
    assert np.flatnonzero(ink.any(axis=1)).size <= 7  # rows; the curve has 14 + 3


def test_a_baseline_that_turns_back_is_levelled_as_a_whole():
    baseline = np.array([[60, 80], [200, 60], [150, 70], [340, 80]], dtype=float)
    cut = LineCut.of(BOX, baseline, SIZE, "")
    assert cut.bend is None
    assert cut.size == (300, 40)


def test_what_is_outside_of_the_polygon_is_paper():
    page = np.full((300, 400), INK, dtype=np.uint8)
    page[50:90, 50:350] = PAPER
    polygon = np.array([[50, 50], [350, 50], [200, 90]], dtype=float)
    page[52:56, 100:300] = 60
    image = np.asarray(LineCut.of(polygon, None, SIZE, "").cut(Image.fromarray(page)))
    assert set(np.unique(image).tolist()) <= {60, PAPER}
    assert (image[-3, :100] == PAPER).all()


def test_a_colour_page_gives_colour_lines():
    page = Image.new("RGB", SIZE, (230, 220, 180))
    line = LineCut.of(BOX, BOX[[3, 2]] + [[0, 0], [0, -15]], SIZE, "").cut(page)
    assert line.mode == "RGB"
    assert line.getcolors() == [(line.width * line.height, (230, 220, 180))]


@pytest.mark.parametrize(
    "polygon",
    [
        BOX[[0, 2, 1, 3]],  # crosses itself
        BOX + np.array([300, 0]),  # leaves the page
        BOX - [100, 60],
        np.concatenate([BOX, BOX]),
        (BOX - [50, 0]) * [4, 1],
    ],
)
def test_a_strange_polygon_is_cut_where_it_meets_the_page(polygon):
    page = Image.new("L", SIZE, PAPER)
    for baseline in (None, np.array([[60, 80], [340, 100]], dtype=float)):
        cut = LineCut.of(polygon, baseline, SIZE, "line")
        image = cut.cut(page)
        assert image.size == cut.size
        assert max(image.size) <= 500
        assert image.getcolors() == [(image.width * image.height, PAPER)]


@pytest.mark.parametrize(
    ("polygon", "complaint"),
    [
        (None, "neither polygon nor box"),
        (BOX[:2], "3 points or more, got 2"),
        (BOX[[0, 1, 1]], "300 × 0 pixels is too small"),
        (np.repeat(BOX[:1], 4, axis=0), "too small"),
        (BOX + np.array([400, 0]), "outside its picture, which has 400 × 300"),
        (BOX - [0, 90], "outside its picture"),
        (BOX * 1e5, "outside its picture"),
    ],
)
def test_a_polygon_without_room_for_text_is_refused_by_name(polygon, complaint):
    for baseline in (None, np.array([[60, 80], [340, 100]], dtype=float)):
        with pytest.raises(ImageError, match=r"^0001\.xml: line l7: ") as raised:
            LineCut.of(polygon, baseline, SIZE, "0001.xml: line l7")
        assert complaint in str(raised.value)


@pytest.mark.parametrize(
    "baseline",
    [
        [[60, 80], [200, 1e6], [340, 80]],
        [[60, 80], [200, -1e6], [340, 80]],
        [[60, 80], [200, 180], [340, 80]],
        [[60, 80], [61, 9e5], [62, -9e5], [340, 80]],
        [[-1e6, 80], [0, 1e6], [1e6, 80]],
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_baseline_far_from_its_polygon_is_refused_by_name_before_it_is_cut(baseline, turned):
    polygon, baseline = (points[:, ::-1] if turned else points for points in (BOX, np.array(baseline, dtype=float)))
    with pytest.raises(ImageError, match=r"^line: its baseline deviates .* Draw the baseline again"):
        LineCut.of(polygon, baseline, (400, 400), "line")


def test_a_baseline_that_bends_as_its_polygon_does_is_followed():
    arc = np.array([[u, 150 - 60 * np.sin(np.pi * (u - 20) / 360)] for u in np.linspace(20, 380, 30)])
    polygon = np.concatenate([arc - [0, 25], (arc + np.array([0, 8]))[::-1]])
    cut = LineCut.of(polygon, arc, SIZE, "line")
    assert cut.bend is not None
    assert cut.size[1] < 50


def test_a_line_of_too_many_pixels_is_refused_by_name():
    polygon = np.array([[0, 0], [9000, 0], [9000, 9000], [0, 9000]], dtype=float)
    with pytest.raises(ImageError, match=r"^line: 9000 × 9000 pixels are too many for one line"):
        LineCut.of(polygon, None, (9000, 9000), "line")


def test_where_a_line_bends_its_sides_have_points_at_equal_steps_and_their_corners():
    arc = np.array([[20, 150], [200, 110], [380, 150]], dtype=float)
    polygon = np.array([[20, 70], [380, 70], [380, 180], [20, 150]], dtype=float)
    cut = LineCut.of(polygon, arc, SIZE, "line")
    assert cut.bend is not None
    outline = cut.outline + np.stack([np.zeros(cut.num_points), np.interp(cut.outline[:, 0], *cut.bend.T)], axis=1)
    corners = [0, 15, 19, 34]  # 360, 110, 361 and 80 pixels of sides, in pieces of 24
    assert len(outline) == 37
    assert np.allclose(outline[corners], polygon)
    for first, last in zip(corners, [*corners[1:], 37], strict=True):
        steps = np.diff(np.concatenate([outline, outline[:1]])[first : last + 1], axis=0)
        assert np.allclose(steps, steps[0])


def test_a_polygon_that_goes_to_and_fro_is_refused_before_its_sides_are_divided():
    zigzag = np.array([[(i % 2) * 8000, 10 + (i % 7)] for i in range(9999)], dtype=float)
    bent = np.array([[0, 10], [4000, 16], [8000, 10]], dtype=float)
    with pytest.raises(ImageError, match=r"^line: its polygon is .* pixels long or more"):
        LineCut.of(zigzag, bent, (8000, 100), "line")
