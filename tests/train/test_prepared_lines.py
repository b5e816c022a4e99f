"""What is done to pictures before they are read, seen from what is read in them."""

import pytest
import torch
from PIL import ImageOps
from tiny_checkpoint import draw_line

from trocr_gsa.reader.decoding import read_images

LINE = draw_line("abcdefghijklabcdefghijkl", 140)
ROOMY = ImageOps.expand(LINE, 2 * LINE.height, 230)


@pytest.fixture
def reader(tiny):
    model, processor = tiny
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(3)  # so that what is read depends on the picture
    return model.double().eval(), processor


def assert_same(found, expected):
    assert found.text == expected.text
    assert found.confidence == pytest.approx(expected.confidence, rel=1e-6)


@pytest.mark.parametrize("picture", [LINE, ROOMY], ids=["as cut", "in room"])
def test_a_negative_is_read_as_its_positive(reader, picture):
    positive, negative = read_images(*reader, [picture, ImageOps.invert(picture)])
    assert_same(negative, positive)


def test_so_it_is_where_the_line_by_itself_is_too_long_and_is_read_in_its_room(reader):
    shape = reader[1].image_processor
    alone = read_images(*reader, [ROOMY])[0]
    shape.max_patches = shape.num_patches(*ROOMY.size)
    positive, negative = read_images(*reader, [ROOMY, ImageOps.invert(ROOMY)])
    assert positive.confidence != pytest.approx(alone.confidence, rel=1e-3)
    assert_same(negative, positive)


def test_a_line_in_much_room_is_read_alike_from_every_side(reader):
    upright, *turned = read_images(*reader, [ROOMY.rotate(angle, expand=True) for angle in (0, 90, 180, 270)])
    for found in turned:
        assert_same(found, upright)
