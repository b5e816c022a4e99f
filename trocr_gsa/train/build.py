"""Builds the model, the processor and, with LoRA, the adapter from the arguments."""

import logging
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar, cast

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import load_file
from torch import nn
from transformers import AutoTokenizer, ByT5Tokenizer, TrOCRConfig
from transformers.utils import SAFE_WEIGHTS_NAME

from trocr_gsa.checkpoints.model_size import check_size
from trocr_gsa.checkpoints.models import load_model
from trocr_gsa.model.configuration_gsa_net import GSANetConfig
from trocr_gsa.model.configuration_trocr_gsa import TrOCRGSAConfig
from trocr_gsa.model.image_processing_trocr_gsa import TrOCRGSAImageProcessor
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor
from trocr_gsa.model.weight_files import one_line_errors, read_shapes, refuse_not_finite
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.lora import lora_config

from .arguments import split_architecture

logger = logging.getLogger(__name__)

Config = TypeVar("Config", GSANetConfig, TrOCRConfig)


def build(arguments: TrainingArguments) -> tuple[nn.Module, TrOCRGSAModel, TrOCRGSAProcessor]:
    """Return the model to train (the reader, or PEFT's model around it), the reader itself, and its processor.

    Raises:
        ValueError: if the checkpoint cannot be loaded, or the settings of a new model are invalid.
    """
    reader, processor = (
        new_model(arguments) if arguments.architecture else load_model(arguments.model, arguments.trust_remote_code)
    )
    reader.encoder.set_attn_implementation(arguments.attn_implementation)
    if arguments.gradient_checkpointing:
        reader.activation_checkpointing_enable()
    if arguments.method == "full":
        for part in frozen_parts(reader, arguments.targets):
            part.requires_grad_(False)
        return reader, reader, processor
    from peft import get_peft_model

    config = lora_config(
        arguments.targets,
        arguments.rank,
        arguments.alpha,
        arguments.lora_dropout,
        arguments.rslora,
        arguments.dora,
        reader,
        arguments.train_pose,
        arguments.projections,
    )
    return get_peft_model(reader, config), reader, processor


def frozen_parts(reader: TrOCRGSAModel, targets: str) -> list[nn.Module]:
    """Return the parts that are frozen when all weights of the `targets` are trained."""
    encoder = reader.encoder
    frozen = {"encoder": [reader.decoder], "decoder": [encoder], "both": [], "behind_pose": encoder.before_pose}
    return frozen[targets]


def new_model(arguments: TrainingArguments) -> tuple[TrOCRGSAModel, TrOCRGSAProcessor]:
    """Return a reader with a new encoder from the `encoder_*` keys, and a pretrained or a new decoder.

    A new decoder is built from the `decoder_*` keys and has a byte-level vocabulary.
    """
    encoder_settings, decoder_settings = split_architecture(arguments.architecture)
    encoder = _configured(GSANetConfig, encoder_settings, "encoder_*")
    copies = 4 if arguments.device == "cpu" or not torch.cuda.is_available() else 1
    check_size(encoder, None, "encoder_*", copies)
    image_processor = TrOCRGSAImageProcessor(
        line_height=arguments.line_height,
        patch_size=encoder.patch_size,
        max_patches=arguments.max_patches,
        num_channels=encoder.num_channels,
    )
    if arguments.pretrained_decoder is not None:
        model = TrOCRGSAModel.from_encoder_decoder(
            encoder, arguments.pretrained_decoder, ctc_steps_per_patch=arguments.ctc_steps_per_patch
        )
        with one_line_errors(arguments.pretrained_decoder, "pretrained_decoder"):
            tokenizer = AutoTokenizer.from_pretrained(arguments.pretrained_decoder, trust_remote_code=False)
    else:
        tokenizer = ByT5Tokenizer(extra_ids=0)
        model = _new_reader(encoder, decoder_settings, tokenizer, arguments.ctc_steps_per_patch, copies)
    for folder in arguments.warm_start:
        take_weights(model, folder)
    return model, TrOCRGSAProcessor(image_processor, tokenizer)


def take_weights(model: nn.Module, folder: str) -> None:
    """Copy all weights of a checkpoint with the same name and shape into a new model, and log their number.

    Raises:
        ValueError: if the folder has no weights, damaged weights, or none with the same name and shape.
    """
    path = Path(folder) / SAFE_WEIGHTS_NAME
    if not path.is_file():
        raise ValueError(f"`warm_start`: there is no {SAFE_WEIGHTS_NAME} in {folder}. Give a model's folder.")
    read_shapes(path, "warm_start")
    own, found = model.state_dict(), load_file(path)
    refuse_not_finite(found.items(), path, "warm_start")
    agreeing = {name: weight for name, weight in found.items() if name in own and weight.shape == own[name].shape}
    if not agreeing:
        raise ValueError(f"`warm_start`: no weight in {path} has the name and shape of a weight of the new model.")
    model.load_state_dict(agreeing, strict=False)
    logger.warning("%s: %d of %d weights of the new model start from here", folder, len(agreeing), len(own))


def _configured(kind: type[Config], settings: dict[str, Any], field: str) -> Config:
    """Return a configuration; an error of its own type check becomes a ValueError."""
    try:
        return kind(**settings)
    except StrictDataclassError as error:
        raise ValueError(f"`{field}`: {shorten(str(error), 300)}") from error


def _new_reader(
    encoder: GSANetConfig, decoder_settings: dict[str, Any], tokenizer: Any, steps: int, copies: int
) -> TrOCRGSAModel:
    bytes_only = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.pad_token_id,
        "decoder_start_token_id": tokenizer.pad_token_id,
        "cross_attention_hidden_size": encoder.hidden_size,
    }
    decoder = _configured(TrOCRConfig, bytes_only | decoder_settings, "decoder_*")
    check_size(encoder, decoder, "encoder_* and decoder_*", copies)
    if decoder.vocab_size < len(tokenizer):
        raise ValueError(f"`decoder_vocab_size` must be at least {len(tokenizer)}, got {decoder.vocab_size}.")
    joint = TrOCRGSAConfig.from_encoder_decoder_configs(encoder, decoder, ctc_steps_per_patch=steps)
    model = TrOCRGSAModel(cast(TrOCRGSAConfig, joint))
    cast(Any, model.generation_config).max_length = decoder.max_position_embeddings  # the default is 20 tokens
    return model
