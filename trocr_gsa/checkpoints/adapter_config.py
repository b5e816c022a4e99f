"""Checks the configuration of an adapter before PEFT uses it.

What is unusual: PEFT trusts the file. It would allocate any rank, import any module, and match any regular expression
against the names of the layers, which could take days. Here the numbers are compared with the weights beside the file.
A regular expression that is not one of our own is matched in another process, with a limit of a few seconds, and PEFT
gets the names that were found.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trocr_gsa.model.weight_files import FETCH_AGAIN, check_numbers, is_out_of_memory

from .lora_targets import is_preset
from .typed_fields import check_types

if TYPE_CHECKING:
    from peft import PeftConfig

MAX_RANK = 16_384
MAX_NUMBER = 4096  # unless a tensor is larger
NOT_SIZES = ("seed", "key", "step", "tinit", "tfinal", "token")  # parts of the names of numbers that are not sizes
REFUSED = ("layer_replication", "megatron_config")  # they copy layers, or import a module
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
        ValueError: if this kind of adapter does not change layers, a value has another type, or a number is too large
            for the weights beside it; the field is named.
    """
    from peft.config import PromptLearningConfig
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING as KINDS

    where = f"`adapter`: {path}"
    name = settings.get("peft_type")
    kind = KINDS.get(name) if isinstance(name, str) else None  # pyright: ignore[reportArgumentType]
    if kind is None or issubclass(kind, PromptLearningConfig) or "target_modules" not in _names(kind):
        raise ValueError(f"{where} must name a `peft_type` that changes layers, such as LORA, got {name!r}.")
    settings = {key: value for key, value in settings.items() if key != "runtime_config"}  # never read from a file
    check_types(kind, settings, path, "adapter")
    for key in REFUSED:
        if settings.get(key):
            raise ValueError(f"{where} has `{key}`, which an adapter of a reader does not need. Remove it.")
    _check_ranks(settings, where, shapes)
    check_numbers(settings, shapes, path, "adapter", MAX_NUMBER, NOT_SIZES)
    try:
        return kind.from_peft_type(**settings)
    except Exception as error:  # each kind of adapter raises its own errors for contradictions
        if is_out_of_memory(error):
            raise
        raise ValueError(f"{where} is not valid: {error}") from error


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
        return config
    patterns = wanted + [(field, rf"(.*\.)?({key})") for field, key in keys]  # as PEFT interprets these keys
    found = _matching(patterns, path, names)
    config = copy.copy(config)
    for (field, _), matched in zip(wanted, found, strict=False):
        setattr(config, field, set(matched) or {"no layer of this model"})
    for (field, key), matched in zip(keys, found[len(wanted) :], strict=True):
        values = dict(getattr(config, field))
        value = values.pop(key)
        setattr(config, field, values | {re.escape(name): value for name in matched})
    return config


def _names(kind: Any) -> set[str]:
    return {spec.name for spec in fields(kind)}


def _check_ranks(settings: dict[str, Any], where: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    most = min(MAX_RANK, max([1, *(side for shape in shapes.values() for side in shape)]))
    patterns = settings.get("rank_pattern") or {}
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
