"""Stock TrOCR checkpoints, loaded whole or refused: transformers draws at random what is missing, and goes on."""

from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, VisionEncoderDecoderModel
from transformers.utils import logging

ENCODERS, DECODER = ("vit", "deit"), "trocr"
# in the files of some checkpoints, and no weights of the reader
NOT_USED = ("encoder.pooler.", "encoder.embeddings.mask_token", "position_ids", "embed_positions._float_tensor")


def load_stock_trocr(path_or_hub_id: str, **loading: Any) -> Any:
    """Load a TrOCR as transformers has it, float32, with every weight from its file.

    Args:
        path_or_hub_id: a folder or a Hub id.
        loading: for transformers' `from_pretrained`.

    Returns: a VisionEncoderDecoderModel of a ViT or DeiT and a TrOCR decoder, in evaluation mode.

    Raises:
        ValueError: if there is none, it is of other parts, its images are no squares, or a weight is missing, has
            another shape or no place; the tensor is named.
    """
    field = f"`path_or_hub_id`: {path_or_hub_id}"
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # its report of the weights says less than ours, and says it of the pooler
    try:
        config = _load_config(field, path_or_hub_id, loading)
        _check_parts(field, config)
        for side in ("image_size", "patch_size"):
            square_side(config.encoder, side)
        loaded: Any = VisionEncoderDecoderModel.from_pretrained(
            path_or_hub_id,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # they are told below, by name
            output_loading_info=True,
            **loading,
        )
    except OSError as error:
        raise ValueError(
            f"{field} could not be loaded: {error} Give a folder with config.json and model.safetensors, or owner/name "
            "on the Hub; without network, one that has been loaded before."
        ) from error
    except SafetensorError as error:
        raise ValueError(f"{field} holds a damaged weight file: {error}. Fetch it again.") from error
    finally:
        logging.set_verbosity(verbosity)
    model, found = loaded
    for name, in_file, in_model in found["mismatched_keys"]:
        raise ValueError(
            f"{field}: the tensor {name} does not fit config.json: expected {tuple(in_model)}, found {tuple(in_file)}. "
            "Put the config.json beside the weights that they were saved with."
        )
    for problem, keys in (("missing", found["missing_keys"]), ("of no use to this model", found["unexpected_keys"])):
        if names := sorted(key for key in keys if not any(part in key for part in NOT_USED)):
            raise ValueError(
                f"{field}: {len(names)} tensors are {problem}, the first is {names[0]}. Put the config.json beside the "
                "weights that they were saved with."
            )
    return model.eval()


def _load_config(field: str, path_or_hub_id: str, loading: dict[str, Any]) -> Any:
    try:
        return AutoConfig.from_pretrained(path_or_hub_id, **loading)
    except ValueError as error:  # no type of model, or none that transformers knows
        raise ValueError(f"{field} is no TrOCR: {error}") from error


def _check_parts(field: str, config: Any) -> None:
    if config.model_type == "trocr-gsa":
        raise ValueError(f"{field} is a reader of this package already. Load it with `from_pretrained`.")
    parts = [config.model_type]
    if config.model_type == "vision-encoder-decoder":
        parts = [config.encoder.model_type, config.decoder.model_type]
    if len(parts) == 1 or parts[0] not in ENCODERS or parts[1] != DECODER:
        raise ValueError(
            f"{field} is no TrOCR: expected a vision-encoder-decoder of {' or '.join(ENCODERS)} and {DECODER}, got "
            f"{' and '.join(parts)}."
        )


def square_side(vit: Any, field: str = "image_size") -> int:
    """Return the side of a ViT's images, or of its patches, in pixels.

    Args:
        vit: a ViTConfig or DeiTConfig.
        field: `image_size` or `patch_size`.

    Raises:
        ValueError: if they are no squares, for a quarter turn would not fit the position table.
    """
    value = getattr(vit, field)
    height, width = (value, value) if isinstance(value, int) else value
    if height != width:
        raise ValueError(
            f"`{field}` must be a square, so that the position table can be turned, got {height}×{width}. "
            "Such a model cannot be taken over."
        )
    return height


def special_tokens(config: Any) -> dict[str, int]:
    """Return the special tokens of a VisionEncoderDecoderConfig: old files have them at the decoder alone."""
    marks = ("pad_token_id", "decoder_start_token_id", "eos_token_id")
    found = {mark: getattr(config, mark, None) for mark in marks}
    return {mark: getattr(config.decoder, mark) if token is None else token for mark, token in found.items()}
