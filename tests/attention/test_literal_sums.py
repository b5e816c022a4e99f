"""The materialised sums that speed is measured against are the equations, not a slower version of them."""

import pytest
import torch
from group_actions import grid
from literal_equations import POSE_SUMS, group_attention
from sharp_weights import sharpened

from benchmarks.literal_attention import LiteralGroupAttention
from trocr_gsa.model.attention import GroupSelfAttention
from trocr_gsa.model.groups import PointGroup

HIDDEN, HEADS = 8, 2


@pytest.mark.parametrize("pose_sum", POSE_SUMS)
@pytest.mark.parametrize("name", ["C4", "D2", "D4"])
def test_the_literal_sums_are_those_of_the_layer(name, pose_sum):
    attn = sharpened(GroupSelfAttention(PointGroup.from_name(name), HIDDEN, HEADS, pose_sum, num_frequencies=3))
    x = grid(3, 4)
    f = torch.randn(2, attn.group.order, len(x), HIDDEN, dtype=torch.float64)
    difference = (LiteralGroupAttention(attn, x)(f) - attn(f, x)).abs().max() / attn(f, x).abs().max()
    assert difference < 1e-10


def test_the_literal_sums_are_those_of_the_equation_one_by_one(scattered):
    attn = sharpened(GroupSelfAttention(PointGroup.from_name("C4"), HIDDEN, HEADS, "query"))
    f = torch.randn(4, len(scattered), HIDDEN, dtype=torch.float64)
    at_once = LiteralGroupAttention(attn, scattered)(f[None])[0]
    assert (at_once - group_attention(attn, f, scattered)).abs().max() < 1e-10
