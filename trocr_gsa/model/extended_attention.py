"""What lifting and group attention share: projections, relative encoding, and the step to plain attention.

What is unusual:
- the position term is an inner product of rotated Fourier features, so no score is ever materialised: queries and keys
  are extended by a few numbers and handed to `scaled_dot_product_attention`;
- a padded key is pushed away by one more such number, so flash attention needs no mask;
- without frequencies and padding nothing is appended, and this is the attention of a ViT.

Letters: b batch, p q k output/query/key pose, n m query/key position, a head, d head size, w frequency.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from types import SimpleNamespace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .encoding import RelativeEncoding
from .groups import PointGroup

EVERY_POSE = slice(None)
KEPT: ContextVar[list[Tensor] | None] = ContextVar("KEPT", default=None)  # a list for the probabilities, if wanted
FAR = -3e4  # a score at which exp() is 0 in every floating-point type, and which float16 can still hold


class Page(NamedTuple):
    """Where tokens lie and which of them ask, as attention needs it.

    Attributes:
        waves: cos ω·x and sin ω·x, each (batch, position, frequency).
        mask: (batch, position) bool, False where a position is padding; None: there is none.
        near: (batch, position, position) bool, which pairs are neighbours; None: all are.
        poses: whose tokens ask; those of every pose answer.
    """

    waves: tuple[Tensor, Tensor]
    mask: Tensor | None
    near: Tensor | None
    poses: slice = EVERY_POSE


class ExtendedSelfAttention(nn.Module):
    """Projections, a relative encoding, and attention of extended queries to extended keys.

    ⟨q, φ_key(f(j) + ρ(h⁻¹(x(j)−x(i))))⟩ = ⟨[q; c; s; 1], [φ_key f(j); cos ω·x(j); sin ω·x(j); 0 or FAR]⟩

    with c, s as `_rotate_query` returns them.

    Args:
        group: H.
        hidden_size: features; a multiple of `num_heads`.
        num_heads: attention heads.
        num_frequencies: orbits of H in Ω; 0: no relative position.
        neighbourhood: radius of N(i) in patches; None is the whole page.
        neighbourhood_shape: "disc", or "square" for groups that keep one.
        attn_implementation: "sdpa", "eager" for two products and a softmax, or another of transformers' names.

    Raises:
        ValueError: if heads, neighbourhood or group do not fit, or there is no such implementation.
    """

    is_causal = False  # for transformers' attention functions

    field_dims: tuple[int, ...] = (4,)  # of the tensors it takes
    relative_pose: bool = True  # whether keys have a pose of their own
    bases_per_line: bool = False  # project the encodings' bases for every line on its own

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
        """What transformers' attention functions ask of a module."""
        return SimpleNamespace(_attn_implementation=self.attn_implementation)

    def _heads(self, features: Tensor) -> Tensor:
        return features.unflatten(-1, (self.num_heads, self.head_size))

    def _project(self, features: Tensor, asking: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, key and value, each (batch, pose, position, head, d); only those `asking` have queries."""
        query = per_line(self.q_proj, features if asking is None else asking)
        key, value = per_line(self.k_proj, features), per_line(self.v_proj, features)
        return self._heads(query), self._heads(key), self._heads(value)

    def _project_basis(self, basis: Tensor, batch: int) -> Tensor:
        """Return φ_key of an encoding's basis (row, hidden): (batch or 1, row, head, d).

        It passes through the key *module*, so that a LoRA on the key acts on ρ ([S] eq. 10). In a batch of several
        adapters PEFT tells the module by a hook which one each row of its input has: the rows are then the lines.
        """
        is_mixed = self.bases_per_line or bool(self.k_proj._forward_pre_hooks)
        return self._heads(self.k_proj(basis.expand(batch if is_mixed else 1, -1, -1)))

    def _page(self, positions: Tensor, mask: Tensor | None, poses: slice) -> Page:
        return Page(self.encoding.waves(positions), mask, self._near(positions), poses)

    def _query_parts(self, query: Tensor, page: Page) -> list[Tensor]:
        """Return what makes up an extended query (…, position, head, ·)."""
        parts = [query]
        if self.encoding.frequencies.shape[0]:
            parts.append(self._rotate_query(query, page))
        if page.mask is not None:
            parts.append(query.new_ones(()).expand(*query.shape[:-1], 1))
        return parts

    def _key_part(self, page: Page) -> Tensor:
        """Return what extends a key, the same for every pose and head: (batch, position, ·)."""
        parts = list(page.waves)
        if page.mask is not None:
            parts.append((~page.mask).to(parts[0].dtype)[..., None] * FAR)
        return torch.cat(parts, dim=-1)

    def _rotate_query(self, query: Tensor, page: Page) -> Tensor:
        """Return ⟨q, φ_key ρ⟩ as coefficients of cos ω·x(j) and sin ω·x(j).

        Args:
            query: (batch, pose, …, position, head, d), the first pose being the h of h⁻¹(x(j) − x(i)).
            page: cos ω·x(i) and sin ω·x(i), and which poses h are.

        Returns: (batch, pose, …, position, head, 2 · frequency).
        """
        basis = torch.cat((self.encoding.cosine, self.encoding.sine))
        halves = self._project_basis(basis, query.shape[0]).movedim(1, 0).chunk(2)
        rotated = torch.cat(self.encoding.rotated(*halves), dim=1)[page.poses]
        # (pose, 2 · frequency, b, head, d), where b is 1 and broadcast unless every line has bases of its own
        along_cosine, along_sine = torch.einsum("bp...ad,pwbad->bp...aw", query, rotated).chunk(2, dim=-1)
        batch, positions, frequencies = page.waves[0].shape
        cos_i, sin_i = (wave.view(batch, *[1] * (query.dim() - 4), positions, 1, frequencies) for wave in page.waves)
        # cos(ω·x(j) − ω·x(i)) and sin(…) by the addition theorem: what multiplies cos ω·x(j), then sin ω·x(j)
        return torch.cat(
            (along_cosine * cos_i - along_sine * sin_i, along_cosine * sin_i + along_sine * cos_i), dim=-1
        ).to(query.dtype)

    def _within_poses(self, query: Tensor, key: Tensor, value: Tensor, page: Page) -> Tensor:
        """Attend from every token to those of its own pose; all (batch, pose, position, head, d)."""
        batch, order = query.shape[:2]
        extension = self._key_part(page)[:, None, :, None].expand(batch, order, -1, self.num_heads, -1)
        mask = None if page.near is None else page.near[:, None].expand(batch, order, -1, -1).flatten(0, 1)[:, None]
        queries = [part.flatten(0, 1) for part in self._query_parts(query, page)]
        keys = [key.flatten(0, 1), extension.flatten(0, 1)]
        out, weights = self._attend(queries, keys, value.flatten(0, 1), mask)
        keep(None if weights is None else weights.unflatten(0, (batch, order)))
        return out.unflatten(0, (batch, order))

    def _attend(
        self, query: list[Tensor], key: list[Tensor], value: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Run plain attention on (batch, token, head, d) parts, concatenated.

        Returns: (batch, token, head, d), and the probabilities (batch, head, token, token) if they were computed.
        """
        size = sum(part.shape[-1] for part in query)
        size += -size % 8  # flash kernels want a multiple of 8
        extended_query, extended_key = (
            _joined([part.to(value.dtype) for part in parts], size).transpose(1, 2) for parts in (query, key)
        )
        scale = self.head_size**-0.5
        if self.attn_implementation == "eager":
            scores = extended_query * scale @ extended_key.transpose(-1, -2)
            if mask is not None:
                scores = scores.masked_fill(~mask, FAR)
            weights = scores.softmax(-1)
            return (weights @ value.transpose(1, 2)).transpose(1, 2), weights
        if self.attn_implementation == "sdpa":
            # on a CPU the fused kernel wants values as wide as keys; the other is much slower
            value = _joined([value], size) if value.device.type == "cpu" else value
            out = F.scaled_dot_product_attention(
                extended_query, extended_key, value.transpose(1, 2), attn_mask=mask, scale=scale
            )
            return out[..., : self.head_size].transpose(1, 2), None
        attend = ALL_ATTENTION_FUNCTIONS[self.attn_implementation]
        values = _joined([value], size).transpose(1, 2)  # most kernels want them as wide as keys
        out, weights = attend(self, extended_query, extended_key, values, None, scaling=scale, is_causal=False)
        return out[..., : self.head_size], weights

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


@contextmanager
def kept_probabilities() -> Iterator[list[Tensor]]:
    """Have attention that computes probabilities put them into a list, in this thread."""
    kept: list[Tensor] = []
    token = KEPT.set(kept)
    try:
        yield kept
    finally:
        KEPT.reset(token)


def keep(weights: Tensor | None) -> None:
    """Put probabilities into the list of `kept_probabilities`, if there is one."""
    if weights is None or torch.compiler.is_compiling():  # a compiler cannot look for the list
        return
    kept = KEPT.get()
    if kept is not None:
        kept.append(weights)


def check_implementation(name: str, neighbourhood: float | None = None) -> None:
    """Refuse a way to compute attention that there is not, or that cannot keep to a neighbourhood.

    Raises:
        ValueError: if it is one.
    """
    # paged attention is for text that is written by the decoder alone
    known = sorted({"eager", *(key for key in ALL_ATTENTION_FUNCTIONS.valid_keys() if not key.startswith("paged|"))})
    if name not in known:
        near = get_close_matches(str(name), known, n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise ValueError(f'`attn_implementation` must be one of {", ".join(known)}, got "{name}".{hint}')
    # flex_attention looks one up, and on a CPU beyond its end: the process dies of it
    if neighbourhood is not None and name not in ("eager", "sdpa"):
        raise ValueError(
            '`attn_implementation` must be "sdpa" or "eager", which take the '
            f'mask that `neighbourhood` = {neighbourhood} needs, got "{name}".'
        )


def per_line(layer: nn.Module, features: Tensor) -> Tensor:
    """Apply a layer of single features to (batch, …, hidden), as (batch, feature, hidden).

    PEFT takes a row for a line, and some of its methods take four dimensions for a picture.
    """
    return layer(features.flatten(1, -2)).unflatten(1, features.shape[1:-1])


def _joined(parts: list[Tensor], size: int) -> Tensor:
    """Return parts (batch, token, head, ·) side by side, and zeros up to a size: one copy, where padding makes two."""
    shape = parts[0].shape[:-1]
    room = size - sum(part.shape[-1] for part in parts)
    return torch.cat([*parts, parts[0].new_zeros(()).expand(*shape, room)], dim=-1) if room else torch.cat(parts, -1)
