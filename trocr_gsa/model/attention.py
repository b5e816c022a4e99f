"""Lifting, group and gated self-attention, computed as plain attention.

What differs from a ViT's attention:
- features live on positions *and* poses: (batch, pose, position, hidden);
- the position term is an inner product of rotated Fourier features. So no tensor of scores is needed: queries and keys
  are extended by a few numbers, and any kernel for plain attention computes the equation;
- padding is one more such number: it gives a padded key the score `FAR`, and flash attention needs no mask;
- the key has no bias: it would cancel in the softmax.

Without frequencies and padding nothing is appended, and this is the attention of a ViT.

Every forward pass has the same five steps:
1. `_project`: features → query, key and value of every head, through q_proj, k_proj and v_proj;
2. `_layout`: positions → cos ω·x and sin ω·x, the padding mask and the neighbours;
3. `_within_poses` or `_across_poses`: extend queries and keys;
4. `_attend`: plain attention;
5. o_proj.

Letters: b batch, p q k output/query/key pose, n m query/key position, a head, d head size, w frequency.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from .attention_kernels import FAR, check_implementation, concatenate, plain_attention
from .encoding import RelativeEncoding
from .groups import PointGroup

POSE_SUMS = ("none", "query", "encoding")
EVERY_POSE = slice(None)
_kept: ContextVar[list[Tensor] | None] = ContextVar("kept", default=None)  # the list of `kept_probabilities`


class TokenLayout(NamedTuple):
    """Where tokens are, and which of them have queries.

    Attributes:
        waves: cos ω·x and sin ω·x, each (batch, position, frequency).
        mask: (batch, position) bool, False where a position is padding; None: there is no padding.
        near: (batch, position, position) bool, True for neighbours; None: all positions are neighbours.
        query_poses: the poses of the queries. Keys have every pose.
    """

    waves: tuple[Tensor, Tensor]
    mask: Tensor | None
    near: Tensor | None
    query_poses: slice


class ExtendedSelfAttention(nn.Module):
    """What all attention layers here share: projections, a relative encoding, and plain attention of extended tokens.

    ⟨q, φ_key(f(j) + ρ(h⁻¹(x(j)−x(i))))⟩ = ⟨[q; c; s; 1], [φ_key f(j); cos ω·x(j); sin ω·x(j); 0 or FAR]⟩

    with c and s as `_rotate_query` returns them.

    Args: as `LiftingSelfAttention`.

    Raises:
        ValueError: if heads, neighbourhood or group do not fit, or there is no such implementation.
    """

    is_causal = False  # for transformers' attention functions
    field_dims: tuple[int, ...] = (4,)  # dimensions that features may have
    relative_pose: bool = True  # whether keys have a pose
    bases_per_line: bool = False  # project the bases of the encoding for every line separately

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
        if not isinstance(group, PointGroup):
            raise ValueError(f'`group` must be a PointGroup, such as PointGroup.from_name("C4"), got {group!r}.')
        sizes = (("hidden_size", hidden_size, 1), ("num_heads", num_heads, 1), ("num_frequencies", num_frequencies, 0))
        for name, size, least in sizes:
            if size < least:
                raise ValueError(f"`{name}` must be at least {least}, got {size}.")
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
        check_implementation(attn_implementation, neighbourhood)
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

    @property
    def config(self) -> SimpleNamespace:
        """The part of a configuration that transformers' attention functions read from a module."""
        return SimpleNamespace(_attn_implementation=self.attn_implementation)

    def _heads(self, features: Tensor) -> Tensor:
        return features.unflatten(-1, (self.num_heads, self.head_size))

    def _project(self, features: Tensor, query_features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, key and value, each (batch, pose, position, head, d)."""
        query, key = per_line(self.q_proj, query_features), per_line(self.k_proj, features)
        return self._heads(query), self._heads(key), self._heads(per_line(self.v_proj, features))

    def _project_basis(self, basis: Tensor, batch: int) -> Tensor:
        """Return φ_key of a basis (row, hidden) of the encoding: (batch or 1, row, head, d).

        It passes through the key *module*, so that a LoRA on the key acts on ρ ([S] eq. 10). In a batch of several
        adapters, a hook of PEFT gives the module one adapter for each row of its input: the rows must be the lines.
        """
        is_mixed = self.bases_per_line or bool(self.k_proj._forward_pre_hooks)
        return self._heads(self.k_proj(basis.expand(batch if is_mixed else 1, -1, -1)))

    def _layout(self, features: Tensor, positions: Tensor, mask: Tensor | None, query_poses: slice) -> TokenLayout:
        self._check(features, positions, mask)
        positions = positions if positions.dim() == 3 else positions[None]
        positions = positions.expand(features.shape[0], -1, -1) if positions.shape[0] == 1 else positions
        mask = None if mask is None else mask.bool()  # ~ would negate integers bit by bit
        return TokenLayout(self.encoding.waves(positions), mask, self._near(positions), query_poses)

    def _check(self, features: Tensor, positions: Tensor, mask: Tensor | None) -> None:
        hidden, order = self.num_heads * self.head_size, self.group.order
        is_field = features.dim() in self.field_dims and (features.dim() == 3 or features.shape[1] == order)
        if not is_field or features.shape[-1] != hidden:
            scalar = f"(batch, position, {hidden}) or " if 3 in self.field_dims else ""
            raise ValueError(
                f"`features` must be {scalar}(batch, {order}, position, {hidden}), with one slice per element of "
                f"{self.group.name}, got {tuple(features.shape)}."
            )
        batch, length = features.shape[0], features.shape[-2]
        if positions.dim() not in (2, 3) or positions.shape[-2:] != (length, 2):
            raise ValueError(
                f"`positions` must be ({length}, 2) or (batch, {length}, 2), got {tuple(positions.shape)}."
            )
        if positions.dim() == 3 and positions.shape[0] not in (1, batch):
            raise ValueError(f"`positions` must be those of {batch} lines, or of 1, got {tuple(positions.shape)}.")
        if mask is not None and (mask.shape != (batch, length) or mask.is_floating_point() or mask.is_complex()):
            raise ValueError(
                f"`attention_mask` must be ({batch}, {length}), of bool or of integers 0 and 1, "
                f"got {tuple(mask.shape)} of {mask.dtype}."
            )

    def _near(self, positions: Tensor) -> Tensor | None:
        """Return which pairs are neighbours, (batch, position, position) bool, or None if all are."""
        if self.neighbourhood is None:
            return None
        distance = positions[:, :, None] - positions[:, None, :]
        distance = distance.norm(dim=-1) if self.neighbourhood_shape == "disc" else distance.abs().amax(-1)
        return distance <= self.neighbourhood + 1e-4  # radius 1 includes distance 1, however it is rounded

    def _within_poses(self, query: Tensor, key: Tensor, value: Tensor, layout: TokenLayout) -> Tensor:
        """Attend within each pose, Σ_j softmax_j ⟨q, φ_key(f(j) + ρ)⟩ v(j); all (batch, pose, position, head, d)."""
        batch, order = query.shape[:2]
        extension = self._key_extension(layout)[:, None, :, None].expand(batch, order, -1, self.num_heads, -1)
        near = layout.near
        shown = (batch, order) if self.group.order > 1 else (batch,)
        out, probabilities = self._attend(
            [part.flatten(0, 1) for part in (query, *self._query_extensions(query, layout))],
            [key.flatten(0, 1), extension.flatten(0, 1)],
            value.flatten(0, 1),
            None if near is None else near[:, None].expand(batch, order, -1, -1).flatten(0, 1)[:, None],
            shown,
        )
        _keep(probabilities)
        return out.unflatten(0, (batch, order))

    def _query_extensions(self, query: Tensor, layout: TokenLayout) -> list[Tensor]:
        """Return what extends a query, [c; s] and 1 if there is padding: each (batch, …, position, head, ·)."""
        extensions = [self._rotate_query(query, layout)] if self.encoding.frequencies.shape[0] else []
        if layout.mask is not None:
            extensions.append(query.new_ones(()).expand(*query.shape[:-1], 1))
        return extensions

    def _key_extension(self, layout: TokenLayout) -> Tensor:
        """Return what extends a key, [cos ω·x(j); sin ω·x(j)] and 0 or FAR if there is padding.

        Returns: (batch, position, ·), the same for every pose and head.
        """
        parts = list(layout.waves)
        if layout.mask is not None:
            parts.append((~layout.mask).to(parts[0].dtype)[..., None] * FAR)
        return torch.cat(parts, dim=-1)

    def _rotate_query(self, query: Tensor, layout: TokenLayout) -> Tensor:
        """Return ⟨q, φ_key ρ(h⁻¹(x(j) − x(i)))⟩ as coefficients c of cos ω·x(j) and s of sin ω·x(j).

        Args:
            query: (batch, pose, …, position, head, d); the first pose is h.
            layout: with cos ω·x(i) and sin ω·x(i), and the poses h.

        Returns: (batch, pose, …, position, head, 2 · frequency).
        """
        bases = torch.cat((self.encoding.cosine, self.encoding.sine))
        cosine, sine = self._project_basis(bases, query.shape[0]).movedim(1, 0).chunk(2)
        # (pose, 2 · frequency, b, head, d); b is 1 unless every line has bases of its own
        rotated = torch.cat(self.encoding.rotated(cosine, sine), dim=1)[layout.query_poses]
        along_cosine, along_sine = torch.einsum("bp...ad,pwbad->bp...aw", query, rotated).chunk(2, dim=-1)
        batch, positions, frequencies = layout.waves[0].shape
        cos_i, sin_i = (wave.view(batch, *[1] * (query.dim() - 4), positions, 1, frequencies) for wave in layout.waves)
        # cos and sin of ω·x(j) − ω·x(i), by the addition theorem
        c = along_cosine * cos_i - along_sine * sin_i
        s = along_cosine * sin_i + along_sine * cos_i
        return torch.cat((c, s), dim=-1).to(query.dtype)

    def _attend(
        self,
        query: list[Tensor],
        key: list[Tensor],
        value: Tensor,
        mask: Tensor | None,
        shown: tuple[int, ...] = (-1,),
    ) -> tuple[Tensor, Tensor | None]:
        """Compute plain attention, softmax(⟨query, key⟩ / √d) value.

        Args:
            query: parts (batch, token, head, ·) that are concatenated.
            key: the same.
            value: (batch, token, head, d).
            mask: (batch, 1, query token, key token) bool, False where a query does not see a key; None: it sees all.
            shown: sizes that the probabilities have in place of batch.

        Returns: (batch, token, head, d), and the probabilities (*shown, head, token, token) if they were computed.
        """
        size = sum(part.shape[-1] for part in query)
        size += -size % 8  # flash kernels want a multiple of 8
        extended_query, extended_key = (
            concatenate([part.to(value.dtype) for part in parts], size).transpose(1, 2) for parts in (query, key)
        )
        scale = self.head_size**-0.5  # d without the extension
        out, probabilities = plain_attention(self, extended_query, extended_key, value, mask, scale, shown)
        return out[..., : self.head_size], probabilities


class LiftingSelfAttention(ExtendedSelfAttention):
    """Self-attention from a field on the page to a field on the group, for every pose separately.

    m(i,h) = o_proj Σ_j softmax_j ⟨q f(i), k(f(j) + ρ(h⁻¹(x(j)−x(i))))⟩ v f(j)

    Args:
        group: H.
        hidden_size: features; a multiple of `num_heads`.
        num_heads: attention heads.
        num_frequencies: orbits of H in Ω; 0: no relative position.
        neighbourhood: radius of N(i) in patches; None is the whole page.
        neighbourhood_shape: "disc", or "square" for groups that map a square onto itself.
        attn_implementation: "sdpa", "eager" for two products and a softmax, or another of transformers' names.

    Source: Schreiber 2023, §4; Romero & Cordonnier 2020, §5.1. Scores are scaled by (head size)^-1/2.
    """

    field_dims = (3, 4)
    relative_pose = False

    def relative_encoding(self, displacement: Tensor) -> Tensor:
        """Return ρᴾ(Δ), before φ_key, for Δ of shape (…, 2): (…, hidden)."""
        return self.encoding(displacement)

    def forward(
        self, features: Tensor, positions: Tensor, attention_mask: Tensor | None = None, poses: slice = EVERY_POSE
    ) -> Tensor:
        """Lift: attend within each pose, with displacements as seen from that pose.

        Args:
            features: (batch, position, hidden), or as seen from each pose: (batch, pose, position, hidden).
            positions: (position, 2) or (batch, position, 2), in patches, x right, y up; only differences count.
            attention_mask: (batch, position) bool or integer, False or 0 where a position is padding.
            poses: of the output; other poses are not computed.

        Returns: (batch, pose, position, hidden), of these poses.

        Raises:
            ValueError: if `features`, `positions` or `attention_mask` do not fit the group or each other.
        """
        layout = self._layout(features, positions, attention_mask, poses)
        features = features[:, poses] if features.dim() == 4 else features[:, None]
        wanted = len(range(self.group.order)[poses])
        # what is the same for every pose is projected once
        query, key, value = (part.expand(-1, wanted, -1, -1, -1) for part in self._project(features, features))
        return per_line(self.o_proj, self._within_poses(query, key, value, layout).flatten(-2))


class GroupSelfAttention(ExtendedSelfAttention):
    """Self-attention of a field on the group, from every (position, pose) to every other.

    A(i,h₁; j,h₂ | h) = ⟨q f(i,h₁), k( f(j,h₂) + ρ(h⁻¹(x(j)−x(i)), h₁⁻¹h₂) )⟩
    `pose_sum`  "none":      out(i,h)  = o_proj      Σ_{j,h₂} softmax A(i,h; j,h₂ | h) v f(j,h₂)
                "query":     out(i,h)  = o_proj Σ_h₁ Σ_{j,h₂} softmax A v f(j,h₂)
                "encoding":  out(i,h₁) = o_proj Σ_h  Σ_{j,h₂} softmax A v f(j,h₂)

    Args: as `LiftingSelfAttention`, and
        pose_sum: which of the three; "none" is |H| times cheaper and as equivariant.

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
        self, features: Tensor, positions: Tensor, attention_mask: Tensor | None = None, poses: slice = EVERY_POSE
    ) -> Tensor:
        """Attend from every (position, pose) to every other.

        Args: as in `LiftingSelfAttention.forward`, with `features` (batch, pose, position, hidden).

        Returns: (batch, pose, position, hidden), of these poses.

        Raises:
            ValueError: if `features`, `positions` or `attention_mask` do not fit the group or each other.
        """
        query_poses = poses if self.pose_sum == "none" else EVERY_POSE  # a sum over query poses needs all of them
        layout = self._layout(features, positions, attention_mask, query_poses)
        out = self._mix(*self._project(features, features[:, query_poses]), layout)
        out = out if self.pose_sum == "none" else out[:, poses]
        return per_line(self.o_proj, out.flatten(-2))

    def _mix(self, query: Tensor, key: Tensor, value: Tensor, layout: TokenLayout) -> Tensor:
        """Return the sum over values for every query, before o_proj; all (batch, pose, position, head, d)."""
        out, probabilities = self._across_poses(query, key, value, layout)
        _keep(probabilities)
        return out

    def _across_poses(
        self, query: Tensor, key: Tensor, value: Tensor, layout: TokenLayout
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from every token to the tokens of every pose; all (batch, pose, position, head, d).

        Returns: the same, and the probabilities (batch, head, token, token) if they were computed.
        """
        order = self.group.order
        pose_term = self._pose_term(query, layout.query_poses)
        if self.pose_sum != "none":  # (batch, h, h₁, position, head, ·)
            query = query[:, None].expand(-1, order, -1, -1, -1, -1)
            pose_term = pose_term[:, None].expand(-1, order, -1, -1, -1, -1)
        position_term = self._key_extension(layout)[:, None].expand(-1, order, -1, -1)
        one_hot = torch.eye(order, dtype=position_term.dtype, device=position_term.device)[:, None]  # of h₂
        one_hot = one_hot.expand(*position_term.shape[:-1], -1)
        extension = torch.cat((position_term, one_hot), dim=-1).flatten(1, 2)  # (batch, token, ·)
        tokens = query.shape[1:-2]
        out, probabilities = self._attend(
            [part.flatten(1, -3) for part in (query, *self._query_extensions(query, layout), pose_term)],
            [key.flatten(1, 2), extension[:, :, None].expand(-1, -1, self.num_heads, -1)],
            value.flatten(1, 2),
            None if layout.near is None else layout.near.repeat(1, tokens[:-1].numel(), order)[:, None],
        )
        out = out.unflatten(1, tokens)
        return out if self.pose_sum == "none" else out.sum(2 if self.pose_sum == "query" else 1), probabilities

    def _pose_term(self, query: Tensor, query_poses: slice) -> Tensor:
        """Return ⟨q f(i,h₁), φ_key U_{h₁⁻¹h₂}⟩ for every h₂: (batch, query pose, position, head, key pose)."""
        relative = self.group.product[self.group.inverse[query_poses]].to(query.device)  # [h₁, h₂] -> h₁⁻¹h₂
        pose = self._project_basis(cast(Tensor, self.encoding.pose), query.shape[0])[:, relative]
        return torch.einsum("bqnad,bqkad->bqnak", query, pose)  # b of pose is 1 unless every line has its own bases


class HeadGate(nn.Module):
    """tanh(γ_head) · f, with one γ per head that starts at 0.

    Args:
        num_heads: attention heads.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_heads))

    @property
    def is_closed(self) -> bool:
        """Whether the gate is 0 and stays so, because nothing is trained. In a compiled graph it counts as open."""
        return not (torch.is_grad_enabled() or torch.compiler.is_compiling() or bool(self.weight.any()))

    def forward(self, features: Tensor) -> Tensor:
        """Scale features (…, head, d)."""
        return self.weight.tanh()[:, None] * features


