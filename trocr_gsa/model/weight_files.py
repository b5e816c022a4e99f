"""Checks of weight and configuration files before they are loaded, with one-line errors.

What is unusual: files may come from strangers, and nothing in them is trusted. Weights are read only from safetensors,
which cannot run code, and only from the given folder. Their headers are read first, and an error names the damaged file
and says what to do.
"""

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import dynamic_module_utils
from transformers.utils.hub import cached_file

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
POINTER = b"version https://git-lfs"
MAX_JSON_BYTES = 50_000_000  # the index of a model with a thousand files has about one million
MAX_NUMBER = 65_536  # in a configuration if no tensor has more rows, for vocabulary sizes, positions and token ids
FLOATS = ("F64", "F32", "F16", "BF16")
FETCH_AGAIN = "Copy or download it again."


def read_json(path: Path, field: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: path of the file.
        field: name of the user's argument, for error messages.

    Raises:
        ValueError: if the file cannot be read, is too large, a Git LFS pointer, nested too deeply, not valid JSON, not
            a JSON object, or contains NaN or infinity.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ValueError(f"it has more than {MAX_JSON_BYTES // 10**6} MB")
        content = path.read_bytes()
        _refuse_pointer_in(content, path, field)
        values = json.loads(content, parse_constant=_refuse_constant)
    except OSError as error:
        raise ValueError(f"`{field}`: {path} cannot be read: {error.strerror or error}.") from error
    except RecursionError as error:
        raise ValueError(f"`{field}`: {path} is nested too deeply for a file of settings. {FETCH_AGAIN}") from error
    except PointerError:
        raise
    except ValueError as error:
        raise ValueError(f"`{field}`: {path} is not valid JSON: {error}. {FETCH_AGAIN}") from error
    if not isinstance(values, dict):
        raise ValueError(f"`{field}`: {path} must hold a JSON object, got {_kind(values)}. {FETCH_AGAIN}")
    return values


class PointerError(ValueError):
    """A file that is empty, or a Git LFS pointer in place of the real file."""


def find_file(source: str | Path, name: str) -> Path | None:
    """Return the path of a file in a folder or in a Hub repository, downloaded if needed; None if it does not exist.

    Raises:
        OSError: if the Hub cannot be reached, or has no such repository.
    """
    if Path(source).is_dir():
        path = Path(source) / name
        return path if path.is_file() else None
    found = cached_file(str(source), name, _raise_exceptions_for_missing_entries=False)
    return None if found is None else Path(found)


def weight_files(source: str | Path, field: str) -> list[Path]:
    """Return the paths of a model's weights: the single file, or the files in its index, all in the same folder.

    Raises:
        ValueError: if there are no safetensors files, or the index names one that is missing or in another folder.
        OSError: as for `find_file`.
    """
    whole = find_file(source, WEIGHTS)
    if whole is not None:
        return [whole]
    index = find_file(source, INDEX)
    if index is None:
        raise ValueError(no_weights(source, WEIGHTS, field))
    placed = read_json(index, field).get("weight_map")
    if not isinstance(placed, dict) or not placed or not all(isinstance(name, str) for name in placed.values()):
        raise ValueError(f"`{field}`: {index} must have a `weight_map` with file names. {FETCH_AGAIN}")
    paths = []
    for name in sorted(set(placed.values())):
        if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise ValueError(
                f"`{field}`: {index} names {name!r}, but only .safetensors files beside it are read. Put the file "
                "there, with a name of this type."
            )
        path = find_file(source, name)
        if path is None:
            raise ValueError(f"`{field}`: {index} names {name}, which is missing. {FETCH_AGAIN}")
        paths.append(path)
    return paths


def no_weights(source: str | Path, name: str, field: str) -> str:
    """Return the error message for a folder without safetensors weights."""
    folder = Path(source)
    pickles = sorted(path.name for kind in PICKLES for path in folder.glob(kind)) if folder.is_dir() else []
    if pickles:
        return (
            f"`{field}`: the only weights in {source} are pickled ({', '.join(pickles)}), which can run code when they "
            "are loaded. If you trust them, load them yourself and save them as safetensors with `save_pretrained`."
        )
    return f"`{field}`: {source} has no weights ({name}). Give a folder that has them."


def read_shapes(path: Path, field: str, no_weights: Collection[str] = ()) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a file's tensors, reading only its header.

    Args:
        path: path of the file.
        field: name of the user's argument, for error messages.
        no_weights: parts of the names of tensors that are not weights and may have any type.

    Raises:
        ValueError: if the file is missing, empty, damaged, a Git LFS pointer, or has weights that are not floats.
    """
    try:
        refuse_pointer(path, field)
        shapes = {}
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():
                tensor = tensors.get_slice(name)
                if tensor.get_dtype() not in FLOATS and not any(part in name for part in no_weights):
                    raise ValueError(
                        f"`{field}`: {path} has {name} as {tensor.get_dtype()}, expected one of {', '.join(FLOATS)}. "
                        "Save the weights as floating-point numbers."
                    )
                shapes[name] = tuple(tensor.get_shape())
    except OSError as error:
        raise ValueError(f"`{field}`: {path} cannot be read: {error.strerror or error}.") from error
    except SafetensorError as error:
        raise ValueError(f"`{field}`: {path} is damaged, or not a safetensors file ({error}). {FETCH_AGAIN}") from error
    return shapes


def check_numbers(
    settings: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    path: Path,
    field: str,
    largest: int = MAX_NUMBER,
    ignored: Collection[str] = (),
) -> None:
    """Check that the numbers of a configuration fit the weights beside it; a huge model could take days to build.

    Args:
        settings: content of the configuration file.
        shapes: shapes of the tensors beside it, by name.
        path: path of the configuration file.
        field: name of the user's argument, for error messages.
        largest: largest allowed number, unless a tensor has a longer side. The limit for numbers of layers is the
            number of tensors.
        ignored: parts of the names of numbers that do not affect memory.

    Raises:
        ValueError: if a number is too large, or not finite.
    """
    largest = max([largest, *(side for shape in shapes.values() for side in shape)])
    for key, value in _numbers(settings, ""):
        limit = len(shapes) if "layer" in key else largest
        is_count = isinstance(value, int) and not any(part in key.lower() for part in ignored)
        if not abs(value) <= sys.float_info.max or (is_count and abs(value) > limit):  # also NaN
            raise ValueError(
                f"`{field}`: `{key}` in {path} must be at most {limit} to fit the weights beside it, got "
                f"{str(value)[:20]}. {FETCH_AGAIN}"
            )


def refuse_not_finite(tensors: Iterable[tuple[str, Tensor]], source: str | Path, field: str) -> None:
    """Check that all weights are finite.

    Raises:
        ValueError: if a number is NaN or infinite; the tensor is named.
    """
    for name, tensor in tensors:
        if not torch.isfinite(tensor).all():
            raise ValueError(
                f"`{field}`: {name} in {source} has numbers that are not finite (NaN or infinity): the file is "
                "damaged, or its training failed. Take an earlier checkpoint."
            )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error means too little memory on CPU or GPU, and not a damaged file."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)  # torch's message on a CPU


@contextmanager
def one_line_errors(source: str | Path, field: str) -> Iterator[None]:
    """Context manager for loading with transformers: no prompts, and one-line errors.

    transformers asks on the terminal whether to run code that comes with a model, and does not pass
    `trust_remote_code` to every part of a model. Here the prompt is answered with no, by setting its time limit to 0.
    Errors about memory are passed on unchanged, because they do not mean that a file is damaged.

    Args:
        source: folder or Hub id.
        field: name of the user's argument, for error messages.

    Raises:
        ValueError: if the model cannot be loaded, or needs its own code and is not trusted.
    """
    limit = dynamic_module_utils.TIME_OUT_REMOTE_CODE
    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0
    try:
        yield
    except MemoryError:
        raise
    except OSError as error:
        raise ValueError(f"`{field}`: no checkpoint could be loaded from {source}: {error}") from error
    except Exception as error:  # damaged files make transformers raise errors of all types
        if is_out_of_memory(error):
            raise
        if str(error).startswith("`") and str(source) in str(error):  # already one of our messages
            raise
        if "trust_remote_code" in str(error) or "custom code" in str(error):
            raise ValueError(
                f"`trust_remote_code`: {source} contains Python code that would run when it is loaded. Read the code. "
                "If you trust it, use --trust-remote-code, or trust_remote_code=True in Python."
            ) from error
        kind = type(error).__name__
        raise ValueError(f"`{field}`: {source} cannot be loaded ({kind}): {error} {FETCH_AGAIN}") from error
    finally:
        dynamic_module_utils.TIME_OUT_REMOTE_CODE = limit


def refuse_pointer(path: Path, field: str) -> None:
    """Refuse a file that is empty or a Git LFS pointer.

    Raises:
        PointerError: if it is.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(len(POINTER))
    if not start:
        raise PointerError(f"`{field}`: {path} is empty (0 bytes). {FETCH_AGAIN}")
    _refuse_pointer_in(start, path, field)


def _refuse_pointer_in(start: bytes, path: Path, field: str) -> None:
    if start.startswith(POINTER):
        raise PointerError(
            f"`{field}`: {path} is a Git LFS pointer, not the file itself. Run git lfs pull in its repository."
        )


def _numbers(value: Any, key: str) -> Iterator[tuple[str, int | float]]:
    """Yield every number of a configuration with the innermost key above it."""
    if isinstance(value, int | float):
        yield key, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _numbers(each, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from _numbers(each, key)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not allowed in JSON")


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")
