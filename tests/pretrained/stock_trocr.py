"""Functions that create TrOCR checkpoints in the layout of the published files, with random weights and small sizes.

No model of transformers is used. Configurations, key names and shapes are written explicitly, as in the files of
microsoft/trocr-{small,base,large}-{stage1,printed,handwritten}. So code that loads these folders also loads the
published files.

Sources:
- `convert_trocr_unilm_to_pytorch.py` of transformers: the keys, that base and large have neither a pooler nor biases of
  q, k and v, and which checkpoints have sinusoids (stage1 and large-printed).
- Copies in converters by others: config.json of base-stage1 and of a small checkpoint, field by field, written by
  transformers 4.12 and 4.14. A copy in a project's notes: the decoder of a large checkpoint with sinusoids.
- base and large without sinusoids: the script keeps the defaults of `TrOCRConfig`.
- `embed_positions._float_tensor`: a buffer of fairseq's sinusoids that transformers 4 kept.
- From memory: that all small checkpoints are alike, and that a tied output projection is stored with the embedding.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import VisionEncoderDecoderModel
from transformers.models.trocr.modeling_trocr import TrOCRSinusoidalPositionalEmbedding

SIZES = ("small", "base", "large")
STAGES = ("stage1", "printed", "handwritten")
NAMES = [f"{size}-{stage}" for size in SIZES for stage in STAGES]
IMAGE_SIZE, PATCH = 64, 16
ENCODER_WIDTH = {"small": 32, "base": 32, "large": 32}
DECODER_WIDTH = {"small": 16, "base": 48, "large": 32}
SHARP = {"encoder_attn": 3, "fc": 4, "embed_positions": 3}  # so that the text depends on the image
VOCABULARY = {"small": 320, "base": 300, "large": 300}

# fields that transformers 4 wrote into every configuration, also nested ones
GENERATION = {
    "bad_words_ids": None,
    "diversity_penalty": 0.0,
    "do_sample": False,
    "early_stopping": False,
    "encoder_no_repeat_ngram_size": 0,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "length_penalty": 1.0,
    "max_length": 20,
    "min_length": 0,
    "no_repeat_ngram_size": 0,
    "num_beam_groups": 1,
    "num_beams": 1,
    "num_return_sequences": 1,
    "output_scores": False,
    "remove_invalid_values": False,
    "repetition_penalty": 1.0,
    "return_dict_in_generate": False,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
}
COMMON = {
    "_name_or_path": "",
    "architectures": None,
    "chunk_size_feed_forward": 0,
    "finetuning_task": None,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    "is_encoder_decoder": False,
    "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    "output_attentions": False,
    "output_hidden_states": False,
    "prefix": None,
    "problem_type": None,
    "pruned_heads": {},
    "return_dict": True,
    "sep_token_id": None,
    "task_specific_params": None,
    "tie_encoder_decoder": False,
    "tokenizer_class": None,
    "torch_dtype": None,
    "torchscript": False,
    "use_bfloat16": False,
}


def has_sinusoids(name: str) -> bool:
    """Return whether the decoder of the published checkpoint has sinusoids instead of learned positions."""
    return name == "large-printed" or (name.endswith("stage1") and not name.startswith("small"))


def encoder_config(name: str, **changes: Any) -> dict[str, Any]:
    size = name.split("-")[0]
    width = ENCODER_WIDTH[size]
    return {
        **GENERATION,
        **COMMON,
        "add_cross_attention": False,
        "attention_probs_dropout_prob": 0.0,
        "bos_token_id": None,
        "cross_attention_hidden_size": None,
        "decoder_start_token_id": None,
        "eos_token_id": None,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "hidden_size": width,
        "image_size": IMAGE_SIZE,
        "initializer_range": 0.02,
        "intermediate_size": 2 * width,
        "is_decoder": False,
        "layer_norm_eps": 1e-12,
        "model_type": "deit" if size == "small" else "vit",
        "num_attention_heads": 2,
        "num_channels": 3,
        "num_hidden_layers": 4 if size == "large" else 3,
        "pad_token_id": None,
        "patch_size": PATCH,
        "qkv_bias": size == "small",
        "tie_word_embeddings": True,
        **changes,
    }


def decoder_config(name: str, **changes: Any) -> dict[str, Any]:
    size = name.split("-")[0]
    width = DECODER_WIDTH[size]
    old = size == "small" or has_sinusoids(name)  # flags of the unilm decoder; otherwise those of RoBERTa
    return {
        **GENERATION,
        **COMMON,
        "activation_dropout": 0.0,
        "activation_function": "relu" if old else "gelu",
        "add_cross_attention": True,
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "classifier_dropout": 0.0,
        "cross_attention_hidden_size": ENCODER_WIDTH[size],
        "d_model": width,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 2 * width,
        "decoder_layerdrop": 0.0,
        "decoder_layers": 3 if size == "large" else 2,
        "decoder_start_token_id": 2,
        "dropout": 0.1,
        "eos_token_id": 2,
        "init_std": 0.02,
        "is_decoder": True,
        "layernorm_embedding": not has_sinusoids(name),
        "max_position_embeddings": 64 if has_sinusoids(name) else 32,
        "model_type": "trocr",
        "pad_token_id": 1,
        "scale_embedding": old,
        "tie_word_embeddings": not old,
        "use_cache": False,
        "use_learned_position_embeddings": not has_sinusoids(name),
        "vocab_size": VOCABULARY[size],
        **changes,
    }


def stock_config(name: str, encoder: dict | None = None, decoder: dict | None = None, **changes: Any) -> dict[str, Any]:
    """Return the config.json of that name, with changes to encoder, decoder and the top level."""
    top = {"eos_token_id": 2} if name.startswith("small") else {}
    return {
        "architectures": ["VisionEncoderDecoderModel"],
        "decoder": decoder_config(name, **(decoder or {})),
        "encoder": encoder_config(name, **(encoder or {})),
        **top,
        "is_encoder_decoder": True,
        "model_type": "vision-encoder-decoder",
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": None,
        **changes,
    }


def norm(key: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{key}.weight": (width,), f"{key}.bias": (width,)}


def linear(key: str, out: int, into: int, bias: bool = True) -> dict[str, tuple[int, ...]]:
    return {f"{key}.weight": (out, into), **({f"{key}.bias": (out,)} if bias else {})}


def encoder_shapes(config: dict[str, Any], pooler: bool) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights of a ViT or DeiT by their names in transformers 4."""
    width, inner, patch = config["hidden_size"], config["intermediate_size"], config["patch_size"]
    distilled = config["model_type"] == "deit"
    tokens = (config["image_size"] // patch) ** 2 + 1 + distilled
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, width),
        **({"embeddings.distillation_token": (1, 1, width)} if distilled else {}),
        "embeddings.position_embeddings": (1, tokens, width),
        "embeddings.patch_embeddings.projection.weight": (width, config["num_channels"], patch, patch),
        "embeddings.patch_embeddings.projection.bias": (width,),
    }
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}"
        for part in ("query", "key", "value"):
            shapes |= linear(f"{layer}.attention.attention.{part}", width, width, config["qkv_bias"])
        shapes |= linear(f"{layer}.attention.output.dense", width, width)
        shapes |= linear(f"{layer}.intermediate.dense", inner, width)
        shapes |= linear(f"{layer}.output.dense", width, inner)
        shapes |= norm(f"{layer}.layernorm_before", width) | norm(f"{layer}.layernorm_after", width)
    shapes |= norm("layernorm", width)
    if pooler:
        shapes |= linear("pooler.dense", width, width)
    return {f"encoder.{key}": shape for key, shape in shapes.items()}