class GatedGroupSelfAttention(GroupSelfAttention):
    """Attention within each pose plus gated attention across poses: the attention of a GSA-Net converted from a ViT.

    out(i,h) = o_proj( Σ_j softmax_j⟨q f(i,h), k(f(j,h) + ρ(h⁻¹(x(j)−x(i)), e))⟩ v f(j,h)  +  tanh(γ) · cross(i,h) )

    where cross(i,h) is what `GroupSelfAttention` computes before o_proj, with the same projections. At γ = 0 each pose
    is a ViT. There are two softmaxes because a bias inside one softmax cannot be closed to float tolerance and still
    have a gradient. Arguments as for `GroupSelfAttention`.

    Source: ours; both terms are equivariant by Schreiber 2023, §4 and §5, and so is their sum.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.gate = HeadGate(self.num_heads)

    def _mix(self, query: Tensor, key: Tensor, value: Tensor, layout: TokenLayout) -> Tensor:
        out = self._within_poses(query, key[:, layout.query_poses], value[:, layout.query_poses], layout)
        if self.gate.is_closed:
            return out
        return out + self.gate(self._across_poses(query, key, value, layout)[0])


@contextmanager
def kept_probabilities() -> Iterator[list[Tensor]]:
    """Collect the attention probabilities of all layers that compute them, in this thread."""
    kept: list[Tensor] = []
    token = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(token)


def _keep(probabilities: Tensor | None) -> None:
    """Append probabilities to the list of `kept_probabilities`, if there is one."""
    if probabilities is None or torch.compiler.is_compiling():  # a compiler cannot read the context variable
        return
    kept = _kept.get()
    if kept is not None:
        kept.append(probabilities)


def per_line(layer: nn.Module, features: Tensor) -> Tensor:
    """Apply a layer to each feature of (batch, …, hidden), as one tensor (batch, feature, hidden).

    PEFT takes a row for a line, and some of its methods take a tensor of four dimensions for an image.
    """
    return layer(features.flatten(1, -2)).unflatten(1, features.shape[1:-1])
