"""Loads stock TrOCR checkpoints. Missing weights are an error; transformers initialises them at random instead."""

import math
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, VisionEncoderDecoderModel
from transformers.utils import logging

from .weight_files import check_numbers, one_line_errors, read_json, read_shapes, refuse_not_finite, weight_files

FIELD, CONFIG = "path_or_hub_id", "config.json"
TOLERATED_NUMBERS = 10**7  # missing numbers below which the later check by tensor gives the better message
ENCODERS, DECODER = ("vit", "deit"), "trocr"
# tensors in some checkpoints that the reader does not use
NOT_USED = ("encoder.pooler.", "encoder.embeddings.mask_token", "position_ids", "embed_positions._float_tensor")


def load_stock_trocr(path_or_hub_id: str, **loading: Any) -> Any:
    """Load a TrOCR with transformers, in float32 and from safetensors, and check that every weight was in its file.

    Args:
        path_or_hub_id: a folder or a Hub id.
        loading: for transformers' `from_pretrained`; code that comes with a model runs only with
            `trust_remote_code=True`.

    Returns: a VisionEncoderDecoderModel of a ViT or DeiT and a TrOCR decoder, in evaluation mode.

    Raises:
        ValueError: if there is no such model, it is not a TrOCR, its images are not square, or a weight is missing,
            unexpected, or has another shape; the tensor is named.
    """
    field = f"`{FIELD}`: {path_or_hub_id}"
    loading = {"trust_remote_code": False} | loading
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # our errors say more than transformers' report, which also lists the unused pooler
    try:
        with one_line_errors(path_or_hub_id, FIELD):
            settings = _read_settings(path_or_hub_id)
            config = _load_config(field, path_or_hub_id, loading)
            _check_parts(field, config)
            for side in ("image_size", "patch_size"):
                square_side(config.encoder, side)
            if settings is not None:
                _check_weights(path_or_hub_id, settings, config)
            loaded: Any = VisionEncoderDecoderModel.from_pretrained(
                path_or_hub_id,
                dtype=torch.float32,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # reported below, by name
                output_loading_info=True,
                **loading,
            )
    finally:
        logging.set_verbosity(verbosity)
    model, found = loaded
    for name, in_file, in_model in found["mismatched_keys"]:
        raise ValueError(
            f"{field}: the tensor {name} does not fit config.json: expected {tuple(in_model)}, found {tuple(in_file)}. "
            "Put the config.json beside the weights that they were saved with."
        )
    for problem, keys in (("missing", found["missing_keys"]), ("not used by this model", found["unexpected_keys"])):
        if names := sorted(key for key in keys if not any(part in key for part in NOT_USED)):
            raise ValueError(
                f"{field}: {len(names)} tensors are {problem}, the first is {names[0]}. Put the config.json beside the "
                "weights that they were saved with."
            )
    refuse_not_finite(model.named_parameters(), path_or_hub_id, FIELD)
    return model.eval()


def _read_settings(folder: str) -> dict[str, Any] | None:
    """Return a folder's config.json; None for a Hub id, whose files transformers downloads."""
    if not Path(folder).is_dir():
        return None
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise OSError(f"there is no {CONFIG}.")
    return read_json(path, FIELD)


def _check_weights(folder: str, settings: dict[str, Any], config: Any) -> None:
    """Compare a folder's weights with its configuration before the model is built and takes its memory."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder, FIELD):
        shapes |= read_shapes(file, FIELD, no_weights=NOT_USED)
    check_numbers(settings, shapes, Path(folder) / CONFIG, FIELD)
    with torch.device("meta"):
        needed = sum(weight.numel() for weight in VisionEncoderDecoderModel(config).parameters())
    held = sum(math.prod(shape) for shape in shapes.values())
    if needed > 2 * held + TOLERATED_NUMBERS:
        raise ValueError(
            f"`{FIELD}`: {folder}/{CONFIG} describes a model of {needed:,} numbers, but the weights beside it have "
            f"{held:,}. Put the {CONFIG} beside the weights that they were saved with."
        )


def _load_config(field: str, path_or_hub_id: str, loading: dict[str, Any]) -> Any:
    try:
        return AutoConfig.from_pretrained(path_or_hub_id, **loading)
    except ValueError as error:  # `model_type` is missing, or unknown to transformers
        if "trust_remote_code" in str(error):
            raise
        raise ValueError(f"{field} is not a TrOCR: {error}") from error


def _check_parts(field: str, config: Any) -> None:
    if config.model_type == "trocr-gsa":
        raise ValueError(f"{field} is a reader of this package already. Load it with `from_pretrained`.")
    parts = [config.model_type]
    if config.model_type == "vision-encoder-decoder":
        parts = [config.encoder.model_type, config.decoder.model_type]
    if len(parts) == 1 or parts[0] not in ENCODERS or parts[1] != DECODER:
        raise ValueError(
            f"{field} is not a TrOCR: expected a vision-encoder-decoder of {' or '.join(ENCODERS)} and {DECODER}, got "
            f"{' and '.join(parts)}."
        )


def square_side(vit: Any, field: str = "image_size") -> int:
    """Return the side in pixels of a ViT's square images or patches.

    Args:
        vit: a ViTConfig or DeiTConfig.
        field: `image_size` or `patch_size`.

    Raises:
        ValueError: if they are not square, because the position table could not be rotated by a quarter turn.
    """
    value = getattr(vit, field)
    height, width = (value, value) if isinstance(value, int) else value
    if height != width:
        raise ValueError(
            f"`{field}` must be a square, so that the position table can be rotated, got {height}×{width}. "
            "Such a model cannot be taken over."
        )
    return height


def special_tokens(config: Any) -> dict[str, int]:
    """Return the special tokens of a VisionEncoderDecoderConfig; in old files only the decoder's config has them."""
    marks = ("pad_token_id", "decoder_start_token_id", "eos_token_id")
    found = {mark: getattr(config, mark, None) for mark in marks}
    return {mark: getattr(config.decoder, mark) if token is None else token for mark, token in found.items()}
