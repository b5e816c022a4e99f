"""What evidence is kept as, and what is said of it."""

import math

import pytest
import torch
from sharp_weights import sharpened

from experiments.published_encodings import ENCODINGS, corrected, written_out
from experiments.record import Mean, once, verdict_word
from trocr_gsa.equivariance import equivariance_error, turn_placed_field, turn_poses
from trocr_gsa.model.attention import POSE_SUMS, GroupSelfAttention
from trocr_gsa.model.encoding import grid_positions
from trocr_gsa.model.groups import PointGroup


def test_an_interval_is_students():
    mean = Mean.of([1.0, 2.0, 3.0])
    assert mean.value == 2
    assert mean.half == pytest.approx(4.303 / math.sqrt(3))
    assert math.isnan(Mean.of([1.0]).half)
    assert Mean.difference([2.0, 2.1], [1.0, 1.1]).is_positive
    assert not Mean.difference([2.0, 1.0], [1.0, 1.1]).is_positive
    with pytest.raises(ValueError, match="`values`"):
        Mean.of([])


def test_one_seed_decides_nothing():
    assert not Mean.of([1.0]).is_positive
    assert not Mean.of([-1.0]).is_negative


def test_what_is_kept_is_not_computed_again(tmp_path):
    rows = iter([{"a": 1}, {"a": 2}])
    assert once(tmp_path / "x" / "row.json", lambda: next(rows)) == {"a": 1}
    assert once(tmp_path / "x" / "row.json", lambda: next(rows)) == {"a": 1}


@pytest.mark.parametrize(
    ("wins", "losses", "word"), [(3, 0, "Supported"), (0, 3, "Refuted"), (1, 2, "Supported in part")]
)
def test_the_word_follows_from_the_comparisons(wins, losses, word):
    assert verdict_word(wins, losses, 3) == word
    assert verdict_word(0, losses - 1, 3) == "Not supported"


@pytest.fixture
def layer():
    def build(name: str, pose_sum: str = "none"):
        attn = sharpened(GroupSelfAttention(PointGroup.from_name(name), 16, 2, pose_sum, num_frequencies=3))
        return attn, torch.randn(1, attn.group.order, 6, 16, dtype=torch.float64), grid_positions(2, 3).double()

    return build


@pytest.mark.parametrize("pose_sum", POSE_SUMS)
@pytest.mark.parametrize("name", ["C4", "D4"])
def test_the_sums_written_out_are_the_layers(name, pose_sum, layer):
    attn, field, positions = layer(name, pose_sum)
    torch.testing.assert_close(
        written_out(attn, field, positions, corrected(attn.group), pose_sum), attn(field, positions), atol=1e-11, rtol=0
    )


@pytest.mark.parametrize(
    ("name", "equivariant"),
    [("C4", [True, False, False, True, True]), ("D4", [True, False, False, True, False])],
)
def test_which_published_encodings_commute(name, equivariant, layer):
    attn, field, positions = layer(name)
    for (encoding, index), commutes in zip(ENCODINGS.items(), equivariant, strict=True):
        error = equivariance_error(
            lambda placed, index=index: written_out(attn, *placed, index(attn.group), "query"),
            attn.group,
            (field, positions),
            turn_placed_field,
            turn_poses,
        )
        assert error < 1e-11 if commutes else error > 1e-3, encoding
