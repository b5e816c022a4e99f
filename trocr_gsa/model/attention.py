"""Lifting and group self-attention, computed as plain attention.

What differs from a ViT's attention:
- features live on positions *and* poses: (batch, pose, position, hidden);
- the position term is an inner product of rotated Fourier features, so no score is ever materialised: queries and keys
  are extended by a few numbers and handed to `scaled_dot_product_attention`;
- a padded key is pushed away by one more such number, so flash attention needs no mask;
- the key has no bias: it would cancel in the softmax.

Letters: b batch, p q k output/query/key pose, n m query/key position, a head, d head size, w frequency.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .encoding import RelativeEncoding
from .groups import PointGroup

POSE_SUMS = ("none", "query", "encoding")
FAR = -3e4  # a score at which exp() is 0 in every floating-point type, and which float16 can still hold


class _SelfAttention(nn.Module):
    """What lifting and group attention share: projections, the relative encoding, extended queries and keys."""

    field_dims: tuple[int, ...] = (4,)  # of the tensors it takes
    relative_pose: bool = True  # whether keys have a pose of their own

    def __init__(
        self,
        group: PointGroup,
        hidden_size: int,
        num_heads: int,
        num_frequencies: int = 4,
        neighbourhood: float | None = None,
        neighbourhood_shape: str = "disc",
        attn_implementation: str = "sdpa",
    ) -> None:
        super().__init__()
        if hidden_size % num_heads:
            raise ValueError(
                f"`hidden_size` must be a multiple of `num_heads` = {num_heads}, got {hidden_size}. The nearest sizes "
                f"are {hidden_size - hidden_size % num_heads} and {hidden_size + -hidden_size % num_heads}."
            )
        if neighbourhood is not None and not neighbourhood >= 0:
            raise ValueError(
                f"`neighbourhood` must be a radius of 0 or more patches, or None (the whole page), got {neighbourhood}."
            )
        if neighbourhood_shape not in ("disc", "square"):
            raise ValueError(f"`neighbourhood_shape` must be 'disc' or 'square', got {neighbourhood_shape!r}.")
        if neighbourhood is not None and neighbourhood_shape == "square" and not group.is_exact:
            raise ValueError(f"`neighbourhood_shape` must be 'disc' for {group.name}: its rotations move a square.")
        self.group = group
        self.num_heads = num_heads
        self.head_size = hidden_size // num_heads
        self.neighbourhood = neighbourhood
        self.neighbourhood_shape = neighbourhood_shape
        self.attn_implementation = attn_implementation
        self.q_proj = nn.Linear(hidden_size, hidden_size)
        self.k_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.v_proj = nn.Linear(hidden_size, hidden_size)
        self.o_proj = nn.Linear(hidden_size, hidden_size)
        self.encoding = RelativeEncoding(group, hidden_size, num_frequencies, self.relative_pose)

    def _heads(self, features: Tensor) -> Tensor:
        return features.unflatten(-1, (self.num_heads, self.head_size))

    def _rotate_query(self, query: Tensor, waves: tuple[Tensor, Tensor]) -> Tensor:
        """Return ⟨q, φ_key ρ⟩ as coefficients of cos ω·x(j) and sin ω·x(j).

        The bases pass through the key *module*, so that a LoRA on the key acts on ρ ([S] eq. 10).

        Args:
            query: (batch, pose, …, position, head, d), the first pose being the h of h⁻¹(x(j) − x(i)).
            waves: cos ω·x(i), sin ω·x(i), each (batch, position, frequency).

        Returns: (batch, pose, …, position, head, 2 · frequency).
        """
        cosine, sine = self._heads(self.k_proj(self.encoding.cosine)), self._heads(self.k_proj(self.encoding.sine))
        cosine, sine = self.encoding.rotated(cosine, sine)
        along_cosine = torch.einsum("bp...ad,pwad->bp...aw", query, cosine)
        along_sine = torch.einsum("bp...ad,pwad->bp...aw", query, sine)
        shape = (waves[0].shape[0], *[1] * (query.dim() - 4), waves[0].shape[1], 1, waves[0].shape[2])
        cos_i, sin_i = waves[0].view(shape), waves[1].view(shape)
        # cos(ω·x(j) − ω·x(i)) and sin(…) by the addition theorem: what multiplies cos ω·x(j), then sin ω·x(j)
        return torch.cat(
            (along_cosine * cos_i - along_sine * sin_i, along_cosine * sin_i + along_sine * cos_i), dim=-1
        ).to(query.dtype)

    def _attend(self, query: list[Tensor], key: list[Tensor], value: Tensor, mask: Tensor | None) -> Tensor:
        """Run plain attention on (batch, token, head, d) parts, concatenated; return (batch, token, head, d)."""
        size = sum(part.shape[-1] for part in query)
        padding = -size % 8  # flash kernels want a multiple of 8
        extended_query, extended_key = (
            F.pad(torch.cat([part.to(value.dtype) for part in parts], dim=-1), (0, padding)).transpose(1, 2)
            for parts in (query, key)
        )
        value = value.transpose(1, 2)
        scale = self.head_size**-0.5
        if self.attn_implementation == "eager":
            scores = extended_query * scale @ extended_key.transpose(-1, -2)
            if mask is not None:
                scores = scores.masked_fill(~mask, FAR)
            return (scores.softmax(-1) @ value).transpose(1, 2)
        if value.device.type == "cpu":  # its fused kernel wants values as wide as keys; the other is ten times slower
            value = F.pad(value, (0, size + padding - self.head_size))
        out = F.scaled_dot_product_attention(extended_query, extended_key, value, attn_mask=mask, scale=scale)
        return out[..., : self.head_size].transpose(1, 2)

    def _near(self, positions: Tensor) -> Tensor | None:
        """Return which pairs are neighbours, (batch, position, position) bool, or None where all are."""
        if self.neighbourhood is None:
            return None
        distance = positions[:, :, None] - positions[:, None, :]
        distance = distance.norm(dim=-1) if self.neighbourhood_shape == "disc" else distance.abs().amax(-1)
        return distance <= self.neighbourhood + 1e-4  # a radius of 1 holds the neighbour at distance 1, rounded or not

    def _check(self, features: Tensor, positions: Tensor) -> Tensor:
        if features.dim() not in self.field_dims or (features.dim() == 4 and features.shape[1] != self.group.order):
            raise ValueError(
                f"`features` must have one slice per element of {self.group.name}: expected "
                f"(batch, {self.group.order}, position, hidden), got {tuple(features.shape)}."
            )
        if positions.shape[-1] != 2 or positions.shape[-2] != features.shape[-2]:
            raise ValueError(
                f"`positions` must be (position, 2) or (batch, position, 2) with {features.shape[-2]} positions, "
                f"got {tuple(positions.shape)}."
            )
        positions = positions if positions.dim() == 3 else positions[None]
        return positions.expand(features.shape[0], -1, -1) if positions.shape[0] == 1 else positions


def _away(attention_mask: Tensor | None, wave: Tensor) -> Tensor:
    """Return what a key's padding adds to its scores, beside waves (batch, position, ·): (batch, position, 1)."""
    if attention_mask is None:
        return torch.zeros_like(wave[..., :1])
    return (~attention_mask).to(wave.dtype)[..., None] * FAR


