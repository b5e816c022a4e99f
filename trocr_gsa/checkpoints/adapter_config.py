"""What an adapter's configuration asks for, looked at before PEFT does as it says.

What is unusual: PEFT believes its file. It would lay out any rank, import any module, and match any expression against
the names of the layers, for days if the expression is made for that. Here the numbers are held against the weights
beside the file, and an expression that is none of our own is matched by another process, which is given a few seconds;
PEFT gets the names that it found.
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

LARGEST_RANK = 16_384
LARGEST_NUMBER = 4096  # where no tensor is larger
COUNTED_OTHERWISE = ("seed", "key", "step", "tinit", "tfinal", "token")  # numbers that no memory depends on
REFUSED = ("layer_replication", "megatron_config")  # copies of layers; a module to import
SECONDS, MEMORY = 5, 2**30  # what matching all expressions of an adapter may take
LONGEST_EXPRESSION = 10_000
PLAIN = re.compile(r"(\w|\\?\.)+")  # an expression that is a name
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
        settings: what its file holds.
        path: of the file.
        shapes: of the adapter's weights, by name.

    Raises:
        ValueError: if it is of no kind that changes layers, a value is of another type, or a number is larger than the
            weights beside it can be of; the field is named.
    """
    from peft.config import PromptLearningConfig
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING as KINDS

    where = f"`adapter`: {path}"
    name = settings.get("peft_type")
    kind = KINDS.get(name) if isinstance(name, str) else None  # pyright: ignore[reportArgumentType]
    if kind is None or issubclass(kind, PromptLearningConfig) or "target_modules" not in _names(kind):
        raise ValueError(f"{where} must name a `peft_type` that changes layers, such as LORA, got {name!r}.")
    settings = {key: value for key, value in settings.items() if key != "runtime_config"}  # PEFT takes none from a file
    check_types(kind, settings, path, "adapter")
    for key in REFUSED:
        if settings.get(key):
            raise ValueError(f"{where} asks for `{key}`, which no adapter of a reader needs. Remove it.")
    _check_ranks(settings, where, shapes)
    check_numbers(settings, shapes, path, "adapter", LARGEST_NUMBER, COUNTED_OTHERWISE)
    try:
        return kind.from_peft_type(**settings)
    except Exception as error:  # each kind has its own ways to refuse what contradicts itself
        if is_out_of_memory(error):
            raise
        raise ValueError(f"{where} cannot be understood: {error}") from error


def confined(config: Any, path: str, names: Sequence[str]) -> Any:
    """Return a configuration whose expressions are replaced by the names of layers that they mean.

    Args:
        config: PEFT's; it is left as it is.
        path: of its file, for errors.
        names: of all modules of the model.

    Raises:
        ValueError: if an expression is none, or takes too long; the field is named.
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
    patterns = wanted + [(field, rf"(.*\.)?({key})") for field, key in keys]  # as PEFT reads these keys
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
    most = min(LARGEST_RANK, max([1, *(side for shape in shapes.values() for side in shape)]))
    patterns = settings.get("rank_pattern") or {}
    ranks = [(key, settings[key]) for key in ("r", "init_r", "target_r", "rank") if settings.get(key) is not None]
    for key, rank in [*ranks, *(("rank_pattern", rank) for rank in patterns.values())]:
        if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= most:
            raise ValueError(
                f"{where}: `{key}` must be a whole number from 1 to {most}, as the weights beside it have it, got "
                f"{str(rank)[:20]}. {FETCH_AGAIN}"
            )


def _matching(patterns: Sequence[tuple[str, str]], path: str, names: Sequence[str]) -> list[list[str]]:
    """Return the names that each expression matches whole."""
    fields_named = ", ".join(sorted({f"`{field}`" for field, _ in patterns}))
    where = f"`adapter`: {fields_named} in {path}"
    if sum(len(pattern) for _, pattern in patterns) > LONGEST_EXPRESSION:
        raise ValueError(f"{where}: more than {LONGEST_EXPRESSION} letters. Give the names of the layers as a list.")
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
        raise ValueError(f"{where}: no usable regular expression ({reason}). Give the names of the layers as a list.")
    return json.loads(run.stdout)
