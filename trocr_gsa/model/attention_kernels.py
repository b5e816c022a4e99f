"""Plain attention, softmax(⟨query, key⟩ · scale) value, by the kernel that a layer is told to use.

- "eager": two matrix products and a softmax;
- "sdpa": PyTorch's fused kernel, which never stores all scores. On a CPU it needs values as wide as keys, so values are
  padded. In the backward pass of short lines, that costs more than the fusion saves; these are computed as in "eager";
- any other name: the attention function that transformers registers under it.
"""

from difflib import get_close_matches
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

FAR = -3e4  # a score at which exp() is 0 in every floating-point type, and which float16 can still represent
# On a CPU, in float32 and with gradients, "sdpa" computes two products for at least so many keys and at most so many
# scores, which then stay in the processor's cache. `python -m benchmarks attention --parts kernel` measures both sides.
FEWEST_KEYS, MOST_SCORES = 32, 2**21


def plain_attention(
    layer: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float,
    shown: tuple[int, ...] = (-1,),
) -> tuple[Tensor, Tensor | None]:
    """Compute softmax(⟨query, key⟩ · scale) value by the kernel that `layer.attn_implementation` names.

    Args:
        layer: an attention layer, as transformers' attention functions expect it.
        query: (batch, head, query token, e).
        key: (batch, head, key token, e).
        value: (batch, key token, head, d), d ≤ e.
        mask: (batch, 1, query token, key token) bool, False where a query does not see a key; None: it sees all.
        scale: factor of the scores.
        shown: sizes that the probabilities have in place of batch.

    Returns: (batch, query token, head, d or e), zero from d on; and the probabilities
        (*shown, head, query token, key token) where the kernel returns them, otherwise None.
    """
    name = cast(str, layer.attn_implementation)
    if name == "eager":
        return _two_products(query, key, value, mask, scale, shown)
    size = query.shape[-1]
    if name == "sdpa":
        if is_faster_unfused(query, key, value):
            return _two_products(query, key, value, mask, scale, shown)[0], None
        value = concatenate([value], size) if value.device.type == "cpu" else value
        out = F.scaled_dot_product_attention(query, key, value.transpose(1, 2), attn_mask=mask, scale=scale)
        return out.transpose(1, 2), None
    values = concatenate([value], size).transpose(1, 2)  # most kernels need them as wide as keys
    attend = ALL_ATTENTION_FUNCTIONS[name]
    return attend(layer, query, key, values, None, scaling=scale, is_causal=False)


def is_faster_unfused(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether two products and a softmax take less time on a CPU than PyTorch's fused kernel; shapes as above."""
    if torch.compiler.is_compiling() or query.device.type != "cpu" or query.dtype != torch.float32:
        return False  # an exported graph is one for every size
    if not (torch.is_grad_enabled() and any(part.requires_grad for part in (query, key, value))):
        return False
    (batch, heads, queries, _), keys = query.shape, key.shape[2]
    return keys >= FEWEST_KEYS and batch * heads * queries * keys <= MOST_SCORES


def _two_products(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float, shown: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    scores = query * scale @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, FAR)
    # what is shown is what is computed with, so that it has a gradient
    probabilities = scores.softmax(-1).unflatten(0, shown)
    return (probabilities.flatten(0, -4) @ value.transpose(1, 2)).transpose(1, 2), probabilities


def check_implementation(name: str, neighbourhood: float | None = None) -> None:
    """Refuse an unknown implementation of attention, or one without masks where a neighbourhood needs them.

    Raises:
        ValueError: if it is one of these.
    """
    # paged attention is for models that only decode text
    known = sorted({"eager", *(key for key in ALL_ATTENTION_FUNCTIONS.valid_keys() if not key.startswith("paged|"))})
    if name not in known:
        near = get_close_matches(str(name), known, n=1)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise ValueError(
            f'Specified `attn_implementation="{name}"` is not supported: it must be one of {", ".join(known)}.{hint}'
        )
    # flex_attention reads the mask beyond its end on a CPU, which crashes the process
    if neighbourhood is not None and name not in ("eager", "sdpa"):
        raise ValueError(
            '`attn_implementation` must be "sdpa" or "eager", which take the '
            f'mask that `neighbourhood` = {neighbourhood} needs, got "{name}".'
        )


def concatenate(parts: list[Tensor], size: int) -> Tensor:
    """Concatenate parts (batch, token, head, ·) and zeros up to a size, in one copy; `F.pad` would make a second."""
    shape = parts[0].shape[:-1]
    room = size - sum(part.shape[-1] for part in parts)
    return torch.cat([*parts, parts[0].new_zeros(()).expand(*shape, room)], dim=-1) if room else torch.cat(parts, -1)
