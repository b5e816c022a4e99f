"""What a hand does to drawn letters: nothing without any range, and each part what it says."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from trocr_gsa.data.synthetic.handwriting import HandStyle, Rows, shrunk_bodies, write_by_hand
from trocr_gsa.data.synthetic.random_fields import cloud, sampled, wave

ROWS = Rows(height=56, top=28, baseline=40, body=18, capitals=30)
FONT = HandStyle(slant=0, skew=0, curve=0, body=0, width=0, uneven=0, elastic=0)
SEEDS = range(30)


def stave(width: int = 400) -> Image.Image:
    """36 upright strokes as high as capitals, 3 of 10 pixels wide, on the baseline; the canvas is two frames high."""
    ink = np.zeros((112, width), dtype=np.uint8)
    for left in range(20, width - 20, 10):
        ink[28 + 40 - 30 : 28 + 40, left : left + 3] = 255
    return Image.fromarray(ink)


def strokes(row: np.ndarray) -> np.ndarray:
    """Where strokes cross a row, by their left edges."""
    dark = row > 127
    return np.flatnonzero(dark[1:] & ~dark[:-1]) + 1


def written(style: HandStyle, seed: int) -> np.ndarray:
    return np.asarray(write_by_hand(stave(), ROWS, style, np.random.default_rng(seed)))


def test_without_any_range_the_frame_is_cut_and_nothing_else():
    np.testing.assert_array_equal(written(FONT, 1), np.asarray(stave())[28:84])


def test_a_seed_determines_the_hand():
    np.testing.assert_array_equal(written(HandStyle(), 3), written(HandStyle(), 3))
    assert written(HandStyle(), 3).tobytes() != written(HandStyle(), 4).tobytes()


def test_letters_lean_to_the_right_mostly_and_none_is_cut_off():
    leans = []
    for seed in SEEDS:
        ink = written(replace(FONT, slant=35), seed)
        top, foot = strokes(ink[12]), strokes(ink[38])
        assert len(top) == len(foot) == 36
        leans.append(top[0] - foot[0])
    assert max(leans) > 12
    assert -8 < min(leans) < 0
    assert np.mean(np.array(leans) > 0) > 0.6


def test_bodies_shrink_and_capitals_and_descenders_keep_their_height():
    above = np.array([-10.0, 0, 9, 18, 30, 35])
    np.testing.assert_allclose(shrunk_bodies(above, ROWS, 1.0), above)
    drawn = shrunk_bodies(above, ROWS, 0.5)
    np.testing.assert_allclose(drawn[[0, 1, 4, 5]], above[[0, 1, 4, 5]])
    assert drawn[2] == 18  # half as high shows what the font drew at its full height
    assert np.all(np.diff(drawn) > 0)


def test_strokes_come_at_uneven_distances_and_in_their_order():
    gaps = [np.diff(strokes(written(replace(FONT, uneven=0.5), seed)[30])) for seed in SEEDS]
    assert {len(line) for line in gaps} == {35}
    assert min(map(min, gaps)) < 8 < 12 < max(map(max, gaps))
    assert set(np.diff(strokes(written(FONT, 2)[30]))) == {10}


def test_the_line_gets_longer_or_shorter_by_its_width():
    widths = [written(replace(FONT, width=0.25), seed).shape[1] for seed in SEEDS]
    assert 300 <= min(widths) < 340
    assert 460 < max(widths) <= 500


@pytest.mark.parametrize("part", ["skew", "curve", "elastic"])
def test_the_baseline_moves_by_a_few_pixels_and_no_more(part):
    style = replace(FONT, **{part: {"skew": 3.0, "curve": 0.1, "elastic": 0.05}[part]})
    feet = np.concatenate([lowest(written(style, seed)) for seed in SEEDS])
    assert feet.std() > 0.2
    assert 28 < feet.min() <= feet.max() < 52


def lowest(ink: np.ndarray) -> np.ndarray:
    """The lowest row with ink of every column that a stroke fills."""
    dark = ink > 127
    columns = np.flatnonzero(dark.sum(0) > 25)
    return np.array([np.flatnonzero(dark[:, column])[-1] for column in columns])


def test_fields_are_smooth_and_within_one():
    rng = np.random.default_rng(0)
    for field in (cloud((40, 300), 12.0, rng), wave(300, 12.0, rng)):
        assert field.dtype == np.float32
        assert -1 <= field.min() < -0.5 < 0.5 < field.max() <= 1
        assert np.abs(np.diff(field)).max() < 0.3


def test_a_field_sampled_at_its_own_points_is_itself_and_goes_on_at_its_edge():
    values = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    y, x = np.mgrid[:20, :30].astype(np.float32)
    np.testing.assert_allclose(sampled(values, x, y), values, atol=3e-3)
    np.testing.assert_allclose(sampled(values, x + 0.5, y)[:, :-2], (values[:, :-2] + values[:, 1:-1]) / 2, atol=3e-3)
    np.testing.assert_allclose(sampled(values, x - 50, y), values[:, :1].repeat(30, 1), atol=3e-3)
