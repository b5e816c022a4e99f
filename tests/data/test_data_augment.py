from dataclasses import replace

import numpy as np
import pytest
from line_makers import lines_in_memory
from PIL import Image
from torch.utils.data import DataLoader

from trocr_gsa.data import AugmentedLines, LineAugmentation
from trocr_gsa.data.synthetic.surroundings import Surroundings

ALONE = Surroundings(margin=0, neighbours=0, cut_out=0)
STILL = LineAugmentation(
    *(0,) * 7, weight=0, contrast=0, blur=0, noise=0, shade=0, light=0, resolution=0, jpeg=0, surroundings=ALONE
)


@pytest.fixture
def lines():
    return lines_in_memory([f"line {i}" for i in range(8)])


def bar(width=200, height=40):
    """White paper with a black bar along its middle, nearer to the left."""
    page = np.full((height, width), 255, dtype=np.uint8)
    page[height // 2 - 4 : height // 2 + 4, 20 : width - 60] = 0
    return Image.fromarray(page)


def pixels(sample):
    return np.asarray(sample.image)


def test_without_any_range_nothing_changes(lines):
    np.testing.assert_allclose(pixels(AugmentedLines(lines, STILL)[0]), pixels(lines[0]), atol=1)


def test_a_line_is_changed_afresh_in_every_epoch_and_keeps_its_text(lines):
    augmented = AugmentedLines(lines)
    epochs = [augmented[epoch * len(lines) + 3] for epoch in range(4)]
    assert len({sample.image.tobytes() for sample in epochs}) == 4
    assert {sample.text for sample in epochs} == {"line 3"}


def test_seed_and_index_determine_the_change(lines):
    assert AugmentedLines(lines, seed=1)[3].image.tobytes() == AugmentedLines(lines, seed=1)[3].image.tobytes()
    assert AugmentedLines(lines, seed=1)[3].image.tobytes() != AugmentedLines(lines, seed=2)[3].image.tobytes()


def test_a_share_of_the_lines_is_augmented_and_the_others_are_as_they_were(lines):
    augmented = AugmentedLines(lines, share=0.25)
    same = [(augmented[i].image.tobytes() == lines[i].image.tobytes()) for i in range(400)]
    assert 0.68 < sum(same) / 400 < 0.82


def test_worker_processes_make_the_same_change(lines):
    augmented = AugmentedLines(lines)
    here = [augmented[i].image.tobytes() for i in range(8)]
    loader = DataLoader(augmented, batch_size=2, num_workers=2, collate_fn=list)
    assert [sample.image.tobytes() for batch in loader for sample in batch] == here


def test_a_line_is_never_turned_by_a_quarter_or_flipped():
    for seed in range(60):
        image = LineAugmentation(shade=0, light=0, surroundings=ALONE)(bar(), np.random.default_rng(seed))
        dark = np.asarray(image) < 140
        rows, columns = dark.any(1).sum(), dark.any(0).sum()
        assert image.height == 40
        assert columns > 4 * rows
        half = dark.shape[1] // 2
        assert dark[:, :half].sum() > dark[:, half:].sum()


def test_outside_is_paper():
    moved = replace(STILL, rotation=5, shear=20, zoom=0.3, shift=0.2)
    assert np.asarray(moved(bar(), np.random.default_rng(1)))[:3].min() > 200


def test_in_the_shade_one_end_is_darker():
    white = Image.new("L", (200, 40), 255)
    ends = [np.asarray(replace(STILL, shade=1)(white, np.random.default_rng(seed)))[0, [0, -1]] for seed in range(20)]
    assert all(max(pair) > 250 for pair in ends)
    assert 128 <= min(map(min, ends)) < 160
    assert {pair[0] < pair[1] for pair in ends} == {True, False}


def test_seen_askew_one_end_is_higher():
    ends = []
    for seed in range(40):
        dark = np.asarray(replace(STILL, perspective=0.5)(bar(), np.random.default_rng(seed))) < 128
        ends.append((dark[:, 25].sum(), dark[:, -65].sum()))
    assert {left > right for left, right in ends if left != right} == {True, False}
    assert (8, 8) in ends  # half of the lines are seen from in front


def test_elastic_strokes_are_bent_and_stay_where_they_were():
    bent = [np.asarray(replace(STILL, elastic=0.1)(bar(), np.random.default_rng(seed))) < 128 for seed in range(20)]
    middles = np.stack([(dark * np.arange(40)[:, None]).sum(0)[25:135] / dark.sum(0)[25:135] for dark in bent])
    assert middles.std(1).max() > 0.5
    np.testing.assert_allclose(middles, 19.5, atol=4.1)


def test_uneven_light_darkens_and_never_brightens():
    grey = Image.new("L", (200, 40), 200)
    lit = np.stack([replace(STILL, light=1)(grey, np.random.default_rng(seed)) for seed in range(20)])
    assert lit.max() <= 200
    assert 110 < lit.min() < 160
    assert max(np.ptp(picture) for picture in lit) > 20


def test_under_a_lamp_colours_are_cast_and_greys_stay_grey():
    assert np.ptp(np.asarray(replace(STILL, light=1)(bar().convert("RGB"), np.random.default_rng(1)))[0, 0]) > 5
    assert replace(STILL, light=1)(bar(), np.random.default_rng(1)).mode == "L"


@pytest.mark.parametrize("part", ["resolution", "jpeg"])
def test_what_a_scanner_loses_is_detail_and_not_ink(part):
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (40, 200), dtype=np.uint8))
    for seed in range(10):
        worse = replace(STILL, **{part: 1.0})(picture, np.random.default_rng(seed))
        assert worse.size == picture.size
        before, after = np.asarray(picture, dtype=float), np.asarray(worse, dtype=float)
        assert after.mean() == pytest.approx(before.mean(), abs=6)
        assert np.abs(after - before).mean() > 3


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_grey_and_coloured_pictures_keep_their_mode(mode):
    assert LineAugmentation()(bar().convert(mode), np.random.default_rng(0)).mode == mode


def test_a_standing_line_is_changed_too():
    assert LineAugmentation()(bar().rotate(90, expand=True), np.random.default_rng(0)).size[0] < 60
