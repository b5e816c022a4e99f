"""Refusing impossible settings before anything is loaded, each with one sentence that names the field."""

import math
import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrOCRConfig

from trocr_gsa.model.configuration_gsa_net import GSANetConfig
from trocr_gsa.train.parsing import refuse_unknown
from trocr_gsa.train.size import check_counts

if TYPE_CHECKING:
    from trocr_gsa.train.arguments import TrainingArguments


def check_arguments(arguments: "TrainingArguments") -> None:
    """Raise ValueError for the first impossible value or combination."""
    _check_bounds(arguments)
    _check_sources(arguments)
    _check_schedule(arguments)
    _check_device(arguments)
    _check_new_model(arguments)


def split_source(source: str) -> tuple[str, float | None]:
    """Split `path:weight` into path and weight; without a weight, or where a folder is called so, it is None.

    Raises:
        ValueError: if the weight is not positive.
    """
    if os.path.exists(source):  # a folder may be called 12:30
        return source, None
    path, _, word = source.rpartition(":")
    try:
        weight = float(word)
    except ValueError:
        return source, None
    if not path:
        return source, None
    if not 0 < weight < float("inf"):
        raise ValueError(f"`train`: the weight of {path} must be positive, got {word}.")
    return path, weight


def _check_bounds(arguments: "TrainingArguments") -> None:
    for spec in fields(arguments):
        value = getattr(arguments, spec.name)
        low, high = spec.metadata.get("low"), spec.metadata.get("high")
        if value is None or not isinstance(value, (int, float)):
            continue
        if not math.isfinite(value):
            raise ValueError(f"`{spec.name}` must be a finite number, got {value}.")
        if low is not None and not value >= low:
            raise ValueError(f"`{spec.name}` must be at least {low}, got {value}.")
        if high is not None and not value <= high:
            raise ValueError(f"`{spec.name}` must be at most {high}, got {value}.")


def _check_sources(arguments: "TrainingArguments") -> None:
    if not arguments.train:
        raise ValueError("`train` must name at least one source of lines, such as train=my_lines/.")
    for source in [*arguments.train, *arguments.validation]:
        split_source(source)
    if arguments.patience is not None and not arguments.validation:
        raise ValueError("`patience` needs lines to validate on: set `validation`, or leave `patience` out.")
    if not all(map(math.isfinite, arguments.angles)):
        raise ValueError(f"`angles` must be finite numbers, in degrees, got {arguments.angles}.")
    if arguments.validation and not arguments.angles:
        raise ValueError("`angles` must name at least one angle in degrees, such as angles=[0].")


def _check_schedule(arguments: "TrainingArguments") -> None:
    if arguments.max_steps is None and arguments.max_minutes is None:
        raise ValueError("`max_steps` or `max_minutes` must be set: one of them ends the run.")
    if arguments.ema == 1 or arguments.adam_beta2 == 1:
        name = "ema" if arguments.ema == 1 else "adam_beta2"
        raise ValueError(f"`{name}` must be below 1, got 1: the average would never move.")


def _check_device(arguments: "TrainingArguments") -> None:
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("`device` is cuda, but torch sees no CUDA device here. Use device=cpu or device=auto.")


def _check_new_model(arguments: "TrainingArguments") -> None:
    if not arguments.architecture:
        if arguments.warm_start:
            raise ValueError("`warm_start` needs a new model: give `encoder_*` keys, or start from `model`.")
        if arguments.pretrained_decoder is not None:
            raise ValueError(
                f"`pretrained_decoder` = {arguments.pretrained_decoder} needs a new encoder: give `encoder_*` "
                "keys, or take the whole model over with `trocr-gsa convert`."
            )
        return
    fixed = [key for key in arguments.architecture if key.startswith("decoder_")]
    if arguments.pretrained_decoder is not None and fixed:
        raise ValueError(
            f"`pretrained_decoder` = {arguments.pretrained_decoder} already fixes `{fixed[0]}`: give one or the other."
        )
    if arguments.model is not None:
        key = next(iter(arguments.architecture))
        raise ValueError(f"`model` = {arguments.model} already fixes `{key}`: give one or the other.")
    if arguments.targets == "behind_pose":
        raise ValueError("`targets` cannot be behind_pose for a new model: its first layers would stay random.")
    if arguments.method != "full":
        raise ValueError("`method` must be full for a new model: an adapter needs trained weights beneath it.")
    refuse_unknown(arguments.architecture, architecture_keys())
    check_counts(arguments.architecture)


def architecture_keys() -> set[str]:
    """Return the keys that describe a new model: every setting of the encoder and the decoder, prefixed once."""
    encoder = {f"encoder_{spec.name}" for spec in fields(GSANetConfig)}
    decoder = {f"decoder_{spec.name.removeprefix('decoder_')}" for spec in fields(TrOCRConfig)}
    return encoder | decoder


def split_architecture(architecture: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of the encoder and those of the decoder, named as their configurations name them."""
    encoder = {key.removeprefix("encoder_"): value for key, value in architecture.items() if key.startswith("encoder_")}
    named_with_prefix = {spec.name for spec in fields(TrOCRConfig) if spec.name.startswith("decoder_")}
    decoder = {
        key if key in named_with_prefix else key.removeprefix("decoder_"): value
        for key, value in architecture.items()
        if key.startswith("decoder_")
    }
    return encoder, decoder
