"""Turning the picture permutes what the exported encoder computes, and nothing else."""

import numpy as np
import pytest
import torch
from tiny_checkpoint import draw_line

ELEMENTS = range(4)  # of C4
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def image():
    return torch.randn(1, 1, 16, 40, generator=torch.Generator().manual_seed(3))


def tokens(encoded) -> np.ndarray:
    """All that the decoder sees of a picture."""
    return np.stack([value.numpy() for value in encoded.cross.values()])


def difference(a, b) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


@pytest.mark.parametrize("element", ELEMENTS)
def test_the_decoder_sees_the_same_of_a_turned_picture(onnx_reader, image, element):
    encoder = onnx_reader.model.encoder
    upright, turned = encoder(image), encoder(encoder.group.transform_image(image, element))
    assert difference(tokens(turned), tokens(upright)) < TOLERANCE
    assert difference(turned.ctc_logits.numpy(), upright.ctc_logits.numpy()) < TOLERANCE


@pytest.mark.parametrize("element", ELEMENTS)
def test_the_poses_exchange_their_probabilities(onnx_reader, image, element):
    encoder = onnx_reader.model.encoder
    upright, turned = encoder(image), encoder(encoder.group.transform_image(image, element))
    moved = encoder.group.product[element]
    assert difference(turned.pose_logits[:, moved].numpy(), upright.pose_logits.numpy()) < TOLERANCE
    assert turned.pose.item() == moved[upright.pose.item()]
    assert upright.pose_logits.std() > 1e-3


def test_a_mirrored_picture_is_another(onnx_reader, image):
    """The control: C4 holds no mirror."""
    encoder = onnx_reader.model.encoder
    assert difference(tokens(encoder(image.flip(-1))), tokens(encoder(image))) > 1e-2


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_the_text_is_the_same_at_every_turn(onnx_reader, angle):
    line = draw_line("kkhd", 60)
    upright, turned = onnx_reader.read([line, line.rotate(angle, expand=True)])
    assert turned.text == upright.text
    assert (turned.orientation - upright.orientation) % 360 == angle
