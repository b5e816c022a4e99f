"""Padding, batches and the two ways to compute: none of them changes a number."""

import pytest
import torch
from group_actions import grid
from literal_equations import EXACT_GROUPS, POSE_SUMS
from sharp_weights import sharpened

from trocr_gsa.model.attention import GroupSelfAttention, LiftingSelfAttention
from trocr_gsa.model.groups import PointGroup

HIDDEN, HEADS = 8, 2
VALID, PADDED = 6, 3


def layers(name="C4", **options):
    """Both layers, as functions of a field (batch, pose, position, hidden)."""
    group = PointGroup.from_name(name)
    both = [LiftingSelfAttention(group, HIDDEN, HEADS, **options)]
    both += [GroupSelfAttention(group, HIDDEN, HEADS, pose_sum, **options) for pose_sum in POSE_SUMS]
    return [sharpened(layer) for layer in both]


def field(*shape):
    return torch.randn(*shape, HIDDEN, dtype=torch.float64)


def padded(f, x):
    """Append rubbish: large features at positions that lie among the valid ones."""
    rubbish = torch.full((*f.shape[:-2], PADDED, HIDDEN), 100.0, dtype=f.dtype)
    mask = torch.arange(VALID + PADDED) < VALID
    return torch.cat((f, rubbish), -2), torch.cat((x, x[:PADDED] + 0.5)), mask.expand(len(f), -1)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("neighbourhood", [None, 1.5])
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_padding_never_reaches_a_valid_position(name, neighbourhood, implementation):
    for layer in layers(name, neighbourhood=neighbourhood, attn_implementation=implementation):
        f, x = field(2, layer.group.order, VALID), grid(2, 3)
        alone = layer(f, x)
        beside_padding = layer(*padded(f, x))
        assert beside_padding.isfinite().all()
        assert (beside_padding[:, :, :VALID] - alone).abs().max() / alone.abs().max() < 1e-12


def test_without_the_mask_padding_would_reach():
    """The control."""
    for layer in layers():
        f, x = field(1, 4, VALID), grid(2, 3)
        features, positions, _ = padded(f, x)
        assert (layer(features, positions)[:, :, :VALID] - layer(f, x)).abs().max() > 1e-3


@pytest.mark.parametrize("dtype", [torch.long, torch.int32, torch.uint8])
def test_a_mask_of_integers_is_the_mask_of_bools(dtype):
    for layer in layers():
        features, positions, mask = padded(field(2, 4, VALID), grid(2, 3))
        assert torch.equal(layer(features, positions, mask.to(dtype)), layer(features, positions, mask))


@pytest.mark.parametrize(
    "mask",
    [torch.ones(1, VALID), torch.ones(1, VALID - 1).bool(), torch.ones(VALID).bool(), torch.ones(2, VALID).bool()],
)
def test_a_mask_of_floats_or_of_another_shape_is_an_error(mask):
    for layer in layers():
        with pytest.raises(ValueError, match=r"`attention_mask` must be \(1, 6\), of bool or of integers 0 and 1, got"):
            layer(field(1, 4, VALID), grid(2, 3), mask)


def test_no_gradient_reaches_padding():
    for layer in layers():
        features, positions, mask = padded(field(1, 4, VALID), grid(2, 3))
        features.requires_grad_(True)
        layer(features, positions, mask)[:, :, :VALID].square().sum().backward()
        assert features.grad[:, :, VALID:].abs().max() == 0
        assert features.grad[:, :, :VALID].abs().max() > 0


def test_samples_with_their_own_positions_and_padding_do_not_see_each_other():
    for layer in layers():
        wide, tall = field(1, 4, VALID), field(1, 4, VALID - 2)
        x_wide, x_tall = grid(1, VALID), grid(VALID - 2, 1)
        batch = torch.cat((wide, torch.nn.functional.pad(tall, (0, 0, 0, 2), value=9.0)))
        positions = torch.stack((x_wide, torch.cat((x_tall, torch.zeros(2, 2)))))
        mask = torch.tensor([[True] * VALID, [True] * (VALID - 2) + [False] * 2])
        together = layer(batch, positions, mask)
        for out, alone in ((together[:1], layer(wide, x_wide)), (together[1:, :, : VALID - 2], layer(tall, x_tall))):
            assert (out - alone).abs().max() / alone.abs().max() < 1e-12


