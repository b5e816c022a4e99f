"""Lifting and group self-attention, computed as plain attention.

What differs from a ViT's attention:
- features live on positions *and* poses: (batch, pose, position, hidden);
- the position term is an inner product of rotated Fourier features, so no score is ever materialised
  (extended_attention.py);
- the key has no bias: it would cancel in the softmax.

Letters: b batch, p q k output/query/key pose, n m query/key position, a head, d head size, w frequency.
"""

from typing import cast

import torch
from torch import Tensor

from .extended_attention import EVERY_POSE, ExtendedSelfAttention, Page, keep, per_line
from .groups import PointGroup

POSE_SUMS = ("none", "query", "encoding")


class LiftingSelfAttention(ExtendedSelfAttention):
    """Self-attention from a field on the page to a field on the group, every pose on its own.

    m(i,h) = o_proj Σ_j softmax_j ⟨q f(i), k(f(j) + ρ(h⁻¹(x(j)−x(i))))⟩ v f(j)

    Args:
        group: H.
        hidden_size: features; a multiple of `num_heads`.
        num_heads: attention heads.
        num_frequencies: orbits of H in Ω.
        neighbourhood: radius of N(i) in patches; None is the whole page.
        neighbourhood_shape: "disc", or "square" for groups that keep one.
        attn_implementation: "sdpa", "eager" for two products and a softmax, or another of transformers' names.

    Source: Schreiber 2023, §4; Romero & Cordonnier 2020, §5.1. Scores are scaled by (head size)^-1/2.
    """

    field_dims = (3, 4)
    relative_pose = False

    def relative_encoding(self, displacement: Tensor) -> Tensor:
        """Return ρᴾ(Δ), before φ_key, for Δ of shape (…, 2): (…, hidden)."""
        return self.encoding(displacement)

    def forward(
        self,
        features: Tensor,
        positions: Tensor,
        attention_mask: Tensor | None = None,
        poses: slice = EVERY_POSE,
    ) -> Tensor:
        """Lift: attend within each pose, displacements seen from that pose.

        Args:
            features: (batch, position, hidden), or what each pose sees: (batch, pose, position, hidden).
            positions: (position, 2) or (batch, position, 2), in patches, x right, y up; only differences count.
            attention_mask: (batch, position) bool, False where a position is padding.
            poses: those whose output is wanted; the others' is not computed.

        Returns: (batch, pose, position, hidden), of these poses.

        Raises:
            ValueError: if `features` or `positions` do not fit the group or each other.
        """
        positions = self._check(features, positions)
        features = features[:, poses] if features.dim() == 4 else features[:, None]
        wanted = len(range(self.group.order)[poses])
        # what every pose sees alike is projected once
        query, key, value = (part.expand(-1, wanted, -1, -1, -1) for part in self._project(features))
        out = self._within_poses(query, key, value, self._page(positions, attention_mask, poses))
        return per_line(self.o_proj, out.flatten(-2))


