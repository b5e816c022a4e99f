"""The sums of group attention evaluated directly, with the published encodings of the relative pose.

A(i,h₁; j,h₂ | h) = ⟨q f(i,h₁), k( f(j,h₂) + ρ(h⁻¹(x(j)−x(i)), u) )⟩; the publications differ in u = u(h, h₁, h₂).
Nothing is factorised, so this is slow.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from trocr_gsa.model.attention import GroupSelfAttention
from trocr_gsa.model.encoding import seen_from_poses
from trocr_gsa.model.groups import PointGroup


def corrected(group: PointGroup) -> Tensor:
    """Return u = h₁⁻¹h₂ ([S] §6). As in all functions here, u is (pose h, query pose h₁, key pose h₂) long."""
    return group.product[group.inverse].expand(group.order, -1, -1)


def romero_cordonnier(group: PointGroup) -> Tensor:
    """Return u = h⁻¹h₁⁻¹h₂ ([RC] eq. 14)."""
    return group.product[group.inverse[:, None, None], corrected(group)]


def romero_cordonnier_code(group: PointGroup) -> Tensor:
    """Return u = h·h₁⁻¹h₂, as in the code of [RC]."""
    return group.product[torch.arange(group.order)[:, None, None], corrected(group)]


def ge_vit(group: PointGroup) -> Tensor:
    """Return u = (h₁⁻¹h)(h₁⁻¹h₂) (Xu et al. 2023)."""
    quotient = group.product[group.inverse]  # [a, b] -> a⁻¹b
    return group.product[quotient.T[:, :, None], quotient[None]]


def ge_vit_code(group: PointGroup) -> Tensor:
    """Return the same with elements subtracted and added as numbers: (h − h₁) + (h₂ − h₁) mod |H|, as in their code."""
    number = torch.arange(group.order)
    return (number[:, None, None] - 2 * number[None, :, None] + number[None, None]) % group.order


ENCODINGS: dict[str, Callable[[PointGroup], Tensor]] = {
    "h₁⁻¹h₂, corrected": corrected,
    "h⁻¹h₁⁻¹h₂, [RC]": romero_cordonnier,
    "h·h₁⁻¹h₂, [RC]'s code": romero_cordonnier_code,
    "(h₁⁻¹h)(h₁⁻¹h₂), GE-ViT": ge_vit,
    "the same added up as indices, GE-ViT's code": ge_vit_code,
}


def written_out(attn: GroupSelfAttention, field: Tensor, positions: Tensor, index: Tensor, pose_sum: str) -> Tensor:
    """Evaluate the equation of a layer directly, with a given relative pose u.

    Args:
        attn: layer whose projections and encoding are used.
        field: (1, pose, position, hidden).
        positions: (position, 2), in patches.
        index: u, (pose h, query pose h₁, key pose h₂) long.
        pose_sum: "none", "query" or "encoding", as in `GroupSelfAttention`.

    Returns: (1, pose, position, hidden).
    """
    query, _, value = attn._project(field, field)
    seen = seen_from_poses(positions[None] - positions[:, None], attn.group)  # h⁻¹(x(j) − x(i)), (n, h, m, 2)
    summed = []
    for h in range(attn.group.order):
        rho = attn.relative_encoding(seen[:, h, :, None, None], index[h])  # (n, m, q, k, c)
        key = attn._heads(attn.k_proj(field[0].transpose(0, 1)[None, :, None] + rho))  # (n, m, q, k, a, d)
        scores = torch.einsum("qnad,nmqkad->aqnmk", query[0], key) * attn.head_size**-0.5
        weights = scores.flatten(-2).softmax(-1).view_as(scores)
        summed.append(torch.einsum("aqnmk,kmad->qnad", weights, value[0]))
    every = torch.stack(summed)  # (h, h₁, n, a, d)
    if pose_sum == "none":
        out = every.diagonal().movedim(-1, 0)  # h₁ = h
    else:
        out = every.sum(1 if pose_sum == "query" else 0)
    return attn.o_proj(out.flatten(-2))[None]
