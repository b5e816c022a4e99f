"""What is put around a line: it stays whole, gets smaller, and what is beyond it is paper, other lines, or cut away."""

import numpy as np
import pytest
from PIL import Image

from trocr_gsa.data.synthetic.surroundings import Surroundings

ROOMY = Surroundings(margin=1.0, neighbours=0, cut_out=0)
SEEDS = range(60)


def line(mode: str = "L") -> Image.Image:
    """White paper with a grey block, nearer to the upper edge than to the lower."""
    page = np.full((40, 300), 250, dtype=np.uint8)
    page[4:30, 10:290] = 90
    return Image.fromarray(page).convert(mode)


def put(surroundings: Surroundings, mode: str = "L") -> list[np.ndarray]:
    return [np.asarray(surroundings(line(mode), np.random.default_rng(seed))) for seed in SEEDS]


def test_alone_a_line_stays_as_it_is():
    for page in put(Surroundings(0, 0, 0)):
        np.testing.assert_array_equal(page, np.asarray(line()))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_line_stands_whole_in_blank_paper_and_is_smaller(mode):
    heights = []
    for page in put(ROOMY, mode):
        dark = (page.reshape(*page.shape[:2], -1) < 200).any(-1)
        rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
        assert (len(rows), len(columns)) == (26, 280)
        assert (page == 90).sum() == (np.asarray(line(mode)) == 90).sum()
        heights.append(len(page))
    assert min(heights) == 40
    assert 70 < max(heights) <= 80
    assert 0.3 < np.mean(np.array(heights) == 40) < 0.6


def test_neighbours_reach_into_the_room_with_their_near_edges():
    """Nearer to its upper edge, the line below is seen more often than the one above."""
    pages = put(Surroundings(margin=1.0, neighbours=1, cut_out=0))
    above, below = ([(page[edge] == 90).any() for page in pages] for edge in (0, -1))
    assert 0 < np.mean(above) < np.mean(below) < 1


def test_a_line_that_is_cut_out_is_whole_on_black_or_on_white():
    corners = set()
    for page in put(Surroundings(margin=1.0, neighbours=0, cut_out=1)):
        assert (page == 90).sum() == 26 * 280
        corners |= set(page[[0, -1], 0].tolist())
    assert corners == {0, 250, 255}


def test_a_picture_that_is_higher_than_long_is_left_alone():
    letter = line().rotate(90, expand=True)
    assert Surroundings(1.0, 1, 1)(letter, np.random.default_rng(0)) is letter
