"""On a CPU, "sdpa" takes the fused kernel or two products, by size; the result is the same."""

import pytest
import torch
import torch.nn.functional as F
from group_actions import grid
from sharp_weights import sharpened

from trocr_gsa.model import attention_kernels
from trocr_gsa.model.attention import GroupSelfAttention, LiftingSelfAttention
from trocr_gsa.model.groups import PointGroup

C4 = PointGroup.from_name("C4")
LAYERS = [LiftingSelfAttention, GroupSelfAttention]


@pytest.fixture
def fused_calls(monkeypatch):
    """The number of calls of PyTorch's fused kernel, as the length of a list."""
    calls, fused = [], F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *args, **kwargs: calls.append(1) or fused(*args, **kwargs)
    )
    return calls


def layer_of(kind, implementation="sdpa", **options):
    torch.manual_seed(0)
    return sharpened(kind(C4, 8, 2, attn_implementation=implementation, **options)).float()


def line(columns, batch=1):
    """Features as seen from every pose, (batch, 4, 2 · columns, 8), and positions."""
    return torch.randn(batch, 4, 2 * columns, 8, generator=torch.manual_seed(1)), grid(2, columns).float()


@pytest.mark.parametrize("neighbourhood", [None, 1.5])
@pytest.mark.parametrize("kind", LAYERS)
def test_both_ways_give_the_same_numbers_and_gradients(kind, neighbourhood, fused_calls, monkeypatch):
    layer = layer_of(kind, neighbourhood=neighbourhood)
    found = []
    for most in (attention_kernels.MOST_SCORES, 0):
        monkeypatch.setattr(attention_kernels, "MOST_SCORES", most)
        features, positions = line(20)
        features.requires_grad_(True)
        out = layer(features, positions)
        out.square().sum().backward()
        found.append((out.detach(), features.grad))
        assert len(fused_calls) == (most == 0)
    for by_products, fused in zip(*found, strict=True):
        assert (by_products - fused).abs().max() / fused.abs().max() < 1e-5


@pytest.mark.parametrize(
    ("columns", "batch", "training", "is_fused"),
    [
        (20, 1, True, False),
        (200, 1, True, False),
        (8, 1, True, True),  # 16 keys
        (200, 8, True, True),  # 10 million scores
        (20, 1, False, True),
        (200, 1, False, True),
    ],
)
def test_two_products_are_for_gradients_of_lines_that_are_neither_tiny_nor_large(
    columns, batch, training, is_fused, fused_calls
):
    layer = layer_of(LiftingSelfAttention)
    with torch.set_grad_enabled(training):
        layer(*line(columns, batch))
    assert len(fused_calls) == is_fused


@pytest.mark.parametrize("kind", LAYERS)
def test_other_types_and_the_other_implementation_do_not_depend_on_the_size(kind, fused_calls):
    layer_of(kind, "eager")(*line(8))
    assert not fused_calls
    features, positions = line(20)
    layer_of(kind).double()(features.double(), positions.double())
    assert fused_calls


def test_an_exported_graph_does_not_depend_on_the_size():
    layer = layer_of(LiftingSelfAttention).eval()
    program = torch.export.export(layer, line(20))
    kernels = {str(node.target) for node in program.graph.nodes if "attention" in str(node.target)}
    assert kernels == {"aten.scaled_dot_product_attention.default"}
