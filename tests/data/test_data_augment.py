from dataclasses import replace

import numpy as np
import pytest
from line_makers import lines_in_memory
from PIL import Image
from torch.utils.data import DataLoader

from trocr_gsa.data import AugmentedLines, LineAugmentation

STILL = LineAugmentation(0, 0, 0, 0, 0, margin=0, weight=0, contrast=0, blur=0, noise=0)
MOVED = replace(STILL, margin=1.0)  # into more room, and nothing else


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


def test_worker_processes_make_the_same_change(lines):
    augmented = AugmentedLines(lines)
    here = [augmented[i].image.tobytes() for i in range(8)]
    loader = DataLoader(augmented, batch_size=2, num_workers=2, collate_fn=list)
    assert [sample.image.tobytes() for batch in loader for sample in batch] == here


def test_a_line_is_never_turned_by_a_quarter_or_flipped():
    for seed in range(60):
        image = LineAugmentation()(bar(), np.random.default_rng(seed))
        dark = np.asarray(image) < 140
        rows, columns = dark.any(1).sum(), dark.any(0).sum()
        assert image.height == 40
        assert columns > 4 * rows
        half = dark.shape[1] // 2
        assert dark[:, :half].sum() > dark[:, half:].sum()


def test_outside_is_paper():
    image = LineAugmentation(rotation=5, shear=20, zoom=0.3, shift=0.2, noise=0, contrast=0, weight=0)(
        bar(), np.random.default_rng(1)
    )
    assert np.asarray(image)[:3].min() > 200


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_grey_and_coloured_pictures_keep_their_mode(mode):
    assert LineAugmentation()(bar().convert(mode), np.random.default_rng(0)).mode == mode


def test_a_standing_line_is_changed_too():
    assert LineAugmentation()(bar().rotate(90, expand=True), np.random.default_rng(0)).size[0] < 60


def share_of_height(image) -> float:
    dark = np.asarray(image) < 128
    return dark.any(1).sum() / image.height


def test_in_more_room_a_line_is_smaller_and_whole():
    page = np.full((160, 900), 255, dtype=np.uint8)
    page[40:120, 50:850] = 0
    shares = []
    for seed in range(60):
        image = replace(MOVED, neighbours=0)(Image.fromarray(page), np.random.default_rng(seed))
        dark = np.asarray(image) < 128
        assert image.height == 160
        assert dark.any(0).sum() / dark.any(1).sum() == pytest.approx(10, rel=0.05)  # as long for its height as before
        assert not np.concatenate((dark[[0, -1]].flatten(), dark[:, [0, -1]].flatten())).any()
        shares.append(share_of_height(image))
    assert max(shares) == pytest.approx(0.5, abs=0.01)
    assert min(shares) == pytest.approx(0.25, abs=0.03)
    assert 0.3 < np.mean(np.array(shares) > 0.49) < 0.6  # about two of five keep the room they have


def test_between_neighbours_its_own_edges_stand_above_and_below():
    page = np.full((40, 200), 255, dtype=np.uint8)
    page[2:6, 60:120] = 0  # only the next line's upper edge can put ink at the bottom
    lines = [replace(MOVED, neighbours=1)(Image.fromarray(page), np.random.default_rng(seed)) for seed in range(40)]
    below = [(np.asarray(line)[-4:] < 128).any() for line in lines]
    assert 0.1 < np.mean(below) < 0.9
