"""Turns a stock TrOCR into a reader: a ViT, run for every pose, is a GSA-Net whose poses do not attend to each other.

What is unusual: this is exact and needs no training. Token (i,h) is the ViT's token at h⁻¹x(i) for the rotated image
h⁻¹·x; class tokens have no position; the bias of the key cancels in the softmax; the gate of attention across poses is
initialised to 0. Source: Schreiber 2023 for the layers; taking over weights is ours, after Mondal et al. 2310.01647.
"""

from copy import deepcopy
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from .configuration_gsa_net import GSANetConfig
from .configuration_trocr_gsa import TrOCRGSAConfig
from .modeling_gsa_net import GSANetModel
from .stock_trocr import load_stock_trocr, special_tokens, square_side

SEED = 0  # for weights that the pretrained model does not have, so that two conversions are equal


class TakesOverTrOCR:
    """Methods that build a reader from a stock TrOCR; a base class of TrOCRGSAModel."""

    @classmethod
    def from_trocr(cls, path_or_hub_id: str, group: str = "C4", pose_layers: int | None = None, **loading: Any) -> Self:
        """Take over a whole TrOCR. With `orientation="upright"` the logits are those of the stock model.

        Args:
            path_or_hub_id: a folder or Hub id of a VisionEncoderDecoderModel of a ViT or DeiT and a TrOCR decoder.
            group: C1, C2, C4, D1, D2 or D4: the rotations and mirrors under which the reader is invariant.
            pose_layers: K, number of layers after the first that run on all poses, below the ViT's number of layers. By
                default, a third of the ViT's layers run on all poses, the first one included: K = 3 of 12. This doubles
                the encoder's cost with four poses.
            loading: for transformers' `from_pretrained`, such as `revision` and `token`.

        Returns: the reader, in evaluation mode, float32. Its pose head is untrained; train it with
            `trocr-gsa convert --teach-orientation`.

        Raises:
            ValueError: if there is no such model, it is not a TrOCR, its weights are incomplete, or the group or K does
                not fit.
        """
        stock = load_stock_trocr(path_or_hub_id, **loading)
        config = gsa_net_config(stock.encoder.config, group, pose_layers)
        return _assemble(cls, take_over_encoder(stock.encoder, config), stock, {})

    @classmethod
    def from_encoder_decoder(
        cls, config_or_encoder: GSANetConfig | GSANetModel, path_or_hub_id: str, **config: Any
    ) -> Self:
        """Combine a GSA-Net with the pretrained decoder of a TrOCR.

        The decoder's weights do not change. If its cross-attention expects another width than the encoder's, the
        projections of keys and values become W·P, where P is a random isometry, the same for all layers.

        Args:
            config_or_encoder: a GSANetConfig, for a new encoder, or a GSANetModel.
            path_or_hub_id: a folder or Hub id of a TrOCR.
            config: other fields of TrOCRGSAConfig, such as `ctc_steps_per_patch`.

        Raises:
            ValueError: if there is no such model, or it is not a TrOCR.
        """
        stock = load_stock_trocr(path_or_hub_id)
        is_config = isinstance(config_or_encoder, GSANetConfig)
        encoder = GSANetModel(config_or_encoder) if is_config else cast(GSANetModel, config_or_encoder)
        fit_cross_attention(stock.decoder, encoder.config.hidden_size)
        if hasattr(stock, "enc_to_dec_proj"):
            del stock.enc_to_dec_proj  # it belongs to the old encoder
        return _assemble(cls, encoder, stock, config)


