"""Checks the size of a model before it is built."""

import os
from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig

from trocr_gsa.model.configuration_gsa_net import GSANetConfig

MAX_BY_SUFFIX = {"layers": 1000, "frequencies": 1000, "class_tokens": 1000}  # by the end of the field's name
POSITIVE = ("d_model", "decoder_attention_heads", "decoder_ffn_dim", "max_position_embeddings", "vocab_size")
MAX_UNITS = 10**7  # of any other size; a vocabulary has up to a million
BYTES = 4  # of a weight
GIGABYTE = 10**9


def check_size(encoder: GSANetConfig, decoder: PreTrainedConfig | None, field: str, copies: int = 1) -> None:
    """Check that a model's numbers are realistic, and that its weights fit into this machine's memory.

    Args:
        encoder: configuration of the encoder.
        decoder: configuration of a TrOCR decoder; None: unknown, and not counted.
        field: name of the user's argument, for the error message.
        copies: number of copies of the weights; training on a CPU also needs gradients and two moving averages.

    Raises:
        ValueError: if a number is too large, or the memory is too small.
    """
    for config in filter(None, (encoder, decoder)):
        check_counts(config.to_dict())
    weights = _encoder_weights(encoder) + (0 if decoder is None else _decoder_weights(decoder))
    needed, memory = weights * BYTES * copies, _memory()
    if memory is not None and needed > memory:
        raise ValueError(
            f"`{field}` would have about {weights:.1e} weights, which need {needed / GIGABYTE:,.0f} GB. This machine "
            f"has {memory / GIGABYTE:,.0f} GB. Take fewer or narrower layers."
        )


def check_counts(values: Mapping[str, Any]) -> None:
    """Check that numbers of a configuration are realistic.

    Args:
        values: values by the names of the configuration's fields, or by keys that end with these names.

    Raises:
        ValueError: for the first number out of range; the key is named.
    """
    for key, value in values.items():
        most = next((limit for ending, limit in MAX_BY_SUFFIX.items() if key.endswith(ending)), MAX_UNITS)
        if isinstance(value, (int, float)) and not abs(value) <= most:
            raise ValueError(f"`{key}` must be at most {most}, got {value:.4g}.")
        if key.endswith(POSITIVE) and isinstance(value, int) and value < 1:
            raise ValueError(f"`{key}` must be at least 1, got {value}.")


def _encoder_weights(config: GSANetConfig) -> int:
    width = config.hidden_size
    layer = 4 * width**2 + 2 * width * config.intermediate_size
    positions = (config.image_size or 0) // config.patch_size
    patch = config.num_channels * config.patch_size**2
    return (config.num_hidden_layers + 1) * layer + width * (patch + positions**2 + config.num_class_tokens)


def _decoder_weights(config: PreTrainedConfig) -> int:
    width = getattr(config, "d_model", 0)
    layer = 8 * width**2 + 2 * width * getattr(config, "decoder_ffn_dim", 0)
    rows = getattr(config, "vocab_size", 0) + getattr(config, "max_position_embeddings", 0)
    return getattr(config, "decoder_layers", 0) * layer + width * rows


def _memory() -> int | None:
    """Return the bytes of this machine's memory; None if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
