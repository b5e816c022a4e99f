"""Checks a model's folder or Hub repository before the model is built or loaded.

What is unusual: the model of config.json is built on the meta device, without memory, and its tensors are compared with
the headers of the weight files. So a damaged file, or a configuration with ten million layers, is recognised at once,
and the error names what does not fit.
"""

from pathlib import Path
from typing import Any

import torch

from trocr_gsa.model.configuration_trocr_gsa import TrOCRGSAConfig
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.weight_files import (
    check_numbers,
    find_file,
    is_out_of_memory,
    read_json,
    read_shapes,
    weight_files,
)

CONFIG = "config.json"
OTHER_FILES = ("generation_config.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
# fields that make transformers load other files, formats or kernels from the Hub; a reader never has them
REFUSED = ("transformers_weights", "quantization_config", "attn_implementation", "_attn_implementation")
Shapes = dict[str, tuple[int, ...]]


def check_model_folder(source: str) -> None:
    """Check a model before it is loaded.

    Args:
        source: a folder or Hub id.

    Raises:
        ValueError: if it is not a reader, a file is missing or damaged, or the weights do not fit the configuration;
            file and tensor are named.
        OSError: if the Hub cannot be reached.
    """
    settings, path = _settings(source)
    others: dict[str, dict[str, Any]] = {}
    for name in OTHER_FILES:  # if one of them is damaged, transformers silently uses its own defaults
        if (other := find_file(source, name)) is not None:
            others[name] = read_json(other, "model")
    saved: Shapes = {}
    for file in weight_files(source, "model"):
        saved |= read_shapes(file, "model")
    check_numbers(settings, saved, path, "model")
    try:
        with torch.device("meta"):
            model: Any = TrOCRGSAModel(TrOCRGSAConfig.from_dict(dict(settings)))
    except Exception as error:  # the configurations of the parts raise errors of many types
        if is_out_of_memory(error):
            raise
        raise ValueError(f"`model`: {path} does not describe a reader: {error}") from error
    _compare(source, model, saved)
    for name, values in {CONFIG: settings, **others}.items():
        _check_tokens(f"{name} in {source}", values, model.decoder.config.vocab_size)


def _settings(source: str) -> tuple[dict[str, Any], Path]:
    """Return a reader's config.json, and its path."""
    path = find_file(source, CONFIG)
    if path is None:
        raise ValueError(f"`model`: no checkpoint could be loaded from {source}: it has no {CONFIG}.")
    settings = read_json(path, "model")
    kind = settings.get("model_type")
    if kind == "vision-encoder-decoder":
        raise ValueError(f"`model`: {source} is a stock TrOCR. Convert it first: trocr-gsa convert {source} OUT.")
    if kind != TrOCRGSAConfig.model_type:
        raise ValueError(f"`model`: {path} is of a model of type {kind!r}, expected {TrOCRGSAConfig.model_type!r}.")
    if odd := [key for key in _keys(settings) if key in REFUSED]:
        raise ValueError(f"`model`: {path} has `{odd[0]}`, which a reader does not need. Remove it.")
    return settings, path


def _keys(settings: dict[str, Any]) -> list[str]:
    """Return the keys whose values are not None, including those of nested configurations."""
    own = [key for key, value in settings.items() if value is not None]
    return own + [key for part in settings.values() if isinstance(part, dict) for key in _keys(part)]


def _check_tokens(where: str, settings: dict[str, Any], vocab_size: int) -> None:
    """Check that the special tokens are in the decoder's vocabulary."""
    for key, value in settings.items():
        if isinstance(value, dict):
            _check_tokens(where, value, vocab_size)
        elif key.endswith("_token_id") and value is not None:
            for token in value if isinstance(value, list) else [value]:
                if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < vocab_size:
                    raise ValueError(
                        f"`model`: `{key}` of {where} must be a whole number from 0 to {vocab_size - 1}, a token of "
                        f"the decoder, got {str(token)[:40]}."
                    )


def _compare(source: str, model: Any, saved: Shapes) -> None:
    """Check that the weights are those of the model; of tied tensors, one is enough."""
    wanted = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    tied = {name for pair in model.all_tied_weights_keys.items() for name in pair}
    missing = [name for name in wanted if name not in saved and name not in tied]
    wrong = [name for name in saved if saved[name] != wanted.get(name)]
    if missing or wrong:
        name = min([*missing, *wrong])
        found, expected = (str(shapes[name]) if name in shapes else "missing" for shapes in (saved, wanted))
        raise ValueError(
            f"`model`: the weights in {source} are not those of its config.json (group {model.encoder.config.group}): "
            f"{name} is {found} in the weights and {expected} in the configuration. Put the config.json beside the "
            "weights that they were saved with; a group cannot be changed after training."
        )
