"""Lines in too much room are cut out, others stay as they are, and quarter turns change nothing."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from trocr_gsa.reader.preparation.levelling import ink_places
from trocr_gsa.reader.preparation.trimming import FILLS, LEFT, trimming_box

TEXT = "Ein Wort gab das andere"
QUARTERS = [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270]


def draw(text: str = TEXT, room: float = 0.0, mode: str = "L") -> Image.Image:
    """A line of 24 pixels, with so many times its height of paper on every side."""
    font = ImageFont.load_default(28)
    left, top, right, bottom = map(int, font.getbbox(text))
    paper, ink = (230, 30) if mode == "L" else ((230, 220, 200), (30, 20, 60))
    image = Image.new(mode, (right - left + 4, bottom - top + 4), paper)
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, fill=ink, font=font)
    return ImageOps.expand(image, round(room * image.height), paper)


def trim(image: Image.Image) -> Image.Image:
    box = trimming_box(image)
    return image if box is None else image.crop(box)


def filled(image: Image.Image) -> float:
    return (np.ptp(ink_places(image)[:, 1]) + 1) / image.height


@pytest.mark.parametrize("room", [0.0, 0.1, 0.15])
@pytest.mark.parametrize("text", [TEXT, "-", "l", "Nr. 7"])
def test_a_line_that_fills_its_picture_is_the_same_object(text, room):
    image = draw(text, room)
    assert trim(image) is image


@pytest.mark.parametrize("image", [Image.new("L", (300, 40), 255), draw("-", 3), draw("l", 3), draw("o", 2)])
def test_what_does_not_tell_its_size_is_left_alone(image):
    assert trim(image) is image


@pytest.mark.parametrize("room", [0.4, 1.0, 4.0])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_line_in_much_room_is_cut_out_whole(room, mode):
    image = draw(room=room, mode=mode)
    assert filled(image) < FILLS
    found = trim(image)
    assert found.mode == mode
    assert filled(found) == pytest.approx(LEFT, abs=0.05)
    assert len(ink_places(found)) == len(ink_places(image))


def test_it_is_cut_where_it_stands():
    """Room on one side alone goes, and nothing of the line."""
    line = draw()
    image = ImageOps.expand(line, (0, 0, 0, 3 * line.height), 230)
    found = trim(image)
    assert found.height < 1.5 * line.height
    np.testing.assert_array_equal(np.asarray(found)[: line.height], np.asarray(line))


@pytest.mark.parametrize("turn", QUARTERS)
@pytest.mark.parametrize("cut", [(0, 0), (1, 0), (0, 1), (1, 1)], ids=str)
@pytest.mark.parametrize("room", [0.6, 1.3])
def test_trimming_commutes_with_quarter_turns_bit_for_bit(turn, cut, room):
    image = draw(room=room)
    image = image.crop((0, 0, image.width - cut[0], image.height - cut[1]))
    once = trim(image)
    assert once is not image
    np.testing.assert_array_equal(np.asarray(trim(image.transpose(turn))), np.asarray(once.transpose(turn)))


def test_so_it_does_where_a_scan_is_looked_at_made_smaller():
    image = draw(room=1).resize((4003, 1207))
    image = image.resize((4003, 1207))
    once = trim(image)
    assert once.height < 0.7 * image.height
    for turn in QUARTERS:
        np.testing.assert_array_equal(np.asarray(trim(image.transpose(turn))), np.asarray(once.transpose(turn)))


def test_a_speck_of_dust_is_not_part_of_the_line():
    image = draw(room=1)
    image.putpixel((5, 2), 0)
    assert trim(image).height < 0.8 * image.height
