"""A reader as two graphs of plain tensors, for export to ONNX.

What is unusual: the encoder's graph also computes the keys and values of the decoder's cross-attention. They are the
same for every token, so the decoder's graph takes them as inputs and computes one token.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache

from trocr_gsa.model.attention import GatedGroupSelfAttention, HeadGate
from trocr_gsa.model.decoder_cache import CACHE, decode
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel

POSE_OUTPUTS = ("attention_mask", "pose_logits", "pose")
CTC_OUTPUTS = ("ctc_logits", "ctc_lengths")


class FixedGate(nn.Module):
    """A gate with fixed weights; whether it is closed cannot be decided while a graph is traced."""

    def __init__(self, gate: HeadGate) -> None:
        super().__init__()
        self.register_buffer("scale", gate.weight.detach().tanh()[:, None])
        self.is_closed = not bool(gate.weight.any())

    def forward(self, features: Tensor) -> Tensor:
        """Scale features (…, head, d)."""
        return cast(Tensor, self.scale) * features


class EncoderGraph(nn.Module):
    """From patches to poses, CTC logits, and the keys and values of every layer's cross-attention.

    Args:
        model: the reader, on the CPU; its attention is changed to one that ONNX supports.
    """

    def __init__(self, model: TrOCRGSAModel) -> None:
        super().__init__()
        self.model: Any = model
        self.model.encoder.set_attn_implementation("eager")  # ONNX has matrix products and softmax
        for module in self.model.modules():
            if isinstance(module, GatedGroupSelfAttention):
                module.gate = FixedGate(module.gate)  # pyright: ignore[reportAttributeAccessIssue]
        self.layers = len(self.model.decoder.model.decoder.layers)

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs, in order."""
        ctc = () if self.model.ctc_head is None else CTC_OUTPUTS
        return [*POSE_OUTPUTS, *ctc, *(f"cross_{index}" for index in range(2 * self.layers))]

    def forward(
        self, pixel_values: Tensor, pixel_attention_mask: Tensor, spatial_shapes: Tensor, pose_bias: Tensor
    ) -> tuple[Tensor, ...]:
        """Encode lines.

        Args:
            pixel_values: (batch, patch, channel · p · p).
            pixel_attention_mask: (batch, patch) bool, False at padding.
            spatial_shapes: (batch, 2) long, rows and columns of patches.
            pose_bias: (batch, pose), log of a prior over poses; 0 without a prior.

        Returns: the additive mask (batch, token); log p(h) (batch, pose); the pose (batch,); with a CTC head its logits
            (batch, frame, vocab) and lengths (batch,); keys and values of each layer, (batch, head, token, d).
        """
        encoded = self.model.encoder(
            pixel_values=pixel_values,
            pixel_attention_mask=pixel_attention_mask,
            spatial_shapes=spatial_shapes,
            pose_bias=pose_bias,
        )
        outputs = [encoded.attention_mask, encoded.pose_logits, encoded.pose]
        if self.model.ctc_head is not None:
            outputs += self.model.ctc_head(encoded.pose_hidden_state, encoded.pose_positions, encoded.pose_mask)
        tokens = encoded.last_hidden_state
        if hasattr(self.model, "enc_to_dec_proj"):
            tokens = self.model.enc_to_dec_proj(tokens)
        for layer in self.model.decoder.model.decoder.layers:
            attention = layer.encoder_attn
            for project in (attention.k_proj, attention.v_proj):
                outputs.append(project(tokens).unflatten(-1, (attention.num_heads, attention.head_dim)).transpose(1, 2))
        return tuple(outputs)


class DecoderGraph(nn.Module):
    """Computes the next token from the keys and values of the previous tokens.

    Args:
        model: the reader, on the CPU.
    """

    def __init__(self, model: TrOCRGSAModel) -> None:
        super().__init__()
        self.decoder: Any = model.decoder
        self.layers = len(self.decoder.model.decoder.layers)

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs, in order."""
        return ["logits", *(f"present_{index}" for index in range(2 * self.layers))]

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, past: list[Tensor], cross: list[Tensor]
    ) -> tuple[Tensor, ...]:
        """Compute the logits of the next token.

        Args:
            input_ids: (batch, 1) long, the last token.
            attention_mask: (batch, position), added to the cross-attention's logits.
            past: keys and values of the previous tokens in each layer, (batch, head, token, d).
            cross: keys and values of the encoder's output in each layer, (batch, head, position, d).

        Returns: logits (batch, vocab), then `past` including the last token.
        """
        caches = (DynamicCache(list(zip(pairs[::2], pairs[1::2], strict=True))) for pairs in (past, cross))
        output = decode(
            self.decoder,
            EncoderDecoderCache(*caches),
            input_ids=input_ids,
            encoder_hidden_states=cross[0],  # must not be None, but keys and values come from the cache
            encoder_attention_mask=attention_mask[:, None, None],
            use_cache=True,
            return_dict=True,
        )
        letters = output[CACHE].self_attention_cache.layers
        return output.logits[:, -1], *(tensor for layer in letters for tensor in (layer.keys, layer.values))


def noise_lines(model: TrOCRGSAModel, shapes: list[tuple[int, int]]) -> tuple[Tensor, ...]:
    """Return random inputs of an `EncoderGraph`: lines with the given numbers of rows and columns of patches."""
    config = model.encoder.config
    rows_columns = torch.tensor(shapes)
    counts = rows_columns.prod(-1)
    mask = torch.arange(int(counts.max()))[None] < counts[:, None]
    pixels = torch.randn(*mask.shape, config.num_channels * config.patch_size**2)
    return pixels * mask[..., None], mask, rows_columns, torch.zeros(len(shapes), model.encoder.group.order)


def noise_tokens(model: TrOCRGSAModel, encoded: tuple[Tensor, ...], letters: int) -> tuple:
    """Return inputs of a `DecoderGraph` for the output of an `EncoderGraph`, with random previous tokens."""
    config: Any = model.config
    cross = list(encoded[-2 * config.decoder.num_hidden_layers :])
    lines, heads, _, size = cross[0].shape
    past = [torch.randn(lines, heads, letters, size) for _ in cross]
    return torch.full((lines, 1), config.decoder_start_token_id), encoded[0], past, cross
