"""Group self-attention that opens from nothing: how a pretrained ViT becomes a GSA-Net without forgetting a digit.

What is unusual: two softmaxes instead of one. A bias inside a single softmax cannot be closed to float tolerance and
still have a gradient.
"""

import torch
from torch import Tensor, nn

from .attention import GroupSelfAttention
from .extended_attention import per_line


class HeadGate(nn.Module):
    """tanh(γ_head) · f, one γ a head, starting at 0.

    Args:
        num_heads: attention heads.
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_heads))

    @property
    def is_closed(self) -> bool:
        """Whether nothing passes, and nothing is being learned that could let it; in a compiled graph it may pass."""
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return False
        return not bool(self.weight.any())

    def forward(self, features: Tensor) -> Tensor:
        """Scale features (…, head, d)."""
        return self.weight.tanh()[:, None] * features


class GatedGroupSelfAttention(GroupSelfAttention):
    """Attention within each pose, and behind a gate attention across all of them, with the same projections.

    out(i,h) = o_proj( Σ_j softmax_j⟨q f(i,h), k(f(j,h) + ρ(h⁻¹(x(j)−x(i)), e))⟩ v f(j,h)  +  tanh(γ) · cross(i,h) )

    where cross(i,h) is what `GroupSelfAttention` hands to o_proj. Arguments as there.

    Source: ours; both terms are equivariant by Schreiber 2023, §4 and §5, and so is their sum.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.gate = HeadGate(self.num_heads)

    def _attend_from(self, poses: slice, features: Tensor, positions: Tensor, mask: Tensor | None) -> Tensor:
        page = self._page(positions, mask, poses)
        query, key, value = self._project(features, features[:, poses])
        out = self._within_poses(query, key[:, poses], value[:, poses], page)
        if not self.gate.is_closed:
            out = out + self.gate(self._across_poses(query, key, value, page)[0])
        return per_line(self.o_proj, out.flatten(-2))
