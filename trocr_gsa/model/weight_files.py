"""Files of weights and settings that strangers may have made: looked at before they are loaded, refused in one line.

What is unusual: nothing is taken on trust. Weights come from safetensors alone, which cannot run code, and only from
the folder that was given; their headers are read first, and what is damaged is named with what to do about it.
"""

import json
import math
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
LARGEST_JSON = 50_000_000  # bytes; the index of a model of a thousand files has one
LARGEST_NUMBER = 65_536  # of a configuration, where no tensor has more rows: letters, positions, special tokens
FLOATS = ("F64", "F32", "F16", "BF16")
FETCH_AGAIN = "Copy or download it again."


def read_json(path: Path, field: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: of the file.
        field: what to call it in an error: the argument that the user gave.

    Raises:
        ValueError: if the file cannot be read, is too large, a Git LFS pointer, nested too deeply, no JSON, no object,
            or holds a number that is none.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"has more than {LARGEST_JSON // 10**6} MB")
        content = path.read_bytes()
        _refuse_pointer_in(content, path, field)
        values = json.loads(content, parse_constant=_no_number)
    except OSError as error:
        raise ValueError(f"`{field}`: {path} cannot be read: {error.strerror or error}.") from error
    except RecursionError as error:
        raise ValueError(f"`{field}`: {path} is nested too deeply for a file of settings. {FETCH_AGAIN}") from error
    except PointerError:
        raise
    except ValueError as error:
        raise ValueError(f"`{field}`: {path} is no valid JSON: {error}. {FETCH_AGAIN}") from error
    if not isinstance(values, dict):
        raise ValueError(f"`{field}`: {path} must hold a JSON object, got {_kind(values)}. {FETCH_AGAIN}")
    return values


class PointerError(ValueError):
    """A file's place, and not the file: nothing, or what Git LFS leaves there until the file itself is fetched."""


def find_file(source: str | Path, name: str) -> Path | None:
    """Return a file of a folder, or of a repository on the Hub, fetched if need be; None where it has none.

    Raises:
        OSError: if the Hub cannot be reached, or has no such repository.
    """
    if Path(source).is_dir():
        path = Path(source) / name
        return path if path.is_file() else None
    found = cached_file(str(source), name, _raise_exceptions_for_missing_entries=False)
    return None if found is None else Path(found)


def weight_files(source: str | Path, field: str) -> list[Path]:
    """Return the files of a model's weights: the one, or those that its index names, all in the same folder.

    Raises:
        ValueError: if there are none in safetensors, or the index names one that is missing, or not in the folder.
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
        raise ValueError(f"`{field}`: {index} must hold a `weight_map` of names of files. {FETCH_AGAIN}")
    paths = []
    for name in sorted(set(placed.values())):
        if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise ValueError(
                f"`{field}`: {index} names {name!r}, and only .safetensors files beside it are read. Put the file "
                "there, and name it so."
            )
        path = find_file(source, name)
        if path is None:
            raise ValueError(f"`{field}`: {index} names {name}, which is missing. {FETCH_AGAIN}")
        paths.append(path)
    return paths


def no_weights(source: str | Path, name: str, field: str) -> str:
    """Say that a folder has no weights that may be loaded."""
    folder = Path(source)
    pickles = sorted(path.name for kind in PICKLES for path in folder.glob(kind)) if folder.is_dir() else []
    if pickles:
        return (
            f"`{field}`: the only weights in {source} are pickled ({', '.join(pickles)}), and can run code where they "
            "are loaded. Load them where you trust them, and `save_pretrained` them as safetensors."
        )
    return f"`{field}`: {source} holds no weights ({name}). Give a folder that has them."


def read_shapes(path: Path, field: str, no_weights: Collection[str] = ()) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a file's tensors, from its header alone.

    Args:
        path: of the file.
        field: what to call it in an error.
        no_weights: parts of the names of tensors that are no weights, and may be of any type.

    Raises:
        ValueError: if the file is missing, empty, damaged, a Git LFS pointer, or holds numbers that are no floats.
    """
    try:
        refuse_pointer(path, field)
        shapes = {}
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():
                tensor = tensors.get_slice(name)
                if tensor.get_dtype() not in FLOATS and not any(part in name for part in no_weights):
                    raise ValueError(
                        f"`{field}`: {path} holds {name} as {tensor.get_dtype()}, expected one of {', '.join(FLOATS)}. "
                        "Save the weights as floating-point numbers."
                    )
                shapes[name] = tuple(tensor.get_shape())
    except OSError as error:
        raise ValueError(f"`{field}`: {path} cannot be read: {error.strerror or error}.") from error
    except SafetensorError as error:
        raise ValueError(f"`{field}`: {path} is damaged, or no safetensors file ({error}). {FETCH_AGAIN}") from error
    return shapes


