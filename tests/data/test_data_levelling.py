"""Levelling: tilted lines come back level, level ones stay as they are, and quarter turns change nothing."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from slow_cases import others_slow

from trocr_gsa.evaluation.evaluate import rotate_image
from trocr_gsa.reader.preparation.levelling import LEAST, ink_places, level

TEXT = "Ein Wort gab das andere, und keines hielt"
QUARTERS = {0: None, 90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


def draw(text: str = TEXT, size: int = 32, mode: str = "L") -> Image.Image:
    font = ImageFont.load_default(size)
    box = font.getbbox(text)
    image = Image.new(mode, (int(box[2]) + 20, int(box[3]) + 16), 230 if mode == "L" else (230, 220, 200))
    ImageDraw.Draw(image).text((10, 8), text, fill=30 if mode == "L" else (30, 20, 60), font=font)
    return image


@pytest.mark.parametrize("tilt", [-40, -15, -5, -3, -1, 1, 2, 4, 5, 10, 30, 44])
def test_a_tilt_is_found_to_half_a_degree_and_undone(tilt):
    line = draw()
    found = level(rotate_image(line, tilt))
    assert found.tilt == pytest.approx(tilt, abs=0.5)
    width, height = np.ptp(ink_places(line), axis=0)
    assert height <= found.image.height <= line.height + 12
    assert width <= found.image.width <= line.width + 30


@pytest.mark.parametrize(
    "image", [draw(), draw("l"), draw("NOON"), Image.new("L", (300, 40), 255)], ids=["long", "l", "NOON", "blank"]
)
@pytest.mark.parametrize("quarter", QUARTERS.values())
def test_a_level_line_is_the_same_object(image, quarter):
    image = image if quarter is None else image.transpose(quarter)
    assert level(image).image is image
    assert level(image).tilt == 0


def crop(image: Image.Image, right: int, bottom: int) -> Image.Image:
    return image.crop((0, 0, image.width - right, image.height - bottom))


@pytest.mark.parametrize("tilt", [-20.0, -1.8, -0.8, 1.0, 1.8, 2.2, 7.0, 45.0])
@pytest.mark.parametrize("quarter", others_slow([90, 180, 270], 90))
@pytest.mark.parametrize("cut", [(0, 0), (1, 0), (0, 1), (1, 1)], ids=str)
@pytest.mark.parametrize("mode", others_slow(["L", "RGB"], "L"))
def test_levelling_commutes_with_quarter_turns(tilt, quarter, mode, cut):
    """Also of lines near to level, whose pixels lie in rows, an even or an odd number of them."""
    tilted = crop(rotate_image(draw(mode=mode), tilt), *cut)
    once, turned = level(tilted), level(tilted.transpose(QUARTERS[quarter]))
    assert turned.tilt == once.tilt
    expected = np.asarray(once.image.transpose(QUARTERS[quarter]), dtype=int)
    assert np.abs(np.asarray(turned.image, dtype=int) - expected).max() <= 1


def test_levelling_without_the_tilt_would_not_commute():
    tilted = rotate_image(draw(), 7)
    turned = level(tilted.transpose(Image.Transpose.ROTATE_90))
    assert np.asarray(turned.image).shape != np.asarray(level(tilted).image).shape


@pytest.mark.parametrize("text", ["1", "93", "n'", "1596", "-"])
def test_what_is_short_may_lean(text):
    leaning = rotate_image(draw(text), 20)
    assert level(leaning).image is leaning


def test_less_than_what_readers_learn_is_left_to_them():
    assert level(rotate_image(draw(), 0.9 * LEAST)).tilt == 0


def test_light_writing_on_dark_is_levelled_too():
    inverted = Image.eval(draw(), lambda value: 255 - value)
    assert level(rotate_image(inverted, 12)).tilt == pytest.approx(12, abs=0.5)


def test_a_large_scan_is_looked_at_small_and_levelled_large():
    line = draw(size=200)
    found = level(rotate_image(line, 8))
    assert found.tilt == pytest.approx(8, abs=0.5)
    assert found.image.width > 0.9 * line.width
