"""Reading: the same at four angles, in the order given, with confidences that mean something."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_checkpoint import draw_line

TURNS = [0, 90, 180, 270]
TEXTS = {"abc": 40, "defghijk": 90, "noon": 64, "xyz w": 64, "a longer line": 120}
PICTURES = [draw_line(text, width) for text, width in TEXTS.items()]


@pytest.fixture(scope="module")
def upright(reader):
    return reader.read(PICTURES)


def test_different_pictures_are_read_differently(upright):
    """The control: a reader that always says the same would pass every test of invariance."""
    assert len({line.text for line in upright}) > 2


@pytest.mark.parametrize("angle", TURNS)
def test_a_line_is_read_the_same_at_every_quarter_turn(reader, upright, angle):
    turned = reader.read([picture.rotate(angle, expand=True) for picture in PICTURES])
    assert [line.text for line in turned] == [line.text for line in upright]
    assert [line.confidence for line in turned] == pytest.approx([line.confidence for line in upright], abs=1e-4)
    assert [line.orientation for line in turned] == [(line.orientation + angle) % 360 for line in upright]


def test_the_upright_prior_gives_invariance_up(reader, upright):
    turned = reader.read([picture.rotate(90, expand=True) for picture in PICTURES], orientation="upright")
    assert {line.orientation for line in turned} == {0.0}
    assert [line.text for line in turned] != [line.text for line in upright]


def test_a_prior_over_angles_decides_among_them(reader):
    lines = reader.read(PICTURES, orientation={90: 0.5, 270: 0.5})
    assert {line.orientation for line in lines} <= {90.0, 270.0}


def test_results_come_in_the_order_given_however_they_are_batched(reader, upright):
    one_by_one = [reader.read([picture])[0].text for picture in PICTURES]
    assert [line.text for line in upright] == one_by_one
    assert [line.text for line in reader.read(PICTURES[::-1], batch_size=2)] == one_by_one[::-1]


def test_files_bytes_arrays_and_pictures_are_read_alike(reader, tmp_path, upright):
    path = tmp_path / "line.png"
    PICTURES[0].save(path)
    lines = reader.read([path, str(path), path.read_bytes(), np.asarray(PICTURES[0]), PICTURES[0], Image.open(path)])
    assert {line.text for line in lines} == {upright[0].text}
    file, place = str(path), "images[{}]".format
    assert [line.source for line in lines] == [file, file, place(2), place(3), place(4), file]


def test_beams_look_at_the_picture_the_same_way_up_where_that_is_no_doubt(reader, monkeypatch):
    monkeypatch.setattr("trocr_gsa.reader.decoding.DOUBT", 1.0)
    greedy, beams = reader.read(PICTURES), reader.read(PICTURES, num_beams=3)
    assert [line.orientation for line in beams] == [line.orientation for line in greedy]
    assert all(0 <= line.confidence <= 1 for line in beams)


def test_confidence_is_the_geometric_mean_of_the_tokens_probabilities(reader, monkeypatch):
    monkeypatch.setattr("trocr_gsa.reader.decoding.DOUBT", 1.0)  # an untrained reader doubts every pose
    model, processor = reader.model, reader.processor
    inputs = processor(images=[PICTURES[1]])
    ids = model.generate(**inputs, max_new_tokens=15)
    with torch.inference_mode():
        logits = model(**inputs, decoder_input_ids=ids[:, :-1]).logits
    chosen = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])
    assert reader.read([PICTURES[1]])[0].confidence == pytest.approx(chosen.mean().exp().item(), rel=1e-4)


def test_temperature_moves_confidence_and_nothing_else(reader, upright, monkeypatch):
    monkeypatch.setattr(reader.model.config, "confidence_temperature", 2.0)
    warm = reader.read(PICTURES)
    assert [line.text for line in warm] == [line.text for line in upright]
    assert [line.confidence for line in warm] == pytest.approx([line.confidence**0.5 for line in upright], rel=1e-4)


def test_a_text_without_end_stops_at_the_decoders_last_position(reader, monkeypatch):
    monkeypatch.setattr(reader.model.generation_config, "suppress_tokens", [reader.model.config.eos_token_id])
    lines = reader.read(PICTURES)
    positions = reader.model.config.decoder.max_position_embeddings
    assert all(line.error is None and len(line.text) < positions for line in lines)


def test_no_pictures_are_no_lines(reader):
    assert reader.read([]) == []
    assert reader.read([], also=None) == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"num_beams": 0}, "num_beams"),
        ({"num_beams": 1_000_000}, "num_beams"),
        ({"num_beams": 1.5}, "num_beams"),
        ({"num_beams": float("nan")}, "num_beams"),
        ({"num_beams": True}, "num_beams"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": float("nan")}, "batch_size"),
        ({"orientation": {0: 10**400}}, "orientation"),
        ({"orientation": {10**400: 1.0}}, "orientation"),
        ({"orientation": "sideways"}, "orientation"),
        ({"orientation": {45: 1.0}}, "orientation"),
        ({"language_model": "a text"}, "language_model"),
    ],
)
def test_an_impossible_argument_names_itself(reader, arguments, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        reader.read(PICTURES, **arguments)
    with pytest.raises(ValueError, match=f"`{field}`"):
        reader.read([], **arguments)


@pytest.mark.parametrize("picture", ["line.png", b"...", PICTURES[0], np.zeros((4, 4), np.uint8)])
def test_a_single_picture_is_told_to_come_in_a_list(reader, picture):
    with pytest.raises(ValueError, match="`images` must be a list"):
        reader.read(picture)
