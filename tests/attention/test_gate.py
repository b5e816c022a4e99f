"""Attention across poses behind a gate: nothing while it is closed, and equivariant however far it is open."""

import math

import pytest
import torch
from group_actions import field_error
from literal_equations import EXACT_GROUPS
from sharp_weights import sharpened
from slow_cases import others_slow
from torch import nn

from trocr_gsa.model.attention import GatedGroupSelfAttention, GroupSelfAttention, LiftingSelfAttention
from trocr_gsa.model.groups import PointGroup

HIDDEN, HEADS = 16, 2


class TwoLayers(nn.Module):
    """Lift, then attend twice through gates."""

    def __init__(self, group: PointGroup, pose_sum: str = "none", num_frequencies: int = 3) -> None:
        super().__init__()
        self.lift = LiftingSelfAttention(group, HIDDEN, HEADS, num_frequencies)
        self.first = GatedGroupSelfAttention(group, HIDDEN, HEADS, pose_sum, num_frequencies)
        self.second = GatedGroupSelfAttention(group, HIDDEN, HEADS, pose_sum, num_frequencies)
        self.norm = nn.LayerNorm(HIDDEN, elementwise_affine=False)

    def forward(self, f, positions):
        f = nn.functional.gelu(self.norm(self.lift(f, positions)))
        f = f + nn.functional.gelu(self.norm(self.first(f, positions)))
        return self.second(self.norm(f), positions)


def field(group, positions=6):
    return torch.randn(2, group.order, positions, HIDDEN, dtype=torch.float64)


def layer(group="C4", gate=None, kind=GatedGroupSelfAttention):
    """A layer of a kind, always with the same weights."""
    torch.manual_seed(1)
    made = sharpened(GatedGroupSelfAttention(PointGroup.from_name(group), HIDDEN, HEADS))
    if gate is not None:
        nn.init.constant_(made.gate.weight, gate)
    if kind is not GatedGroupSelfAttention:
        other = kind(made.group, HIDDEN, HEADS).double()
        other.load_state_dict({name: made.state_dict()[name] for name in other.state_dict()})
        return other
    return made


@pytest.mark.parametrize("num_frequencies", others_slow([0, 3], 3))
@pytest.mark.parametrize("pose_sum", ["none", "query", "encoding"])
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_two_gated_layers_commute_with_every_element(name, pose_sum, num_frequencies, prepare):
    group = PointGroup.from_name(name)
    run = prepare(TwoLayers(group, pose_sum, num_frequencies))
    assert field_error(group, run, field(group), 2, 3) < 1e-11


@pytest.mark.parametrize("name", ["C2", "C4", "D1", "D2", "D4"])
def test_a_gate_that_knows_its_pose_breaks_it(name):
    """The control: poses open theirs by different amounts."""
    group = PointGroup.from_name(name)
    run = sharpened(TwoLayers(group))
    opening = torch.linspace(0.1, 0.9, group.order, dtype=torch.float64)[None, :, None, None, None]
    run.first.gate.forward = lambda features: opening * features
    assert field_error(group, run, field(group), 2, 3) > 1e-3


def test_behind_a_closed_gate_every_pose_is_alone(scattered):
    f = field(PointGroup.from_name("C4"), len(scattered))
    alone = layer(gate=0.0, kind=LiftingSelfAttention)(f, scattered)
    assert torch.equal(layer(gate=0.0)(f, scattered), alone)
    with torch.no_grad():  # where the gate need not learn, what is behind it is not even computed
        assert torch.equal(layer(gate=0.0)(f, scattered), alone)


def test_an_open_gate_adds_the_group_attention(scattered):
    f = field(PointGroup.from_name("C4"), len(scattered))
    parts = [layer(kind=kind) for kind in (LiftingSelfAttention, GroupSelfAttention)]
    alone, across = (part(f, scattered) - part.o_proj.bias for part in parts)
    expected = alone + math.tanh(0.7) * across + parts[0].o_proj.bias
    assert (layer(gate=0.7)(f, scattered) - expected).abs().max() < 1e-12
    assert (expected - alone).abs().max() > 1e-2


def test_a_closed_gate_can_be_learned_open(scattered):
    closed = layer(gate=0.0)
    closed(field(closed.group, len(scattered)), scattered).square().sum().backward()
    assert closed.gate.weight.grad.abs().min() > 1e-3


@pytest.mark.parametrize("kind", [LiftingSelfAttention, GroupSelfAttention, GatedGroupSelfAttention])
def test_projecting_the_encodings_line_by_line_changes_nothing(kind, scattered):
    attention = layer(kind=kind)
    f = field(attention.group, len(scattered))
    once = attention(f, scattered)
    attention.bases_per_line = True
    assert (attention(f, scattered) - once).abs().max() < 1e-12
