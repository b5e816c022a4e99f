"""Several lines in one picture: how many are found, whichever way up, and what of a single line is not one of them."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from printed_pages import TEXTS, page
from slow_cases import others_slow

from trocr_gsa.data import ImageError
from trocr_gsa.evaluation.evaluate import rotate_image
from trocr_gsa.reader.pictures import load_line
from trocr_gsa.reader.preparation.several import MOST_PIXELS, count_each_way, count_lines
from trocr_gsa.reader.preparation.writing import Writing, find_writing

TURNS = [0, 90, 180, 270]


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("lines", [2, 3, 7, 30])
@pytest.mark.parametrize("tilt", [0, -2, 3])
def test_lines_are_counted_whichever_way_up(lines, tilt, turn):
    assert count_lines(rotate_image(rotate_image(page(lines), tilt), turn)) == lines


@pytest.mark.parametrize("size", [12, 24, 60])
@pytest.mark.parametrize("mode", ["L", "RGB", "light on dark"])
def test_lines_of_any_size_and_colour_are_counted(size, mode):
    image = page(5, size=size)
    image = Image.eval(image, lambda level: 255 - level) if mode == "light on dark" else image.convert(mode)
    assert count_lines(image) == 5


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("text", [*TEXTS, *"l 19 illlli -–-–-–- ======= :::::::: HHHHHH éàüÖéàüÖ".split()])
@pytest.mark.parametrize("margin", [0, 4, 30])
def test_a_single_line_is_one(text, turn, margin):
    assert count_lines(page(1, texts=[text], margin=margin).rotate(turn, expand=True)) == 1


@pytest.mark.parametrize("turn", TURNS)
def test_neighbours_that_peep_in_are_no_lines(turn):
    whole = page(3)
    line = whole.crop((0, 40, whole.width, whole.height - 40))
    assert count_lines(line.rotate(turn, expand=True)) == 1
    assert count_lines(whole.rotate(turn, expand=True)) == 3  # the control


@pytest.mark.parametrize("turn", TURNS)
def test_rules_above_and_below_a_line_are_none(turn):
    line = page(1, margin=30)
    pen = ImageDraw.Draw(line)
    for y in (8, 14, line.height - 12):
        pen.line((10, y, line.width - 10, y), fill=20, width=3)
    assert count_lines(line.rotate(turn, expand=True)) == 1


@pytest.mark.parametrize("turn", TURNS)
def test_ruled_paper_and_noise_hold_no_lines(turn):
    ruled = Image.new("L", (600, 300), 230)
    for y in range(20, 300, 40):
        ImageDraw.Draw(ruled).line((0, y, 600, y), fill=60, width=2)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 600), dtype=np.uint8))
    for image in (ruled, noise, Image.new("L", (600, 60), 255)):
        assert count_lines(image.rotate(turn, expand=True)) == 1


@pytest.mark.parametrize("turn", others_slow(TURNS, 0, 90))
def test_a_table_of_numbers_is_several_lines_and_not_empty_paper(turn):
    table, numbers = Image.new("L", (800, 1320), 225), np.random.default_rng(1).integers(10, 99999, (40, 3))
    for row, values in enumerate(numbers):
        for column, value in enumerate(values):
            place = (20 + column * 266, 20 + row * 32)
            ImageDraw.Draw(table).text(place, str(value), fill=20, font=ImageFont.load_default(20))
    table = table.rotate(turn, expand=True)
    assert min(count_each_way(table)) > 1  # its columns look like lines, too
    assert find_writing(table, count_lines(table)) is Writing.NONE
    with pytest.raises(ImageError, match=r"looks like \d+ lines of text"):
        load_line(table, "table.png", is_cut=False)


def test_a_large_page_is_looked_at_in_blocks_and_counted_alike_at_every_turn():
    image = page(20, size=80)
    assert image.width * image.height > MOST_PIXELS
    for crop in ((0, 0), (1, 0), (0, 1), (3, 2)):
        cut = image.crop((0, 0, image.width - crop[0], image.height - crop[1]))
        assert {count_lines(cut.rotate(turn, expand=True)) for turn in TURNS} == {20}