def decoder_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights of a TrOCR decoder by their names."""
    width, inner, letters = config["d_model"], config["decoder_ffn_dim"], config["vocab_size"]
    shapes: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (letters, width)}
    if config["use_learned_position_embeddings"]:
        shapes["embed_positions.weight"] = (config["max_position_embeddings"] + 2, width)
    else:
        shapes["embed_positions._float_tensor"] = (1,)
    if config["layernorm_embedding"]:
        shapes |= norm("layernorm_embedding", width)
    for index in range(config["decoder_layers"]):
        layer = f"layers.{index}"
        for part, source in (("self_attn", width), ("encoder_attn", config["cross_attention_hidden_size"])):
            for projection in ("k_proj", "v_proj"):
                shapes |= linear(f"{layer}.{part}.{projection}", width, source)
            for projection in ("q_proj", "out_proj"):
                shapes |= linear(f"{layer}.{part}.{projection}", width, width)
            shapes |= norm(f"{layer}.{part}_layer_norm", width)
        shapes |= linear(f"{layer}.fc1", inner, width) | linear(f"{layer}.fc2", width, inner)
        shapes |= norm(f"{layer}.final_layer_norm", width)
    shapes = {f"decoder.model.decoder.{key}": shape for key, shape in shapes.items()}
    return {**shapes, "decoder.output_projection.weight": (letters, width)}


def draw(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return random weights, large enough that every part of the model affects the logits."""
    noise = torch.randn(shape, generator=generator)
    if "norm" in key and key.endswith("weight"):
        return 1 + 0.2 * noise
    if key.endswith("bias"):
        return 0.2 * noise
    if "embeddings" in key and "projection" not in key:
        return (0.7 * noise).bfloat16().float()  # so that the sum of class token and position is exact
    sharp = next((gain for part, gain in SHARP.items() if part in key), 1)
    return sharp * noise / noise[0].numel() ** 0.5


def stock_weights(config: dict[str, Any], pooler: bool = False, seed: int = 0) -> dict[str, Tensor]:
    """Return the weights of a checkpoint by name; a tied projection is a copy of the embedding."""
    generator = torch.Generator().manual_seed(seed)
    shapes = encoder_shapes(config["encoder"], pooler) | decoder_shapes(config["decoder"])
    weights = {key: draw(key, shape, generator) for key, shape in shapes.items()}
    if config["decoder"]["tie_word_embeddings"]:
        weights["decoder.output_projection.weight"] = weights["decoder.model.decoder.embed_tokens.weight"].clone()
    return weights


def write_model(folder: Path, config: dict[str, Any], weights: dict[str, Tensor], safe: bool = True) -> Path:
    """Write config.json, and model.safetensors or pytorch_model.bin."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    if safe:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        torch.save(weights, folder / "pytorch_model.bin")
    return folder


def make_stock_model(folder: Path, name: str, pooler: bool = False, safe: bool = True, **changes: Any) -> Path:
    """Write a checkpoint of that name; `changes` are those of `stock_config`."""
    config = stock_config(name, **changes)
    return write_model(folder, config, stock_weights(config, pooler), safe)


def load_stock(folder: Path, dtype: torch.dtype = torch.float32) -> VisionEncoderDecoderModel:
    """Load a checkpoint with transformers only, and compute the sinusoids, which it leaves uninitialised."""
    model = VisionEncoderDecoderModel.from_pretrained(folder, dtype=dtype)
    for module in model.modules():
        if isinstance(module, TrOCRSinusoidalPositionalEmbedding):
            module.weights = module.get_embedding(*module.weights.shape, module.padding_idx)
    return model.eval()
