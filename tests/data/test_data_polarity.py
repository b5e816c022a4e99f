"""Light writing on dark ground becomes dark on light; everything else stays as it is, and turning changes nothing."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from trocr_gsa.reader.preparation.polarity import dark_on_light


def draw(paper: int, ink: int, mode: str = "L") -> Image.Image:
    image = Image.new("L", (320, 44), paper)
    ImageDraw.Draw(image).text((8, 4), "Ein Wort gab das andere", fill=ink, font=ImageFont.load_default(26))
    return image.convert(mode)


@pytest.mark.parametrize(("paper", "ink"), [(240, 20), (90, 10), (120, 60), (128, 250)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_ink_on_paper_is_the_same_object_however_dark_the_paper(paper, ink, mode):
    image = draw(paper, ink, mode)
    assert dark_on_light(image) is image


@pytest.mark.parametrize(("paper", "ink"), [(10, 250), (60, 130), (100, 255)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_light_writing_on_dark_ground_is_inverted(paper, ink, mode):
    found = dark_on_light(draw(paper, ink, mode))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(draw(255 - paper, 255 - ink, mode)))


@pytest.mark.parametrize("frame", [5, 15, 30])
def test_a_black_frame_is_no_dark_ground(frame):
    image = ImageOps.expand(draw(240, 20), frame, 0)
    assert dark_on_light(image) is image


def test_blank_pictures_stay():
    for level in (0, 60, 255):
        image = Image.new("L", (100, 30), level)
        assert dark_on_light(image) is image


@pytest.mark.parametrize("turn", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270])
def test_it_commutes_with_quarter_turns_bit_for_bit(turn):
    image = draw(30, 220)
    once = np.asarray(dark_on_light(image).transpose(turn))
    np.testing.assert_array_equal(np.asarray(dark_on_light(image.transpose(turn))), once)
