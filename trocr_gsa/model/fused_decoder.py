"""TrOCR's attention with PyTorch's fused kernels; transformers computes the scores explicitly, which is slower."""

from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn
from transformers.cache_utils import EncoderDecoderCache
from transformers.models.trocr.modeling_trocr import TrOCRAttention

from .attention_kernels import check_implementation
from .decoder_cache import CACHE


class FusedTrOCRAttention(TrOCRAttention):
    """softmax(q kᵀ d^-1/2 + mask) v with the weights of TrOCRAttention, but without storing the scores."""

    def forward(
        self,
        hidden_states: Tensor,
        key_value_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        output_attentions: bool | None = False,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from tokens (batch, token, hidden) to the tokens before them, or to `key_value_states`.

        With `output_attentions` transformers' own code runs, because a fused kernel does not store attentions.
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
        """Project keys and values, or take those of the image from the cache; add new ones to the cache."""
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
    """Return the attention implementation that the configuration requests for the decoder; None: as in the encoder.

    transformers supports only "eager" for TrOCR's decoder: it does not build the decoder with any other setting, and it
    writes "eager" into the configuration of a decoder that it built. So "eager" in the decoder's configuration is not a
    request if the encoder has a setting of its own.

    Args:
        config: a TrOCRGSAConfig; its decoder's setting is changed to "eager".

    Raises:
        ValueError: if the name is unknown.
    """
    wanted, of_encoder = config.decoder._attn_implementation, config.encoder._attn_implementation
    if wanted is None or config.decoder.model_type != "trocr":
        return None
    check_implementation(wanted)
    config.decoder._attn_implementation = "eager"
    return None if wanted == "eager" and of_encoder is not None else wanted


def fuse_attention(decoder: nn.Module, implementation: str | None = "sdpa") -> None:
    """Make a TrOCR decoder attend with fused kernels, in place; "eager" restores transformers' own attention."""
    kinds = (FusedTrOCRAttention, TrOCRAttention)
    for module in decoder.modules():
        if type(module) in kinds:
            module.__class__ = kinds[implementation == "eager"]
