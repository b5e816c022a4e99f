"""Checks the configuration of an adapter before PEFT uses it.

What is unusual: PEFT trusts the file. It would allocate any rank, import any module, and match any regular expression
against the names of the layers, which could take days. Here the numbers are compared with the weights beside the file.
A regular expression that is not one of our own is matched in another process, with a limit of a few seconds, and PEFT
gets the names that were found.
"""

from __future__ import annotations

import copy
import json
import logging
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trocr_gsa.model.weight_files import FETCH_AGAIN, check_numbers, is_out_of_memory

from .lora_targets import is_preset
from .typed_fields import check_types

if TYPE_CHECKING:
    from peft import PeftConfig

logger = logging.getLogger(__name__)

MAX_RANK = 16_384
MAX_NUMBER = 4096  # unless a tensor is larger
NOT_SIZES = ("seed", "key", "step", "tinit", "tfinal", "token")  # parts of the names of numbers that are not sizes
REFUSED = ("layer_replication", "megatron_config", "alora_invocation_tokens")  # copy layers, import, wait for a token
UNUSED = ("runtime_config", "eva_config", "corda_config", "lora_ga_config")  # say how a training begins
CORRECT = "Correct it, or fetch the file again."
MAX_SHOWN = 200  # characters of a wrong value in a message
SECONDS, MEMORY = 5, 2**30  # limits for matching all regular expressions of an adapter
MAX_EXPRESSION = 10_000  # characters of all regular expressions together
PLAIN = re.compile(r"(\w|\\?\.)+")  # a regular expression that is just a name
MATCH = """
import json, re, sys
patterns, names, memory = json.load(sys.stdin)
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
except ImportError:
    pass
json.dump([[name for name in names if re.fullmatch(pattern, name)] for pattern in patterns], sys.stdout)
"""


def checked_config(settings: dict[str, Any], path: Path, shapes: Mapping[str, tuple[int, ...]]) -> PeftConfig:
    """Return PEFT's configuration of an adapter.

    Args:
        settings: content of its file.
        path: path of the file.
        shapes: shapes of the adapter's weights, by name.

    Raises:
        ValueError: if this kind of adapter does not change layers, a value has another type or is out of range, or a
            number is too large for the weights beside it; the field is named.
    """
    from peft.config import PromptLearningConfig
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING as KINDS

    where = f"`adapter`: {path}"
    name = settings.get("peft_type")
    kind = KINDS.get(name) if isinstance(name, str) else None  # pyright: ignore[reportArgumentType]
    if kind is None or issubclass(kind, PromptLearningConfig) or "target_modules" not in _names(kind):
        raise ValueError(f"{where} must name a `peft_type` that changes layers, such as LORA, got {name!r}.")
    settings = _without_unknown(settings, _names(kind), where)
    check_types(kind, settings, path, "adapter")
    settings = {key: value for key, value in settings.items() if value is not None or key not in _filled(kind)}
    for key in REFUSED:
        if settings.get(key):
            raise ValueError(f"{where} has `{key}`, which an adapter of a reader does not need. Remove it.")
    has_targets = settings.get("target_modules") or settings.get("target_parameters")
    if not has_targets and "token_indices" not in _names(kind):  # such a kind finds the layer of the tokens itself
        raise ValueError(
            f"{where}: `target_modules` must name the layers that the adapter changes, got "
            f"{json.dumps(settings.get('target_modules'), allow_nan=False)}. {CORRECT}"
        )
    _check_ranks(settings, where, shapes)
    _check_numbers_of_updates(settings, where)
    check_numbers(settings, shapes, path, "adapter", MAX_NUMBER, NOT_SIZES)
    try:
        config = kind.from_peft_type(**settings)
    except Exception as error:  # each kind of adapter raises its own errors for contradictions
        if is_out_of_memory(error):
            raise
        raise ValueError(f"{where} is not valid: {error}") from error
    _check_ranks_of_weights(config, where, shapes)
    return config


def confined(config: Any, path: str, names: Sequence[str]) -> Any:
    """Return a copy of a configuration in which regular expressions are replaced by the names of the layers.

    Args:
        config: PEFT's configuration; it is not changed.
        path: path of its file, for errors.
        names: names of all modules of the model.

    Raises:
        ValueError: if a regular expression is not valid, or takes too long; the field is named.
    """
    wanted = [
        (field, value)
        for field in ("target_modules", "exclude_modules")
        if isinstance(value := getattr(config, field, None), str) and value != "all-linear" and not is_preset(value)
    ]
    keys = [
        (field, key)
        for field in ("rank_pattern", "alpha_pattern")
        for key in getattr(config, field, None) or {}
        if not PLAIN.fullmatch(key)
    ]
    layers = getattr(config, "layers_pattern", None) or ()
    for word in [layers] if isinstance(layers, str) else layers:
        if not PLAIN.fullmatch(word):
            raise ValueError(f"`adapter`: `layers_pattern` in {path} must name a list of layers, got {word!r}.")
    if not wanted and not keys:
        _check_targets(config, path, names)
        return config
    patterns = wanted + [(field, rf"(.*\.)?({key})") for field, key in keys]  # as PEFT interprets these keys
    found = _matching(patterns, path, names)
    config = copy.copy(config)
    for (field, pattern), matched in zip(wanted, found, strict=False):
        if field == "target_modules" and not matched:
            raise _no_layer(pattern, path)
        setattr(config, field, set(matched))
    for (field, key), matched in zip(keys, found[len(wanted) :], strict=True):
        values = dict(getattr(config, field))
        value = values.pop(key)
        setattr(config, field, values | {re.escape(name): value for name in matched})
    _check_targets(config, path, names)
    return config