class GroupSelfAttention(ExtendedSelfAttention):
    """Self-attention of a field on the group, from every (position, pose) to every other.

    A(i,h₁; j,h₂ | h) = ⟨q f(i,h₁), k( f(j,h₂) + ρ(h⁻¹(x(j)−x(i)), h₁⁻¹h₂) )⟩
    `pose_sum`  "none":      out(i,h)  = o_proj      Σ_{j,h₂} softmax A(i,h; j,h₂ | h) v f(j,h₂)
                "query":     out(i,h)  = o_proj Σ_h₁ Σ_{j,h₂} softmax A v f(j,h₂)
                "encoding":  out(i,h₁) = o_proj Σ_h  Σ_{j,h₂} softmax A v f(j,h₂)

    Args:
        group: H.
        hidden_size: features; a multiple of `num_heads`.
        num_heads: attention heads.
        pose_sum: which of the three; "none" is |H| times cheaper and as equivariant.
        num_frequencies: orbits of H in Ω.
        neighbourhood: radius of N(i) in patches; None is the whole page.
        neighbourhood_shape: "disc", or "square" for groups that keep one.
        attn_implementation: "sdpa", "eager" for two products and a softmax, or another of transformers' names.

    Source: Schreiber 2023, §5, with the corrected encoding of §6 (Romero & Cordonnier's h⁻¹h₁⁻¹h₂ is not equivariant);
        "query" is Romero & Cordonnier's Prop. 5.2 so corrected, "none" takes h₁ = h. Scores are scaled by
        (head size)^-1/2.
    """

    def __init__(
        self,
        group: PointGroup,
        hidden_size: int,
        num_heads: int,
        pose_sum: str = "none",
        num_frequencies: int = 4,
        neighbourhood: float | None = None,
        neighbourhood_shape: str = "disc",
        attn_implementation: str = "sdpa",
    ) -> None:
        super().__init__(
            group, hidden_size, num_heads, num_frequencies, neighbourhood, neighbourhood_shape, attn_implementation
        )
        if pose_sum not in POSE_SUMS:
            raise ValueError(f"`pose_sum` must be one of {', '.join(POSE_SUMS)}, got {pose_sum!r}.")
        self.pose_sum = pose_sum

    def relative_encoding(self, displacement: Tensor, element: Tensor) -> Tensor:
        """Return ρᴾ(Δ, u), before φ_key, for Δ (…, 2) and u = h₁⁻¹h₂ (…): (…, hidden)."""
        return self.encoding(displacement, element)

    def forward(
        self,
        features: Tensor,
        positions: Tensor,
        attention_mask: Tensor | None = None,
        poses: slice = EVERY_POSE,
    ) -> Tensor:
        """Attend from every (position, pose) to every other.

        Args:
            features: (batch, pose, position, hidden).
            positions: (position, 2) or (batch, position, 2), in patches, x right, y up; only differences count.
            attention_mask: (batch, position) bool, False where a position is padding.
            poses: those whose output is wanted; the others' is not computed.

        Returns: (batch, pose, position, hidden), of these poses.

        Raises:
            ValueError: if `features` or `positions` do not fit the group or each other.
        """
        positions = self._check(features, positions)
        if self.pose_sum != "none":  # a sum over the poses that ask: all of them have to
            return self._attend_from(EVERY_POSE, features, positions, attention_mask)[:, poses]
        return self._attend_from(poses, features, positions, attention_mask)

    def _attend_from(self, poses: slice, features: Tensor, positions: Tensor, mask: Tensor | None) -> Tensor:
        projected = self._project(features, features[:, poses])
        out, weights = self._across_poses(*projected, self._page(positions, mask, poses))
        keep(weights)
        return per_line(self.o_proj, out.flatten(-2))

    def _across_poses(self, query: Tensor, key: Tensor, value: Tensor, page: Page) -> tuple[Tensor, Tensor | None]:
        """Attend from every token that asks to those of every pose; all (batch, pose, position, head, d).

        Returns: the same, and the probabilities (batch, head, token, token) if they were computed.
        """
        order = self.group.order
        pose_term = self._pose_term(query, page.poses)
        if self.pose_sum != "none":  # (batch, h, h₁, position, head, ·)
            query = query[:, None].expand(-1, order, -1, -1, -1, -1)
            pose_term = pose_term[:, None].expand(-1, order, -1, -1, -1, -1)
        tokens = query.shape[1:-2]
        out, weights = self._attend(
            [part.flatten(1, -3) for part in (*self._query_parts(query, page), pose_term)],
            [key.flatten(1, 2), self._key_extension(page, key.shape[0])],
            value.flatten(1, 2),
            None if page.near is None else page.near.repeat(1, tokens[:-1].numel(), order)[:, None],
        )
        out = out.unflatten(1, tokens)
        return out if self.pose_sum == "none" else out.sum(2 if self.pose_sum == "query" else 1), weights

    def _pose_term(self, query: Tensor, poses: slice) -> Tensor:
        """Return ⟨q f(i,h₁), φ_key U_{h₁⁻¹h₂}⟩ for every h₂: (batch, query pose, position, head, key pose)."""
        relative = self.group.product[self.group.inverse[poses]].to(query.device)  # [h₁, h₂] -> h₁⁻¹h₂
        pose = self._project_basis(cast(Tensor, self.encoding.pose), query.shape[0])[:, relative]
        return torch.einsum("bqnad,bqkad->bqnak", query, pose)  # of every line (b), or the same for all and broadcast

    def _key_extension(self, page: Page, batch: int) -> Tensor:
        """Return what extends every key: [cos ω·x(j), sin ω·x(j), padding, onehot(h₂)], (batch, token, head, ·)."""
        part = self._key_part(page)[:, None].expand(batch, self.group.order, -1, -1)
        one_hot = torch.eye(self.group.order, dtype=part.dtype, device=part.device)[:, None]
        part = torch.cat((part, one_hot.expand(batch, -1, part.shape[2], -1)), dim=-1).flatten(1, 2)
        return part[:, :, None].expand(-1, -1, self.num_heads, -1)
