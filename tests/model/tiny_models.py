"""Encoders and readers with a few thousand weights, in float64, with sharpened weights that reveal a wrong term."""

import torch
from sharp_weights import sharpened
from torch import Tensor, nn
from transformers import TrOCRConfig

from trocr_gsa import GSANetConfig, GSANetModel, PointGroup, TrOCRGSAConfig, TrOCRGSAModel
from trocr_gsa.model.patches import cut_patches

EXACT_GROUPS = ["C1", "C2", "C4", "D1", "D2", "D4"]
LAYERS, PATCH, HIDDEN, VOCABULARY = 2, 4, 16, 20
PAD, END = 0, 1


def encoder_config(**changes) -> GSANetConfig:
    """Return a configuration with two layers, one of them across poses, and patches of 4 × 4 pixels."""
    sizes = {
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "patch_size": PATCH,
        "num_frequencies": 2,
    }
    return GSANetConfig(**(sizes | changes))


def decoder_config(**changes) -> TrOCRConfig:
    """Return a configuration of a decoder with one layer."""
    sizes = {
        "vocab_size": VOCABULARY,
        "d_model": HIDDEN,
        "decoder_layers": 1,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 24,
        "max_position_embeddings": 16,
        "pad_token_id": PAD,
        "decoder_start_token_id": PAD,
        "bos_token_id": PAD,
        "eos_token_id": END,
        "cross_attention_hidden_size": HIDDEN,
        "dropout": 0.0,
    }
    return TrOCRConfig(**(sizes | changes))


def reader_config(ctc_steps_per_patch: int = 0, **encoder) -> TrOCRGSAConfig:
    """Return a configuration of a reader, with different weights of the losses."""
    return TrOCRGSAConfig.from_encoder_decoder_configs(
        encoder_config(**encoder),
        decoder_config(),
        ctc_steps_per_patch=ctc_steps_per_patch,
        ctc_loss_weight=0.7,
        pose_loss_weight=0.2,
    )


def tiny_encoder(**changes) -> GSANetModel:
    return vivid(GSANetModel(encoder_config(**changes)))


def tiny_reader(ctc_steps_per_patch: int = 0, **encoder) -> TrOCRGSAModel:
    return vivid(TrOCRGSAModel(reader_config(ctc_steps_per_patch, **encoder)))


def vivid(model: nn.Module) -> nn.Module:
    """Sharpen the weights, but keep those small that do not depend on the image, so that images differ."""
    model = sharpened(model)
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or "fc" in name or "embeddings.position" in name:
            parameter.data *= 0.1
    return model


def noise(rows: int, columns: int, batch: int = 1) -> Tensor:
    """Return random images of rows × columns patches, (batch, 1, height, width)."""
    return torch.randn(batch, 1, rows * PATCH, columns * PATCH, dtype=torch.float64)


def turns(group: PointGroup, images: Tensor) -> list[Tensor]:
    """Return the images transformed by every group element; the first is the identity."""
    return [group.transform_image(images, element) for element in range(group.order)]


def as_set(images: list[Tensor], filler: float) -> dict[str, Tensor]:
    """Return single images of any shapes as one padded set of patches; `filler` is the value of the padding."""
    cut = [cut_patches(image, PATCH) for image in images]
    length = max(patches.shape[1] for patches, _ in cut) + 2
    values = torch.full((len(cut), length, PATCH * PATCH), filler, dtype=torch.float64)
    mask = torch.zeros(len(cut), length, dtype=torch.bool)
    for line, (patches, _) in enumerate(cut):
        values[line, : patches.shape[1]] = patches[0]
        mask[line, : patches.shape[1]] = True
    shapes = torch.cat([shape for _, shape in cut])
    return {"pixel_values": values, "pixel_attention_mask": mask, "spatial_shapes": shapes}


def difference(a: Tensor, b: Tensor) -> float:
    """Return max |a − b| / max |b|."""
    return ((a - b).abs().max() / b.abs().max().clamp_min(torch.finfo(b.dtype).tiny)).item()