class LiftingSelfAttention(_SelfAttention):
    """Self-attention from a field on the page to a field on the group, every pose on its own.

    m(i,h) = o_proj Σ_j softmax_j ⟨q f(i), k(f(j) + ρ(h⁻¹(x(j)−x(i))))⟩ v f(j)

    Args:
        group: H.
        hidden_size: features; a multiple of `num_heads`.
        num_heads: attention heads.
        num_frequencies: orbits of H in Ω.
        neighbourhood: radius of N(i) in patches; None is the whole page.
        neighbourhood_shape: "disc", or "square" for groups that keep one.
        attn_implementation: "sdpa", or "eager" for two products and a softmax.

    Source: Schreiber 2023, §4; Romero & Cordonnier 2020, §5.1. Scores are scaled by (head size)^-1/2.
    """

    field_dims = (3, 4)
    relative_pose = False

    def relative_encoding(self, displacement: Tensor) -> Tensor:
        """Return ρᴾ(Δ), before φ_key, for Δ of shape (…, 2): (…, hidden)."""
        return self.encoding(displacement)

    def forward(self, features: Tensor, positions: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Lift: attend within each pose, displacements seen from that pose.

        Args:
            features: (batch, position, hidden), or what each pose sees: (batch, pose, position, hidden).
            positions: (position, 2) or (batch, position, 2), in patches, x right, y up; only differences count.
            attention_mask: (batch, position) bool, False where a position is padding.

        Returns: (batch, pose, position, hidden).

        Raises:
            ValueError: if `features` or `positions` do not fit the group or each other.
        """
        positions = self._check(features, positions)
        if features.dim() == 3:
            features = features[:, None].expand(-1, self.group.order, -1, -1)
        batch, order = features.shape[:2]
        waves = self.encoding.waves(positions)
        query, key, value = (self._heads(project(features)) for project in (self.q_proj, self.k_proj, self.v_proj))
        page = torch.cat((*waves, _away(attention_mask, waves[0])), dim=-1)[:, None, :, None]
        page = page.expand(batch, order, -1, self.num_heads, -1)
        queries = [query, self._rotate_query(query, waves), query.new_ones(()).expand(*query.shape[:-1], 1)]
        near = self._near(positions)
        mask = None if near is None else near[:, None].expand(batch, order, -1, -1).flatten(0, 1)[:, None]
        out = self._attend([part.flatten(0, 1) for part in queries], [key.flatten(0, 1), page.flatten(0, 1)],
                           value.flatten(0, 1), mask)  # fmt: skip
        return self.o_proj(out.flatten(-2).unflatten(0, (batch, order)))


class GroupSelfAttention(_SelfAttention):
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
        attn_implementation: "sdpa", or "eager" for two products and a softmax.

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

    def _pose_term(self, query: Tensor) -> Tensor:
        """Return ⟨q f(i,h₁), φ_key U_{h₁⁻¹h₂}⟩ for every h₂: (batch, query pose, position, head, key pose)."""
        relative = self.group.product[self.group.inverse].to(query.device)  # [h₁, h₂] -> h₁⁻¹h₂
        pose = self._heads(self.k_proj(self.encoding.pose))[relative]
        return torch.einsum("bqnad,qkad->bqnak", query, pose)

    def forward(self, features: Tensor, positions: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Attend from every (position, pose) to every other.

        Args:
            features: (batch, pose, position, hidden).
            positions: (position, 2) or (batch, position, 2), in patches, x right, y up; only differences count.
            attention_mask: (batch, position) bool, False where a position is padding.

        Returns: (batch, pose, position, hidden).

        Raises:
            ValueError: if `features` or `positions` do not fit the group or each other.
        """
        positions = self._check(features, positions)
        batch, order = features.shape[:2]
        waves = self.encoding.waves(positions)
        query, key, value = (self._heads(project(features)) for project in (self.q_proj, self.k_proj, self.v_proj))
        pose_term = self._pose_term(query)
        if self.pose_sum != "none":  # (batch, h, h₁, position, head, ·)
            query = query[:, None].expand(-1, order, -1, -1, -1, -1)
            pose_term = pose_term[:, None].expand(-1, order, -1, -1, -1, -1)
        ones = query.new_ones(()).expand(*query.shape[:-1], 1)
        queries = [query, self._rotate_query(query, waves), ones, pose_term]
        tokens = query.shape[1:-2]
        out = self._attend(
            [part.flatten(1, -3) for part in queries],
            [key.flatten(1, 2), self._page(waves, attention_mask, batch)],
            value.flatten(1, 2),
            self._token_mask(positions, repeats=tokens[:-1].numel()),
        )
        out = out.unflatten(1, tokens)
        if self.pose_sum != "none":
            out = out.sum(2 if self.pose_sum == "query" else 1)
        return self.o_proj(out.flatten(-2))

    def _page(self, waves: tuple[Tensor, Tensor], attention_mask: Tensor | None, batch: int) -> Tensor:
        """Return what extends every key: [cos ω·x(j), sin ω·x(j), padding, onehot(h₂)], (batch, token, head, ·)."""
        order, length = self.group.order, waves[0].shape[1]
        page = torch.cat((*waves, _away(attention_mask, waves[0])), dim=-1)[:, None].expand(batch, order, -1, -1)
        one_hot = torch.eye(order, dtype=page.dtype, device=page.device)[:, None].expand(batch, -1, length, -1)
        page = torch.cat((page, one_hot), dim=-1).flatten(1, 2)
        return page[:, :, None].expand(-1, -1, self.num_heads, -1)

    def _token_mask(self, positions: Tensor, repeats: int) -> Tensor | None:
        near = self._near(positions)
        return None if near is None else near.repeat(1, repeats, self.group.order)[:, None]