def gsa_net_config(vit: Any, group: str, pose_layers: int | None) -> GSANetConfig:
    """Return the configuration of the GSA-Net that corresponds to a ViT.

    Args:
        vit: a ViTConfig or DeiTConfig.
        group: H.
        pose_layers: K; None: a third of the ViT's layers, the lifting layer counted.

    Raises:
        ValueError: if image, group or K do not fit.
    """
    layers = vit.num_hidden_layers
    return GSANetConfig(
        hidden_size=vit.hidden_size,
        num_hidden_layers=layers - 1,  # the first one becomes the lifting layer
        pose_layers=min(layers - 1, max(1, layers // 3 - 1)) if pose_layers is None else pose_layers,
        num_attention_heads=vit.num_attention_heads,
        intermediate_size=vit.intermediate_size,
        hidden_act=vit.hidden_act,
        patch_size=square_side(vit, "patch_size"),
        num_channels=vit.num_channels,
        group=group,
        num_frequencies=0,
        absolute_position="table",
        image_size=square_side(vit),
        num_class_tokens=2 if vit.model_type == "deit" else 1,
        cross_pose_gate=True,
        hidden_dropout_prob=vit.hidden_dropout_prob,
        layer_norm_eps=vit.layer_norm_eps,
        initializer_range=vit.initializer_range,
    )


@torch.no_grad()
def take_over_encoder(vit: nn.Module, config: GSANetConfig) -> GSANetModel:
    """Return a GSA-Net with the weights of a ViT. Its pose head is new, and its gates are 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        encoder = GSANetModel(config)
    for name, basis in encoder.named_parameters():
        if name.endswith("encoding.pose"):
            basis.zero_()
    found = encoder.load_state_dict(_encoder_weights(vit, config), strict=False)
    new = [name for name in found.missing_keys if not name.startswith("pose_head.") and ".gate." not in name]
    if found.unexpected_keys or any(".encoding." not in name for name in new):
        raise RuntimeError(f"not all weights of the ViT were taken over: {found}")
    return encoder


def _encoder_weights(vit: Any, config: GSANetConfig) -> dict[str, Tensor]:
    embeddings, tokens = vit.embeddings, config.num_class_tokens
    table = embeddings.position_embeddings[0]
    class_tokens = [embeddings.cls_token[0, 0], *([embeddings.distillation_token[0, 0]] if tokens == 2 else [])]
    kernel = embeddings.patch_embeddings.projection
    weights = {
        "embeddings.projection.weight": kernel.weight.flatten(1),
        "embeddings.projection.bias": kernel.bias,
        "embeddings.position.weight": table[tokens:],
        "embeddings.class_tokens": torch.stack(class_tokens) + table[:tokens],  # each has its own row in the table
        "layernorm.weight": vit.layernorm.weight,
        "layernorm.bias": vit.layernorm.bias,
    }
    for index, layer in enumerate(vit.layers):
        place = "lifting" if index == 0 else f"pose_layers.{index - 1}"
        if index > config.pose_layers:
            place = f"layers.{index - 1 - config.pose_layers}"
        weights |= {f"{place}.{name}": weight for name, weight in layer.state_dict().items()}
        weights.pop(f"{place}.attention.k_proj.bias", None)  # it cancels in the softmax
        for projection in ("q_proj", "v_proj"):
            weights.setdefault(f"{place}.attention.{projection}.bias", torch.zeros(config.hidden_size))
    return weights


@torch.no_grad()
def fit_cross_attention(decoder: Any, size: int) -> None:
    """Adapt a TrOCR decoder's cross-attention to another encoder width, in place: W ← W·P, with an isometry P."""
    old = decoder.config.cross_attention_hidden_size or decoder.config.hidden_size
    decoder.config.cross_attention_hidden_size = size
    if old == size:
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        isometry = nn.init.orthogonal_(torch.empty(old, size))
    for layer in decoder.model.decoder.layers:
        for name in ("k_proj", "v_proj"):
            projection = getattr(layer.encoder_attn, name)
            projection.in_features = size
            projection.weight = nn.Parameter(projection.weight @ isometry)


def _assemble(cls: Any, encoder: GSANetModel, stock: Any, settings: dict[str, Any]) -> Any:
    """Build a reader from an encoder and a stock model's decoder, with its special tokens and generation settings."""
    joint = TrOCRGSAConfig.from_encoder_decoder_configs(
        encoder.config, stock.decoder.config, **special_tokens(stock.config) | settings
    )
    model = cls(joint, encoder, stock.decoder)
    if hasattr(stock, "enc_to_dec_proj"):
        model.enc_to_dec_proj = stock.enc_to_dec_proj
    model.generation_config = deepcopy(stock.generation_config)
    return model.eval()
