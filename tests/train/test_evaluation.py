"""Turning, reading and summing up."""

import numpy as np
import pytest
from PIL import Image

from trocr_gsa.data.line import Line
from trocr_gsa.data.samples import LineSample
from trocr_gsa.evaluation.evaluate import evaluate, read_lines, rotate_image, summarise
from trocr_gsa.evaluation.scored_line import ScoredLine


def scored(text, prediction, angle=0.0, orientation=0.0, document="book"):
    sample = LineSample(Image.new("L", (1, 1)), text, "line", document)
    return ScoredLine(sample, angle, Line(prediction, 1.0, orientation))


@pytest.mark.parametrize("angle", [0, 90, 180, 270, 360, -90])
def test_quarter_turns_move_pixels_counter_clockwise_and_change_none(angle):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    turned = np.asarray(rotate_image(Image.fromarray(pixels), angle))
    assert np.array_equal(turned, np.rot90(pixels, angle // 90))


@pytest.mark.parametrize(("mode", "paper"), [("L", 200), ("RGB", (200, 190, 180))])
def test_other_turns_are_filled_with_the_lines_own_paper(mode, paper):
    turned = rotate_image(Image.new(mode, (40, 20), paper), 45)
    assert turned.size[1] > 40
    assert turned.getpixel((0, 0)) == paper


def test_a_reader_reads_the_same_at_every_quarter_turn(tiny, lines):
    model, processor = tiny
    upright, *turned = [read for _, read in evaluate(model.eval(), processor, "set", lines, (0, 90, 180, 270))]
    for angle, read in zip((90, 180, 270), turned, strict=True):
        assert [line.prediction for line in read] == [line.prediction for line in upright]
        assert [
            (line.line.orientation - first.line.orientation) % 360 for line, first in zip(read, upright, strict=True)
        ] == [angle] * len(lines)


def test_small_batches_read_as_large_ones_and_in_order(tiny, lines):
    model, processor = tiny
    whole = read_lines(model.eval(), processor, lines, 0)
    single = read_lines(model, processor, lines, 0, batch_patches=1)
    assert [line.sample.name for line in single] == [line.name for line in lines]
    assert [line.prediction for line in single] == [line.prediction for line in whole]


@pytest.mark.parametrize("beams", [1, 2])
def test_confidence_is_a_probability(tiny, lines, beams):
    model, processor = tiny
    for line in read_lines(model.eval(), processor, lines, 0, num_beams=beams, with_ctc_text=True):
        assert 0 < line.line.confidence <= 1
        assert line.line.ctc_text is not None


def test_a_row_holds_rates_intervals_and_orientation():
    lines = [scored("abcd", "abcd"), scored("abcd", "abcx", orientation=90.0, document="other")]
    row = summarise("set", lines, seconds=0.5)
    assert (row.cer, row.wer, row.orientation_accuracy, row.lines_per_second) == (0.125, 0.5, 0.5, 4.0)
    assert row.cer_low == 0
    assert row.cer_high == 0.25
    assert row.chrf is None


def test_translation_targets_get_chrf_and_bleu():
    row = summarise("set", [scored("the cat sat down", "the cat sat down")], 1.0, translation=True)
    assert row.chrf == pytest.approx(100)
    assert row.bleu == pytest.approx(100)


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(ValueError, match="`lines` of set are empty"):
        summarise("set", [], 1.0)
