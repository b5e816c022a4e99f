"""A second text of every line, by another adapter: the first stays as it is, and the second is that of the adapter."""

import math

import numpy as np
import pytest
from PIL import Image
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint

from trocr_gsa.data.line import OtherText
from trocr_gsa.reader import LineReader

PICTURES = [draw_line(text, width) for text, width in (("abc", 40), ("defghijk", 90), ("noon", 64), ("xyz w", 70))]


@pytest.fixture(scope="module")
def folders(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    return {name: save_adapter(checkpoint, folder / name, seed=seed) for seed, name in enumerate(("date", "fr"), 1)}


@pytest.fixture(scope="module")
def several(checkpoint, folders):
    return LineReader.from_pretrained(checkpoint, folders, device="cpu")


def without(lines):
    return [(line.text, line.confidence, line.orientation, line.character_confidences, line.adapter) for line in lines]


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_the_first_text_is_bit_for_bit_that_of_the_model_without_adapters(checkpoint, several, angle):
    pictures = [picture.rotate(angle, expand=True) for picture in PICTURES]
    both = several.read(pictures, also="date")
    assert without(both) == without(LineReader.from_pretrained(checkpoint, device="cpu").read(pictures))
    assert [line.text for line in both] != [line.also[0].text for line in both]  # the control: the adapter says other


def test_each_text_is_that_of_its_own_adapter(several):
    both = several.read(PICTURES, adapter=["fr", None, "fr", None], also=["date", "fr", "date"])
    expected = {name: several.read(PICTURES, adapter=name) for name in ("date", "fr")}
    for place, line in enumerate(both):
        assert [other.adapter for other in line.also] == ["date", "fr"]
        for other in line.also:
            assert other.text == expected[other.adapter][place].text
            assert other.confidence == pytest.approx(expected[other.adapter][place].confidence, rel=1e-4)
    assert both[0].text == expected["fr"][0].text


def test_the_second_text_is_that_of_the_decoder_alone(tmp_path):
    path = save_checkpoint(tmp_path / "base", ctc_steps_per_patch=2)
    reader = LineReader.from_pretrained(path, {"date": save_adapter(path, tmp_path / "date")}, device="cpu")
    both = {beams: reader.read(PICTURES, num_beams=beams, also="date") for beams in (0, 1, 2)}
    for beams, lines in both.items():
        assert without(lines) == without(reader.read(PICTURES, num_beams=beams))
    reader.model.config.ctc_decoding_weight = 0
    for beams, lines in both.items():
        alone = reader.read(PICTURES, num_beams=max(1, beams), adapter="date")
        assert [line.also[0].text for line in lines] == [line.text for line in alone]


def test_a_picture_without_writing_has_no_second_text_and_a_bad_one_an_error(several):
    empty, bad = several.read([Image.new("L", (80, 32), 255), b"no picture"], also="date")
    (other,) = empty.also
    assert (empty.text, other.text, other.adapter) == ("", "", "date")
    assert math.isnan(other.confidence)
    assert bad.error is not None
    assert bad.also == ()


def test_a_second_text_that_is_not_finite_is_an_error_and_no_text(checkpoint, folders):
    reader = LineReader.from_pretrained(checkpoint, {"date": folders["date"]}, device="cpu")
    for name, weight in reader._library._adapted.named_parameters():
        if "lora_B" in name:
            weight.data.fill_(np.nan)
    (line,) = reader.read(PICTURES[:1], also="date")
    assert line.error is not None
    assert "no finite number" in line.error


@pytest.mark.parametrize(("also", "complaint"), [("fr2", "there is no 'fr2'"), (["date", "x"], "there is no 'x'")])
def test_an_unknown_name_is_refused(several, also, complaint):
    with pytest.raises(ValueError, match=complaint):
        several.read(PICTURES, also=also)


def test_a_reader_without_adapters_by_name_says_how_to_load_them(checkpoint):
    with pytest.raises(ValueError, match=r"`adapter`: `also` needs adapters by name"):
        LineReader.from_pretrained(checkpoint, device="cpu").read(PICTURES, also="date")


def test_nobody_asks_for_a_second_text_by_default(several):
    assert all(line.also == () for line in several.read(PICTURES))
    assert OtherText("date", "1812", 1 / 3).as_fields() == {"adapter": "date", "text": "1812", "confidence": 0.333333}