def check_numbers(
    settings: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    path: Path,
    field: str,
    largest: int = LARGEST_NUMBER,
    passed_over: Collection[str] = (),
) -> None:
    """Refuse a configuration that asks for more than its weights can hold: building it could take days.

    Args:
        settings: what the file holds.
        shapes: of the tensors beside it, by name.
        path: of the file.
        field: what to call it in an error.
        largest: number that is right where no tensor has a longer side; there are never more layers than tensors.
        passed_over: parts of the names of numbers that no memory depends on.

    Raises:
        ValueError: if a number is larger, or infinite.
    """
    largest = max([largest, *(side for shape in shapes.values() for side in shape)])
    for key, value in _numbers(settings, ""):
        limit = len(shapes) if "layer" in key else largest
        is_count = isinstance(value, int) and not any(part in key.lower() for part in passed_over)
        if not math.isfinite(value) or (is_count and abs(value) > limit):
            raise ValueError(
                f"`{field}`: `{key}` in {path} must be at most {limit}, which is what the weights beside it allow, got "
                f"{str(value)[:20]}. {FETCH_AGAIN}"
            )


def refuse_not_finite(tensors: Iterable[tuple[str, Tensor]], source: str | Path, field: str) -> None:
    """Refuse weights with which nothing can be read.

    Raises:
        ValueError: if a number is NaN or infinite; the tensor is named.
    """
    for name, tensor in tensors:
        if not torch.isfinite(tensor).all():
            raise ValueError(
                f"`{field}`: {name} in {source} holds numbers that are not finite (NaN or infinity): the file is "
                "damaged, or its training failed. Take an earlier checkpoint."
            )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was too little memory, on a GPU or not: that is no damage of any file."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)  # torch's word on a CPU


@contextmanager
def told_in_one_line(source: str | Path, field: str) -> Iterator[None]:
    """Have transformers load something without questions, and say in one line what it raises.

    It asks on the screen whether to run code that comes with a model, and does not pass `trust_remote_code` down to
    every part. Here, what is left to its default is refused, by the time limit that it has for an answer. Too little
    memory is no damage, and stays the error that it is.

    Args:
        source: folder or Hub id.
        field: what to call it in an error: the argument that the user gave.

    Raises:
        ValueError: if it cannot be loaded, or needs code of its own and is not trusted.
    """
    limit = dynamic_module_utils.TIME_OUT_REMOTE_CODE
    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0
    try:
        yield
    except MemoryError:
        raise
    except OSError as error:
        raise ValueError(f"`{field}`: no checkpoint could be loaded from {source}: {error}") from error
    except Exception as error:  # damaged files make transformers raise anything
        if is_out_of_memory(error):
            raise
        if str(error).startswith("`") and str(source) in str(error):  # ours already
            raise
        if "trust_remote_code" in str(error) or "custom code" in str(error):
            raise ValueError(
                f"`trust_remote_code`: {source} holds Python code that loading it would run. Look at it; if you trust "
                "it, say so: --trust-remote-code, in Python trust_remote_code=True."
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
            f"`{field}`: {path} is a Git LFS pointer, not the file itself. Fetch that: git lfs pull, in its repository."
        )


def _numbers(value: Any, key: str) -> Iterator[tuple[str, int | float]]:
    """Yield every number of a configuration with the name nearest to it."""
    if isinstance(value, int | float):
        yield key, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _numbers(each, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from _numbers(each, key)


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number in JSON")


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")
