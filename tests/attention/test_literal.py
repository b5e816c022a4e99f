"""The fused attention computes the equations exactly: values, gradients, neighbourhoods, adapters."""

import pytest
import torch
from literal_equations import EXACT_GROUPS, POSE_SUMS, group_attention, lifting
from sharp_weights import sharpened, sharpened_with_lora

from trocr_gsa.model.attention import GroupSelfAttention, LiftingSelfAttention
from trocr_gsa.model.groups import PointGroup

HIDDEN, HEADS = 8, 2


def difference(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


def field(*shape):
    return torch.randn(*shape, HIDDEN, dtype=torch.float64)


@pytest.mark.parametrize("name", [*EXACT_GROUPS, "C8"])
def test_lifting_is_the_equation(name, prepare, scattered):
    attn = LiftingSelfAttention(PointGroup.from_name(name), HIDDEN, HEADS, num_frequencies=3)
    run, f = prepare(attn), field(len(scattered))
    assert difference(run(f[None], scattered)[0], lifting(attn, f, scattered)) < 1e-11


@pytest.mark.parametrize("name", ["C4", "D2"])
def test_lifting_of_what_each_pose_sees_is_the_equation_pose_by_pose(name, prepare, scattered):
    attn = LiftingSelfAttention(PointGroup.from_name(name), HIDDEN, HEADS)
    run, f = prepare(attn), field(attn.group.order, len(scattered))
    out = run(f[None], scattered)[0]
    for h in range(attn.group.order):
        assert difference(out[h], lifting(attn, f[h], scattered)[h]) < 1e-11


@pytest.mark.parametrize("pose_sum", POSE_SUMS)
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_group_attention_is_the_equation(name, pose_sum, prepare, scattered):
    attn = GroupSelfAttention(PointGroup.from_name(name), HIDDEN, HEADS, pose_sum=pose_sum, num_frequencies=3)
    run, f = prepare(attn), field(attn.group.order, len(scattered))
    assert difference(run(f[None], scattered)[0], group_attention(attn, f, scattered)) < 1e-11


def test_the_comparison_is_made_where_attention_is_sharp(scattered):
    attn = sharpened(GroupSelfAttention(PointGroup.from_name("C4"), HIDDEN, HEADS))
    tokens = field(4 * len(scattered))
    query, key = (p(tokens).unflatten(-1, (HEADS, -1)).transpose(0, 1) for p in (attn.q_proj, attn.k_proj))
    weights = (query @ key.mT * query.shape[-1] ** -0.5).softmax(-1)
    assert weights.amax(-1).mean() > 0.5


@pytest.mark.parametrize("pose_sum", POSE_SUMS)
def test_gradients_are_those_of_the_equation(pose_sum, scattered):
    attn = GroupSelfAttention(PointGroup.from_name("C4"), HIDDEN, HEADS, pose_sum=pose_sum, num_frequencies=2)
    sharpened_with_lora(attn)
    attn.requires_grad_(True)
    f, weight = field(4, len(scattered)), field(4, len(scattered))
    parameters = dict(attn.named_parameters())
    fused = torch.autograd.grad((attn(f[None], scattered)[0] * weight).sum(), parameters.values())
    literal = torch.autograd.grad((group_attention(attn, f, scattered) * weight).sum(), parameters.values())
    for name, a, b in zip(parameters, fused, literal, strict=True):
        assert b.abs().max() > 1e-6, name
        assert difference(a, b) < 1e-10, name


def test_a_lora_that_missed_the_encoding_would_be_seen(scattered):
    attn = GroupSelfAttention(PointGroup.from_name("C4"), HIDDEN, HEADS)
    run, f = sharpened_with_lora(attn), field(4, len(scattered))
    right = run(f[None], scattered)[0]
    adapted, unadapted = attn.k_proj, attn.k_proj.get_base_layer()

    class Bypass(torch.nn.Module):
        def forward(self, x):
            return adapted(x) if x.dim() == 4 else unadapted(x)  # features have 4 dimensions, the encoding's bases 2

    attn.k_proj = Bypass()
    assert difference(run(f[None], scattered)[0], right) > 1e-3


@pytest.mark.parametrize(("shape", "norm"), [("disc", 2), ("square", torch.inf)])
@pytest.mark.parametrize("name", ["C4", "D4"])
def test_a_neighbourhood_sums_over_neighbours_alone(name, shape, norm):
    group = PointGroup.from_name(name)
    x = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1], [2, 0]], dtype=torch.float64)
    f = field(group.order, len(x))
    options = {"neighbourhood": 1.0, "neighbourhood_shape": shape}
    lift = sharpened(LiftingSelfAttention(group, HIDDEN, HEADS, **options))
    attn = sharpened(GroupSelfAttention(group, HIDDEN, HEADS, **options))

    def near(i, j):
        return bool(torch.linalg.vector_norm(x[j] - x[i], norm) <= 1.0)

    assert sum(near(i, j) for i in range(5) for j in range(5)) == (15 if shape == "disc" else 21)
    assert difference(lift(f[None, 0], x)[0], lifting(lift, f[0], x, near)) < 1e-11
    assert difference(attn(f[None], x)[0], group_attention(attn, f, x, near)) < 1e-11