@pytest.mark.parametrize("neighbourhood", [None, 1.5])
@pytest.mark.parametrize("name", ["C1", "C4", "D2"])
def test_sdpa_and_eager_are_the_same_numbers(name, neighbourhood):
    for layer in layers(name, neighbourhood=neighbourhood):
        f, x = field(2, layer.group.order, VALID), grid(2, 3)
        mask = torch.ones(2, VALID, dtype=torch.bool)
        mask[1, 4:] = False
        sdpa = layer(f, x, mask)
        layer.attn_implementation = "eager"
        eager = layer(f, x, mask)
        assert (sdpa - eager)[0].abs().max() / eager.abs().max() < 1e-12
        assert (sdpa - eager)[1, :, :4].abs().max() / eager.abs().max() < 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_stays_near(dtype):
    for layer in layers():
        for parameter in layer.parameters():
            parameter.data = (parameter.data * 0.3).to(dtype).double()  # both see the same weights
        f, x = field(1, 4, VALID).to(dtype), grid(2, 3)
        exact = layer(f.double(), x)
        low = layer.to(dtype)(f, x)
        assert low.dtype == dtype
        assert (low.double() - exact).abs().max() / exact.abs().max() < 30 * torch.finfo(dtype).eps


def test_every_parameter_learns():
    for layer in layers("D2"):
        layer(field(1, 4, VALID), grid(2, 3)).square().sum().backward()
        for name, parameter in layer.named_parameters():
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 1e-9, name


def test_memory_does_not_grow_with_the_square_of_the_tokens():
    """4 poses of 2,500 positions: the scores alone would be 800 MB a head and a pose."""
    layer = GroupSelfAttention(PointGroup.from_name("C4"), HIDDEN, 1)
    f, x = torch.randn(1, 4, 2500, HIDDEN), grid(50, 50).float()
    seen = []

    class Largest(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            seen.extend(t.numel() for t in torch.utils._pytree.tree_leaves(out) if isinstance(t, torch.Tensor))
            return out

    with torch.no_grad(), Largest():
        layer(f, x)
    assert max(seen) < 100 * f.numel()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "C4"}, r"`group` must be a PointGroup.*got 'C4'"),
        ({"hidden_size": 0}, "`hidden_size` must be at least 1, got 0"),
        ({"num_heads": 0}, "`num_heads` must be at least 1, got 0"),
        ({"num_frequencies": -1}, "`num_frequencies` must be at least 0, got -1"),
        ({"hidden_size": 10, "num_heads": 4}, r"`hidden_size`.*`num_heads` = 4, got 10.*8 and 12"),
        ({"pose_sum": "all"}, r"`pose_sum`.*none, query, encoding.*'all'"),
        ({"neighbourhood": 1.0, "neighbourhood_shape": "ring"}, r"`neighbourhood_shape`.*'disc'.*'ring'"),
    ],
)
def test_an_impossible_layer_is_an_error_that_names_the_field(options, message):
    with pytest.raises(ValueError, match=message):
        GroupSelfAttention(**{"group": PointGroup.from_name("C4"), "hidden_size": 8, "num_heads": 2, **options})


def test_a_square_neighbourhood_is_refused_where_it_would_not_turn_onto_itself():
    with pytest.raises(ValueError, match=r"`neighbourhood_shape`.*C8"):
        LiftingSelfAttention(PointGroup.from_name("C8"), 8, 2, neighbourhood=1.0, neighbourhood_shape="square")


@pytest.mark.parametrize(
    ("shape", "positions", "field_name"),
    [
        ((1, 3, 6, HIDDEN), (6, 2), "features"),
        ((1, 4, 6, 2 * HIDDEN), (6, 2), "features"),
        ((1, 4, 6, HIDDEN), (5, 2), "positions"),
        ((1, 4, 6, HIDDEN), (6, 3), "positions"),
        ((2, 4, 6, HIDDEN), (3, 6, 2), "positions"),
        ((1, 4, 6, HIDDEN), (3, 6, 2), "positions"),
        ((1, 4, 6, HIDDEN), (1, 1, 6, 2), "positions"),
    ],
)
def test_features_and_positions_that_do_not_fit_are_an_error(shape, positions, field_name):
    for layer in (GroupSelfAttention, LiftingSelfAttention):
        with pytest.raises(ValueError, match=f"`{field_name}`"):
            layer(PointGroup.from_name("C4"), HIDDEN, HEADS)(torch.zeros(shape), torch.zeros(positions))


def test_lifting_says_that_it_takes_scalar_fields_too():
    lifting = LiftingSelfAttention(PointGroup.from_name("C4"), HIDDEN, HEADS)
    with pytest.raises(
        ValueError, match=r"`features` must be \(batch, position, 8\) or \(batch, 4, position, 8\), with"
    ):
        lifting(torch.zeros(6, HIDDEN), grid(2, 3).float())


def test_a_scalar_field_is_an_error_for_group_attention():
    with pytest.raises(ValueError, match="`features`"):
        GroupSelfAttention(PointGroup.from_name("C4"), HIDDEN, HEADS)(torch.zeros(4, 6, HIDDEN), grid(2, 3).float())
