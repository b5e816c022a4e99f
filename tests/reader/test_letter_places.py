"""Where the decoder looks: on the page as it was given, however the page lies."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from slow_cases import others_slow
from stock_processors import make_stock_processor
from stock_trocr import make_stock_model
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint
from torch import Tensor

from trocr_gsa import TrOCRGSAModel, TrOCRGSAProcessor
from trocr_gsa.evaluation.evaluate import rotate_image
from trocr_gsa.reader import LetterPlaces, LineReader, letter_places

TEXT = "a bär"
LINE_PNG = Path(__file__).parents[2] / "docs" / "line.png"
TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


def reader_of(folder: Path, **sizes: object) -> LineReader:
    return LineReader.from_pretrained(save_checkpoint(folder, **sizes), device="cpu")


def turned(points: Tensor, angle: int, width: int, height: int) -> Tensor:
    """The same points (…, 2) on the page turned counter-clockwise."""
    x, y = points.unbind(-1)
    moved = {90: (y, width - x), 180: (width - x, height - y), 270: (height - y, x)}
    return torch.stack(moved[angle], dim=-1)


def boxes(places: LetterPlaces) -> Tensor:
    """Left, top, right and bottom of each patch."""
    return torch.cat((places.corners.amin(1), places.corners.amax(1)), dim=-1)


def looked_at(places: LetterPlaces) -> dict[tuple[float, ...], list[float]]:
    """The weights of each patch, by where it lies."""
    rounded = (tuple(round(edge, 6) for edge in box) for box in boxes(places).tolist())
    return dict(zip(rounded, places.weights.T.tolist(), strict=True))


@pytest.mark.parametrize("angle", TURNS)
@pytest.mark.parametrize("pose_layers", [1, 2])
def test_turning_the_picture_turns_the_places(tmp_path, angle, pose_layers):
    reader = reader_of(tmp_path, encoder_pose_layers=pose_layers)
    picture = draw_line(TEXT, 61)
    upright = reader.letter_places(picture, TEXT)
    found = looked_at(reader.letter_places(picture.transpose(TURNS[angle]), TEXT))
    moved = LetterPlaces(upright.letters, turned(upright.corners, angle, *picture.size), upright.weights)
    expected = looked_at(moved)
    assert expected.keys() == found.keys()
    assert all(found[box] == pytest.approx(expected[box], abs=1e-5) for box in expected)


def test_without_a_group_they_do_not_turn(tmp_path):
    """The control."""
    reader = reader_of(tmp_path, encoder_group="C1")
    picture = draw_line(TEXT, 61)
    upright = reader.letter_places(picture, TEXT)
    found = looked_at(reader.letter_places(picture.transpose(TURNS[180]), TEXT))
    moved = LetterPlaces(upright.letters, turned(upright.corners, 180, *picture.size), upright.weights)
    expected = looked_at(moved)
    assert max(abs(a - b) for box in expected for a, b in zip(expected[box], found[box], strict=True)) > 1e-3


def test_the_weights_of_a_letter_sum_to_one_and_the_patches_cover_the_picture(reader):
    picture = draw_line(TEXT, 61)
    places = reader.letter_places(picture, TEXT)
    assert places.letters == tuple(TEXT)
    assert places.weights.shape == (len(TEXT), len(places.corners))
    assert places.weights.sum(-1).tolist() == pytest.approx([1.0] * len(TEXT))
    edges = [*places.corners.amin((0, 1)).tolist(), *places.corners.amax((0, 1)).tolist()]
    assert edges[0] <= 0
    assert edges[1] <= 0
    assert edges[2] >= picture.width
    assert edges[3] >= picture.height
    assert edges[2] - picture.width == pytest.approx(-edges[0])  # both ends are padded alike


def test_the_packaged_reader_looks_along_the_line():
    reader = LineReader.from_pretrained(device="cpu")
    picture = Image.open(LINE_PNG).transpose(TURNS[90])
    processor: Any = reader.processor.image_processor
    (line,) = reader.read([picture])
    x, y = reader.letter_places(picture, line.text).centres.T
    steps = y.diff() / picture.width * processor.line_height / processor.patch_size  # in patches
    assert steps[0] < 2  # the first letter is looked for beyond itself
    assert torch.all(steps[1:] < 0.75)  # from the bottom up, but for a hair
    assert y[1] > 0.9 * picture.height
    assert y[-1] < 0.1 * picture.height
    assert torch.all((x > 0) & (x < picture.width))


@pytest.mark.parametrize("tilt", others_slow([30, 37, -20, 127, 217], 37, 217))
def test_a_tilted_line_is_looked_at_where_its_letters_lie_on_the_picture(tilt):
    reader = LineReader.from_pretrained(device="cpu")
    picture = Image.open(LINE_PNG).convert("L")
    (line,) = reader.read([picture])
    expected = reader.letter_places(picture, line.text, {line.orientation: 1.0}).centres
    tilted = rotate_image(picture, tilt)
    (read,) = reader.read([tilted])
    assert read.orientation % 90 != 0
    found = reader.letter_places(tilted, line.text, {read.orientation: 1.0}).centres
    # back to the upright picture: both are rotated about their centres
    angle = math.radians(tilt)
    back = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]).double()
    middle, tilted_middle = (torch.tensor(each.size).double() / 2 for each in (picture, tilted))
    found = (found - tilted_middle) @ back.T + middle
    assert (found - expected).abs().mean() < picture.height / 4


def test_an_angle_that_is_not_the_lines_is_refused(reader):
    with pytest.raises(ValueError, match="`orientation` must name angles of C4"):
        reader.letter_places(draw_line(TEXT), TEXT, {37.0: 1.0})


def test_a_taken_over_trocr_with_class_tokens_looks_at_patches_alone(tmp_path):
    stock = make_stock_processor(make_stock_model(tmp_path, "small-printed"), "small-printed")
    model, processor = TrOCRGSAModel.from_trocr(stock).eval(), TrOCRGSAProcessor.from_trocr(stock)
    places = letter_places(model, processor, draw_line(TEXT, 61), "the line")
    assert "".join(places.letters) == "the line"
    assert len(places.letters) < len("the line")  # its tokens are longer than a letter
    assert places.weights.sum(-1).tolist() == pytest.approx([1.0] * len(places.letters))
    edges = [*places.corners.amin((0, 1)).tolist(), *places.corners.amax((0, 1)).tolist()]
    assert edges == pytest.approx([0, 0, 61, 20])


def test_an_adapter_looks_with_its_own_weights_and_leaves_the_base_alone(checkpoint, tmp_path):
    adapter = save_adapter(checkpoint, tmp_path / "fr")
    reader = LineReader.from_pretrained(checkpoint, adapter={"fr": adapter}, device="cpu")
    picture = draw_line(TEXT)
    before = reader.letter_places(picture, TEXT).weights
    assert not torch.allclose(reader.letter_places(picture, TEXT, adapter="fr").weights, before, atol=1e-3)
    assert torch.equal(reader.letter_places(picture, TEXT).weights, before)


def test_of_no_letter_there_is_no_place(reader):
    places = reader.letter_places(draw_line(TEXT), "")
    assert places.letters == ()
    assert len(places.weights) == 0


def test_a_text_that_the_decoder_cannot_hold_is_refused(reader):
    with pytest.raises(ValueError, match="`text` has 41 tokens, the decoder has positions for 16"):
        reader.letter_places(draw_line(TEXT), "x" * 40)
