"""A model's folder or Hub repository, looked at before anything is built or loaded of it.

What is unusual: the model of config.json is laid out without memory, and its tensors are compared with those that the
headers of the weight files promise. So neither a damaged file nor a configuration of ten million layers costs more than
a moment, and what does not fit is named.
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
# what asks transformers for other files, other formats or kernels from the Hub; a reader's file never does
NOT_READ = ("transformers_weights", "quantization_config", "attn_implementation", "_attn_implementation")
Shapes = dict[str, tuple[int, ...]]


def check_model_folder(source: str) -> None:
    """Refuse a model that cannot be read with, before it is loaded.

    Args:
        source: a folder or Hub id.

    Raises:
        ValueError: if it is no reader's, a file is missing or damaged, or the weights are those of another
            configuration; file and tensor are named.
        OSError: if the Hub cannot be reached.
    """
    settings, path = _settings(source)
    others: dict[str, dict[str, Any]] = {}
    for name in OTHER_FILES:  # transformers goes on with its own defaults where one of them is damaged
        if (other := find_file(source, name)) is not None:
            others[name] = read_json(other, "model")
    saved: Shapes = {}
    for file in weight_files(source, "model"):
        saved |= read_shapes(file, "model")
    check_numbers(settings, saved, path, "model")
    try:
        with torch.device("meta"):
            model: Any = TrOCRGSAModel(TrOCRGSAConfig.from_dict(dict(settings)))
    except Exception as error:  # the parts' configurations raise errors of many kinds
        if is_out_of_memory(error):
            raise
        raise ValueError(f"`model`: {path} describes no reader: {error}") from error
    _compare(source, model, saved)
    for name, values in {CONFIG: settings, **others}.items():
        _check_tokens(f"{name} in {source}", values, model.decoder.config.vocab_size)


def _settings(source: str) -> tuple[dict[str, Any], Path]:
    """Return a reader's config.json, and where it is."""
    path = find_file(source, CONFIG)
    if path is None:
        raise ValueError(f"`model`: no checkpoint could be loaded from {source}: it has no {CONFIG}.")
    settings = read_json(path, "model")
    kind = settings.get("model_type")
    if kind == "vision-encoder-decoder":
        raise ValueError(f"`model`: {source} is a stock TrOCR. Convert it first: trocr-gsa convert {source} OUT.")
    if kind != TrOCRGSAConfig.model_type:
        raise ValueError(f"`model`: {path} is of a model of type {kind!r}, expected {TrOCRGSAConfig.model_type!r}.")
    if odd := [key for key in _keys(settings) if key in NOT_READ]:
        raise ValueError(f"`model`: {path} asks for `{odd[0]}`, which no reader needs. Remove it.")
    return settings, path


def _keys(settings: dict[str, Any]) -> list[str]:
    """Return the keys that say something, those of the parts included."""
    own = [key for key, value in settings.items() if value is not None]
    return own + [key for part in settings.values() if isinstance(part, dict) for key in _keys(part)]


def _check_tokens(where: str, settings: dict[str, Any], letters: int) -> None:
    """Refuse special tokens that the decoder has no letter for."""
    for key, value in settings.items():
        if isinstance(value, dict):
            _check_tokens(where, value, letters)
        elif key.endswith("_token_id") and value is not None:
            for token in value if isinstance(value, list) else [value]:
                if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < letters:
                    raise ValueError(
                        f"`model`: `{key}` of {where} must be a whole number from 0 to {letters - 1}, a letter of the "
                        f"decoder, got {str(token)[:40]}."
                    )


def _compare(source: str, model: Any, saved: Shapes) -> None:
    """Refuse weights that are not those of the model; of tensors that are tied one will do."""
    wanted = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    tied = {name for pair in model.all_tied_weights_keys.items() for name in pair}
    missing = [name for name in wanted if name not in saved and name not in tied]
    wrong = [name for name in saved if saved[name] != wanted.get(name)]
    if missing or wrong:
        name = min([*missing, *wrong])
        told = [str(shapes[name]) if name in shapes else "missing" for shapes in (saved, wanted)]
        raise ValueError(
            f"`model`: the weights in {source} are not those of its config.json (group {model.encoder.config.group}): "
            f"{name} is {told[0]} in the weights and {told[1]} in the configuration. Put the config.json beside them "
            "that they were saved with; a group cannot be changed after training."
        )