def _names(kind: Any) -> set[str]:
    return {spec.name for spec in fields(kind)}


def _filled(kind: Any) -> set[str]:
    """Return the fields that are empty dictionaries or lists by default, for which PEFT does not expect null."""
    return {spec.name for spec in fields(kind) if spec.default_factory is not MISSING}


def _without_unknown(settings: dict[str, Any], known: set[str], where: str) -> dict[str, Any]:
    """Return the settings that PEFT knows and that matter for reading; name unknown ones, unless they are off."""
    unknown = sorted(key for key, value in settings.items() if key not in known | {*UNUSED} and value)
    if unknown:
        logger.warning(
            "%s: PEFT %s does not know %s and ignores it. If the adapter reads badly, install a newer PEFT.",
            where,
            version("peft"),
            ", ".join(f"`{key[:60]}`" for key in unknown),
        )
    return {key: value for key, value in settings.items() if key in known and key not in UNUSED}


def _check_numbers_of_updates(settings: dict[str, Any], where: str) -> None:
    """Check scales, by which PEFT multiplies the update of a layer, and probabilities."""
    scales = [(key, settings[key]) for key in ("lora_alpha", "alpha") if settings.get(key) is not None]
    scales += [("alpha_pattern", scale) for scale in settings.get("alpha_pattern", {}).values()]
    for key, scale in scales:
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not scale:
            raise ValueError(f"{where}: `{key}` must be a number other than 0, got {repr(scale)[:40]}. {CORRECT}")
    for key, value in settings.items():
        if key.endswith("dropout") and isinstance(value, int | float) and not 0 <= value <= 1:
            raise ValueError(f"{where}: `{key}` must lie in 0 … 1, got {str(value)[:40]}. {CORRECT}")


def _check_ranks_of_weights(config: Any, where: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check that the weights of a LoRA adapter have the ranks that its configuration gives."""
    from peft import LoraConfig

    if not isinstance(config, LoraConfig) or config.use_bdlora:
        return
    named = {config.r, *(config.rank_pattern or {}).values()}
    for name, shape in shapes.items():
        if name.endswith(".lora_A.weight") and shape and shape[0] not in named:
            raise ValueError(
                f"{where}: `r` = {config.r} and `rank_pattern` do not fit the weights beside it: {name} has rank "
                f"{shape[0]}. {CORRECT}"
            )


def _check_targets(config: Any, path: str, names: Sequence[str]) -> None:
    """Check that at least one layer has one of the names in `target_modules`, if it has names."""
    wanted = config.target_modules
    if not wanted or wanted == "all-linear":
        return
    if isinstance(wanted, str):
        found = any(re.fullmatch(wanted, name) for name in names)  # one of our own, which are fast
    else:
        ends = tuple(f".{each}" for each in wanted)
        found = any(f".{name}".endswith(ends) for name in names)
    if not found:
        raise _no_layer(wanted if isinstance(wanted, str) else sorted(wanted), path)


def _no_layer(wanted: str | list[str], path: str) -> ValueError:
    return ValueError(
        f"`adapter`: `target_modules` in {path} names no layer of the model: {repr(wanted)[:MAX_SHOWN]}. Load the "
        "adapter with the model it was trained on, or correct the names."
    )


def _check_ranks(settings: dict[str, Any], where: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    most = min(MAX_RANK, max([1, *(side for shape in shapes.values() for side in shape)]))
    patterns = settings.get("rank_pattern", {})
    ranks = [(key, settings[key]) for key in ("r", "init_r", "target_r", "rank") if settings.get(key) is not None]
    for key, rank in [*ranks, *(("rank_pattern", rank) for rank in patterns.values())]:
        if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= most:
            raise ValueError(
                f"{where}: `{key}` must be a whole number from 1 to {most} to fit the weights beside it, got "
                f"{str(rank)[:20]}. {FETCH_AGAIN}"
            )


def _matching(patterns: Sequence[tuple[str, str]], path: str, names: Sequence[str]) -> list[list[str]]:
    """Return the names that each regular expression matches completely."""
    fields_named = ", ".join(sorted({f"`{field}`" for field, _ in patterns}))
    where = f"`adapter`: {fields_named} in {path}"
    if sum(len(pattern) for _, pattern in patterns) > MAX_EXPRESSION:
        raise ValueError(f"{where}: more than {MAX_EXPRESSION} characters. Give the names of the layers as a list.")
    question = json.dumps([[pattern for _, pattern in patterns], list(names), MEMORY], allow_nan=False)
    try:
        run = subprocess.run(
            [sys.executable, "-I", "-S", "-c", MATCH], input=question, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"{where}: matching the names of the layers takes more than {SECONDS} seconds. Give them as a list."
        ) from None
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or ["it needs too much memory"])[-1]
        raise ValueError(f"{where}: not a usable regular expression ({reason}). Give the layers' names as a list.")
    return json.loads(run.stdout)
