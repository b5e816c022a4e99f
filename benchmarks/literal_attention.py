"""Group self-attention with the sums as published: all scores over (h, h₁, i, j, h₂) are materialised.

It is a fair peer, as efficient as layers that materialise their scores: projections are computed once, φ_key ρ is
computed once for every displacement that occurs, and products are matrix products. Nothing is factorised further.
"""

import torch
from torch import Tensor

from trocr_gsa.model.attention import GroupSelfAttention


class LiteralGroupAttention:
    """The sums of a group attention layer, with all scores materialised.

    A(i,h₁; j,h₂ | h) = ⟨q f(i,h₁), k f(j,h₂) + k ρ( h⁻¹(x(j)−x(i)), h₁⁻¹h₂ )⟩

    Args:
        attn: layer whose projections, encoding and `pose_sum` are used. It must not have a neighbourhood.
        positions: (position, 2), in patches. The displacements that occur are found once, here.

    Source: Schreiber 2023, §5 with the encoding of §6; evaluated like Romero & Cordonnier 2020's layer.
    """

    def __init__(self, attn: GroupSelfAttention, positions: Tensor) -> None:
        self.attn = attn
        displacement = positions[None] - positions[:, None]  # x(j) − x(i) at [i, j]
        self.displacements, place = displacement.flatten(0, 1).unique(dim=0, return_inverse=True)
        self.place = place.view(displacement.shape[:2])

    def __call__(self, features: Tensor) -> Tensor:
        """Attend: (batch, pose, position, hidden) to (batch, pose, position, hidden)."""
        attn = self.attn
        query, key, value = attn._project(features, features)  # (b, pose, position, head, d)
        own = attn.pose_sum == "none"
        content = torch.einsum("bqnad,bkmad->baqnmk", query, key)  # ⟨q f(i,h₁), k f(j,h₂)⟩
        content = content + self._pose_scores(query)[..., None, :]
        poses = range(attn.group.order)
        seen = [self._attend(content[:, :, h : h + 1] if own else content, query, value, h) for h in poses]
        if own:
            out = torch.cat(seen, dim=1)
        else:  # seen[h] is (b, h₁, position, …): sum over h₁, or over h
            out = torch.stack(seen, dim=1).sum(2 if attn.pose_sum == "query" else 1)
        return attn.o_proj(out.flatten(-2))

    def _attend(self, content: Tensor, query: Tensor, value: Tensor, h: int) -> Tensor:
        """Return Σ_{j,h₂} softmax A(·|h) v f(j,h₂) for the query poses in `content`: (b, query pose, i, head, d)."""
        attn = self.attn
        query = query[:, h : h + 1] if attn.pose_sum == "none" else query
        seen = self.displacements @ attn.group.matrices[attn.group.inverse[h]].to(self.displacements).T  # h⁻¹Δ
        table = attn._heads(attn.k_proj(attn.encoding(seen))).movedim(1, 0)[:, self.place]  # k ρ(h⁻¹Δ): (head, i, j, d)
        position = torch.einsum("bqnad,anmd->baqnm", query, table)
        scores = (content + position[..., None]) * attn.head_size**-0.5  # (b, head, h₁, i, j, h₂)
        weights = scores.flatten(-2).softmax(-1).view_as(scores)
        return torch.einsum("baqnmk,bkmad->bqnad", weights, value)

    def _pose_scores(self, query: Tensor) -> Tensor:
        """Return ⟨q f(i,h₁), k U_{h₁⁻¹h₂}⟩: (b, head, h₁, i, h₂)."""
        attn = self.attn
        relative = attn.group.product[attn.group.inverse]  # [h₁, h₂] -> h₁⁻¹h₂
        return torch.einsum("bqnad,qkad->baqnk", query, attn._heads(attn.k_proj(attn.encoding.pose))[relative])
