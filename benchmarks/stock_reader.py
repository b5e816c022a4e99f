"""Stock TrOCR models of any size from transformers: a ViT or DeiT on square images, and a TrOCR decoder."""

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import (
    ByT5Tokenizer,
    DeiTConfig,
    DeiTModel,
    TrOCRConfig,
    TrOCRForCausalLM,
    TrOCRProcessor,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
)

PAD, END = 0, 1  # ids of the byte-level tokenizer; PAD is also the start token
MEAN = [0.5, 0.5, 0.5]


@dataclass(frozen=True)
class Shape:
    """Sizes of a stock TrOCR.

    Args:
        image_size: side of the square image in pixels.
        hidden_size: hidden size of the encoder.
        layers: number of encoder layers.
        heads: number of attention heads of the encoder.
        decoder_size: hidden size of the decoder.
        decoder_layers: number of decoder layers.
        decoder_heads: number of attention heads of the decoder.
        vocabulary: size of the vocabulary, at least the 259 of the byte-level tokenizer.
        longest: maximum length of a text in tokens.
        distilled: if True, the encoder is a DeiT with a second class token, as in trocr-small; otherwise a ViT.
        patch_size: side of a patch in pixels.
    """

    image_size: int = 128
    hidden_size: int = 192
    layers: int = 6
    heads: int = 6
    decoder_size: int = 192
    decoder_layers: int = 2
    decoder_heads: int = 6
    vocabulary: int = 259
    longest: int = 48
    distilled: bool = False
    patch_size: int = 16


def build_stock(shape: Shape, attn_implementation: str = "sdpa") -> tuple[Any, Any]:
    """Return an untrained VisionEncoderDecoderModel and its TrOCRProcessor."""
    encoder: Any = (DeiTConfig if shape.distilled else ViTConfig)(
        hidden_size=shape.hidden_size, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        intermediate_size=4 * shape.hidden_size, image_size=shape.image_size, patch_size=shape.patch_size,
        qkv_bias=shape.distilled,
    )  # fmt: skip
    marks: dict[str, Any] = {"pad_token_id": PAD, "eos_token_id": END, "decoder_start_token_id": PAD}
    decoder = TrOCRConfig(
        vocab_size=shape.vocabulary, d_model=shape.decoder_size, decoder_layers=shape.decoder_layers,
        decoder_attention_heads=shape.decoder_heads, decoder_ffn_dim=4 * shape.decoder_size,
        cross_attention_hidden_size=shape.hidden_size, max_position_embeddings=shape.longest, dropout=0.0,
        bos_token_id=PAD, **marks,
    )  # fmt: skip
    vision = (DeiTModel if shape.distilled else ViTModel)._from_config(encoder, attn_implementation=attn_implementation)
    model: Any = VisionEncoderDecoderModel(encoder=vision, decoder=TrOCRForCausalLM(decoder))
    for name, mark in marks.items():
        setattr(model.config, name, mark)
    model.generation_config.update(max_length=shape.longest, **marks)
    pixels = {"height": shape.image_size, "width": shape.image_size}
    image_processor = ViTImageProcessorPil(size=pixels, image_mean=MEAN, image_std=MEAN)
    return model, TrOCRProcessor(image_processor, ByT5Tokenizer(extra_ids=0))


def squashed(processor: Any, images: list[Image.Image]) -> Tensor:
    """Return images resized to squares as in a stock TrOCR, (image, 3, side, side) float32."""
    return processor(images=[image.convert("RGB") for image in images], return_tensors="pt").pixel_values


@torch.inference_mode()
def read_stock(model: Any, tokenizer: Any, pixels: Tensor) -> list[str]:
    """Read pixels (image, 3, side, side) greedily, up to the maximum length of the decoder."""
    written = model.generate(pixels, num_beams=1, max_length=model.config.decoder.max_position_embeddings)
    return tokenizer.batch_decode(written, skip_special_tokens=True)
