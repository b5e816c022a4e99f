"""The equations of attention evaluated term by term, without algebra. Slow; the reference for the attention layers.

Of the attention module, every function uses only the projections and the relative encoding.
"""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from trocr_gsa.model.attention import GroupSelfAttention, LiftingSelfAttention
from trocr_gsa.model.groups import PointGroup

EXACT_GROUPS = ("C1", "C2", "C4", "D1", "D2", "D4")
POSE_SUMS = ("none", "query", "encoding")


def corrected_pose(group: PointGroup, h: int, h1: int, h2: int) -> int:
    """Return h₁⁻¹h₂."""
    return int(group.product[group.inverse[h1], h2])


def published_pose(group: PointGroup, h: int, h1: int, h2: int) -> int:
    """Return h⁻¹h₁⁻¹h₂: [RC] eq. 14."""
    return int(group.product[group.inverse[h], corrected_pose(group, h, h1, h2)])


def seen_from(group: PointGroup, h: int, vector: Tensor) -> Tensor:
    """Return h⁻¹·vector."""
    return group.matrices[group.inverse[h]] @ vector


def per_head(attn: nn.Module, vectors: Tensor) -> Tensor:
    """Split (…, hidden) into (…, head, d)."""
    return vectors.unflatten(-1, (attn.num_heads, -1))


def weighted_sum(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return Σ_t softmax_t(⟨query, key_t⟩ / √d) value_t of every head, concatenated: (hidden,).

    query (head, d); keys and values (term, head, d).
    """
    heads = []
    for q, k, v in zip(query, keys.unbind(1), values.unbind(1), strict=True):
        heads.append((k @ q * q.shape[-1] ** -0.5).softmax(0) @ v)
    return torch.cat(heads)


def lifting(attn: LiftingSelfAttention, f: Tensor, x: Tensor, near: Callable[[int, int], bool] | None = None) -> Tensor:
    """m(i,h) = φ_out Σ_j softmax_j ⟨φ_qry f(i), φ_key(f(j) + ρ(h⁻¹(x(j)−x(i))))⟩ φ_val f(j); f (position, hidden)."""
    out = torch.empty(attn.group.order, *f.shape, dtype=f.dtype)
    for h, i in itertools.product(range(attn.group.order), range(len(x))):
        js = [j for j in range(len(x)) if near is None or near(i, j)]
        rho = attn.relative_encoding(torch.stack([seen_from(attn.group, h, x[j] - x[i]) for j in js]))
        keys, values = per_head(attn, attn.k_proj(f[js] + rho)), per_head(attn, attn.v_proj(f[js]))
        out[h, i] = attn.o_proj(weighted_sum(per_head(attn, attn.q_proj(f[i])), keys, values))
    return out


def one_attention(
    attn: GroupSelfAttention,
    f: Tensor,
    x: Tensor,
    h: int,
    h1: int,
    i: int,
    near: Callable[[int, int], bool] | None,
    relative_pose: Callable[[PointGroup, int, int, int], int],
) -> Tensor:
    """⋃_head Σ_{j,h₂} softmax A(i,h₁; j,h₂ | h) φ_val f(j,h₂) for one (i, h₁, h)."""
    places, displacements, elements = [], [], []
    for j in range(len(x)):
        if near is None or near(i, j):
            displacement = seen_from(attn.group, h, x[j] - x[i])
            for h2 in range(attn.group.order):
                places.append((h2, j))
                displacements.append(displacement)
                elements.append(relative_pose(attn.group, h, h1, h2))
    rho = attn.relative_encoding(torch.stack(displacements), torch.tensor(elements))
    tokens = torch.stack([f[place] for place in places])
    keys, values = per_head(attn, attn.k_proj(tokens + rho)), per_head(attn, attn.v_proj(tokens))
    return weighted_sum(per_head(attn, attn.q_proj(f[h1, i])), keys, values)


def group_attention(
    attn: GroupSelfAttention,
    f: Tensor,
    x: Tensor,
    near: Callable[[int, int], bool] | None = None,
    relative_pose: Callable[[PointGroup, int, int, int], int] = corrected_pose,
) -> Tensor:
    """Return group attention with the sum over poses of the module; f (pose, position, hidden)."""
    poses = range(attn.group.order)
    out = torch.empty_like(f)
    for h, i in itertools.product(poses, range(len(x))):  # h: the output's pose
        if attn.pose_sum == "none":
            total = one_attention(attn, f, x, h, h, i, near, relative_pose)
        elif attn.pose_sum == "query":
            total = sum(one_attention(attn, f, x, h, h1, i, near, relative_pose) for h1 in poses)
        else:  # the output has the query's pose; the sum is over the pose that displacements are relative to
            total = sum(one_attention(attn, f, x, seen, h, i, near, relative_pose) for seen in poses)
        out[h, i] = attn.o_proj(total)
    return out
