"""TrOCR's attention by PyTorch's fused kernels: transformers writes it out, scores and all."""

from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn
from transformers.cache_utils import EncoderDecoderCache
from transformers.models.trocr.modeling_trocr import TrOCRAttention

from .decoder_cache import CACHE
from .extended_attention import check_implementation


class FusedTrOCRAttention(TrOCRAttention):
    """softmax(q kᵀ d^-1/2 + mask) v, as TrOCRAttention computes it, and with its weights, but without the scores."""

    def forward(
        self,
        hidden_states: Tensor,
        key_value_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        output_attentions: bool | None = False,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from letters (batch, letter, hidden) to those before, or to `key_value_states`; as transformers does.

        Whoever asks for `output_attentions` gets transformers' own: a fused kernel keeps none.
        """
        if output_attentions:
            return super().forward(  # pyright: ignore[reportReturnType]
                hidden_states,
                key_value_states=key_value_states,
                attention_mask=attention_mask,
                output_attentions=output_attentions,
                **kwargs,
            )
        query = self._heads(self.q_proj(hidden_states))
        key, value = self._keys_and_values(hidden_states, key_value_states, kwargs.get(CACHE))
        dropped = (self.dropout or 0.0) if self.training else 0.0
        out = F.scaled_dot_product_attention(query, key, value, attention_mask, dropped, scale=self.scaling)
        return self.out_proj(out.transpose(1, 2).flatten(-2)), None

    def _heads(self, features: Tensor) -> Tensor:
        return features.unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2)

    def _keys_and_values(self, letters: Tensor, picture: Tensor | None, past: Any | None) -> tuple[Tensor, Tensor]:
        """Project them, or take those of a picture that are remembered; remember new ones."""
        cache, layer = past, cast(int, self.layer_idx)
        if isinstance(past, EncoderDecoderCache):
            cache = past.self_attention_cache if picture is None else past.cross_attention_cache
            if picture is not None and past.is_updated.get(layer):
                return cast(Any, cache.layers[layer]).keys, cast(Any, cache.layers[layer]).values
        seen = letters if picture is None else picture
        key, value = self._heads(self.k_proj(seen)), self._heads(self.v_proj(seen))
        if cache is not None:
            key, value = cache.update(key, value, layer)
        if isinstance(past, EncoderDecoderCache) and picture is not None:
            past.is_updated[layer] = True
        return key, value


def decoder_implementation(config: Any) -> str | None:
    """Return the attention that a reader's configuration wants of its decoder; None: what the encoder has.

    transformers knows of "eager" alone for TrOCR's decoder, refuses to build it with any other, and leaves "eager" in
    the configuration of one that was built: beside another encoder's that is no wish.

    Args:
        config: a TrOCRGSAConfig; its decoder's is made "eager".

    Raises:
        ValueError: if there is no attention of that name.
    """
    wanted, of_encoder = config.decoder._attn_implementation, config.encoder._attn_implementation
    if wanted is None or config.decoder.model_type != "trocr":
        return None
    check_implementation(wanted)
    config.decoder._attn_implementation = "eager"
    return None if wanted == "eager" and of_encoder is not None else wanted


def fuse_attention(decoder: nn.Module, implementation: str | None = "sdpa") -> None:
    """Have a decoder attend by fused kernels, in place, where it is TrOCR's, or with "eager" as transformers does."""
    kinds = (FusedTrOCRAttention, TrOCRAttention)
    for module in decoder.modules():
        if type(module) in kinds:
            module.__class__ = kinds[implementation == "eager"]
