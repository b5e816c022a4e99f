"""The most probable texts of a line: as a beam search finds them, whichever way up, and with every adapter."""

import math

import pytest
import torch
from PIL import Image
from slow_cases import others_slow
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint

from trocr_gsa.data.line import Alternative, Line
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.pages import _cleaned_alternatives


@pytest.fixture(params=others_slow([0, 2], 2), ids=["decoder", "with CTC head"], scope="module")
def searching(request, tmp_path_factory) -> LineReader:
    path = save_checkpoint(tmp_path_factory.mktemp("model"), sure=True, ctc_steps_per_patch=request.param)
    return LineReader.from_pretrained(path, device="cpu")


def test_there_are_as_many_as_asked_in_the_order_of_their_probability(searching):
    for line in searching.read([draw_line("a bär"), draw_line("zwei", 100)], alternatives=4):
        found = line.alternatives
        assert found is not None
        assert len(found) == 4
        probabilities = [each.probability for each in found]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 0 < sum(probabilities) <= 1
        assert all(math.isfinite(each) for each in probabilities)


def test_the_first_is_what_a_beam_search_of_that_width_reads(searching):
    image = draw_line("a bär")
    (line,) = searching.read([image], alternatives=4)
    (searched,) = searching.read([image], num_beams=4)
    assert line.alternatives is not None
    # transformers' search prefers texts by their mean, so its choice is among them
    assert searched.text in [each.text for each in line.alternatives]


def test_the_text_of_the_line_is_read_as_without_them(searching):
    images = [draw_line("a bär"), draw_line("zwei", 100)]
    plain, asked = searching.read(images), searching.read(images, alternatives=3)
    assert [line.text for line in plain] == [line.text for line in asked]
    assert all(line.alternatives is None for line in plain)


def test_lines_of_a_batch_have_the_alternatives_that_they_have_alone(searching):
    images = [draw_line("a bär"), draw_line("zwei", 100), draw_line("drei", 40)]
    together = searching.read(images, alternatives=3)
    for image, line in zip(images, together, strict=True):
        (alone,) = searching.read([image], alternatives=3)
        assert [each.text for each in alone.alternatives] == [each.text for each in line.alternatives]


def test_turning_the_picture_changes_nothing(searching):
    image = draw_line("a bär", 61)
    upright, turned = (
        searching.read([picture], alternatives=3)[0] for picture in (image, image.transpose(Image.Transpose.ROTATE_90))
    )
    assert [each.text for each in upright.alternatives] == [each.text for each in turned.alternatives]
    for one, two in zip(upright.alternatives, turned.alternatives, strict=True):
        assert two.probability == pytest.approx(one.probability, rel=1e-3)


def test_each_line_s_alternatives_are_those_of_its_adapter(tmp_path):
    path = save_checkpoint(tmp_path / "base", sure=True)
    reader = LineReader.from_pretrained(path, adapter={"fr": save_adapter(path, tmp_path / "fr")}, device="cpu")
    image = draw_line("a bär")
    mixed = reader.read([image, image], adapter=["fr", None], alternatives=3)
    for line, adapter in zip(mixed, ["fr", None], strict=True):
        (alone,) = reader.read([image], adapter=adapter, alternatives=3)
        assert [each.text for each in alone.alternatives] == [each.text for each in line.alternatives]
        for one, two in zip(alone.alternatives, line.alternatives, strict=True):
            assert two.probability == pytest.approx(one.probability, rel=1e-3)
    assert mixed[0].alternatives != mixed[1].alternatives


@pytest.mark.parametrize("count", [-1, 101])
def test_a_number_out_of_range_is_refused(searching, count):
    with pytest.raises(ValueError, match=r"`alternatives` must be a whole number in 0 … 100"):
        searching.read([draw_line("a")], alternatives=count)


def test_texts_that_files_cannot_tell_apart_become_one():
    found = _cleaned_alternatives([Alternative("a  b", 0.25), Alternative("c", 0.375), Alternative("a b\0", 0.25)])
    assert found == (Alternative("a b", 0.5), Alternative("c", 0.375))


def test_fields_have_rounded_numbers():
    assert Line("a", 1.0, 0.0, alternatives=(Alternative("a", 1 / 3),)).alternatives[0].as_fields() == {
        "text": "a", "probability": 0.333333
    }  # fmt: skip
    assert torch.tensor(1 / 3) != 0.333333  # the control
