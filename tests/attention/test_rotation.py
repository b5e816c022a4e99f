"""Turning the page turns the features and changes nothing else, for every element of every group."""

import pytest
import torch
from group_actions import field_error, grid
from literal_equations import EXACT_GROUPS, POSE_SUMS, corrected_pose, group_attention, published_pose
from sharp_weights import sharpened
from slow_cases import others_slow
from torch import nn

from trocr_gsa.model.attention import GroupSelfAttention, LiftingSelfAttention
from trocr_gsa.model.encoding import CentredEncoding
from trocr_gsa.model.groups import PointGroup

HIDDEN, HEADS = 16, 2
GRIDS = [(3, 5), (2, 4), (1, 4)]


def field(*shape):
    return torch.randn(*shape, HIDDEN, dtype=torch.float64)


class TwoLayers(nn.Module):
    """Lift, then attend on the group twice, with a nonlinearity in between."""

    def __init__(self, group: PointGroup, pose_sum: str, **options) -> None:
        super().__init__()
        self.lift = LiftingSelfAttention(group, HIDDEN, HEADS, num_frequencies=3, **options)
        self.first = GroupSelfAttention(group, HIDDEN, HEADS, pose_sum, num_frequencies=3, **options)
        self.second = GroupSelfAttention(group, HIDDEN, HEADS, pose_sum, num_frequencies=3, **options)
        self.norm = nn.LayerNorm(HIDDEN, elementwise_affine=False)

    def forward(self, f, positions):
        f = nn.functional.gelu(self.norm(self.lift(f, positions)))
        f = f + nn.functional.gelu(self.norm(self.first(f, positions)))
        return self.second(self.norm(f), positions)


@pytest.mark.parametrize("shape", others_slow(GRIDS, GRIDS[0]))
@pytest.mark.parametrize("pose_sum", POSE_SUMS)
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_two_layers_commute_with_every_element(name, pose_sum, shape, prepare):
    group = PointGroup.from_name(name)
    run = prepare(TwoLayers(group, pose_sum))
    scalar, seen_per_pose = field(2, shape[0] * shape[1]), field(2, group.order, shape[0] * shape[1])
    assert field_error(group, run, scalar, *shape) < 1e-11
    assert field_error(group, run, seen_per_pose, *shape) < 1e-11


@pytest.mark.parametrize("shape", ["disc", "square"])
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_neighbourhoods_are_closed_under_the_group(name, shape):
    group = PointGroup.from_name(name)
    run = sharpened(TwoLayers(group, "none", neighbourhood=1.5, neighbourhood_shape=shape))
    assert field_error(group, run, field(1, 15), 3, 5) < 1e-11


@pytest.mark.parametrize("name", ["C8", "C12", "C16", "D8"])
def test_attention_on_turned_positions_is_exact_even_where_turned_pixels_are_not(name, scattered):
    group = PointGroup.from_name(name)
    run = sharpened(GroupSelfAttention(group, HIDDEN, HEADS))
    f = field(1, group.order, len(scattered))
    y = run(f, scattered)
    for h3 in range(group.order):
        poses = group.product[group.inverse[h3]]
        error = run(f[:, poses], scattered @ group.matrices[h3].T) - y[:, poses]
        assert error.abs().max() / y.abs().max() < 1e-11


def test_every_pose_sees_something_else():
    """Otherwise everything above would hold for nothing's sake."""
    y = sharpened(TwoLayers(PointGroup.from_name("D4"), "none"))(field(1, 15), grid(3, 5))
    for h in range(1, 8):
        assert (y[:, h] - y[:, 0]).abs().max() > 0.1


@pytest.mark.parametrize("pose_sum", POSE_SUMS)
@pytest.mark.parametrize("name", others_slow(["C2", "C4", "D1", "D2", "D4"], "C2", "C4", "D1"))
def test_the_published_encoding_does_not_commute(name, pose_sum):
    """The control: [RC]'s h⁻¹h₁⁻¹h₂ in the very same evaluation."""
    group = PointGroup.from_name(name)
    attn = sharpened(GroupSelfAttention(group, HIDDEN, HEADS, pose_sum))

    def literal(pose):
        return lambda f, x: group_attention(attn, f[0], x, relative_pose=pose)[None]

    f, elements = field(1, group.order, 2), [1, group.order - 1]
    assert field_error(group, literal(corrected_pose), f, 1, 2, elements) < 1e-11
    assert field_error(group, literal(published_pose), f, 1, 2, elements) > 1e-3


@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_a_centred_absolute_encoding_commutes(name):
    group = PointGroup.from_name(name)
    run, centred = sharpened(TwoLayers(group, "none")), sharpened(CentredEncoding(group, HIDDEN, 3))
    assert field_error(group, lambda f, x: run(f + centred(x), x), field(1, group.order, 15), 3, 5) < 1e-11


@pytest.mark.parametrize("name", ["C2", "C4", "D1", "D2", "D4"])
def test_an_absolute_encoding_counted_from_a_corner_does_not_commute(name):
    """The control: the same term, with the origin at the image's top left instead of its centre."""
    group = PointGroup.from_name(name)
    run, centred = sharpened(TwoLayers(group, "none")), sharpened(CentredEncoding(group, HIDDEN, 3))

    def from_corner(f, x):
        corner = torch.stack((x[:, 0].min(), x[:, 1].max()))
        return run(f + centred(x - corner), x)

    assert field_error(group, from_corner, field(1, group.order, 15), 3, 5) > 1e-3


@pytest.mark.parametrize("name", ["C4", "D2", "D4"])
def test_an_absolute_encoding_that_does_not_turn_with_the_pose_does_not_commute(name):
    """The control: centred, but every pose gets what the upright pose sees."""
    group = PointGroup.from_name(name)
    run, centred = sharpened(TwoLayers(group, "none")), sharpened(CentredEncoding(group, HIDDEN, 3))
    assert field_error(group, lambda f, x: run(f + centred(x)[:1], x), field(1, group.order, 15), 3, 5) > 1e-3
