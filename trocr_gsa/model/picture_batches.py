"""Parts shared by both image processors: lists of images, settings for one call, and the type of the output."""

from inspect import signature
from typing import Any, TypeVar

import numpy as np
from torch import Tensor
from transformers import BatchFeature

Processor = TypeVar("Processor")


def as_list(images: Any) -> list[Any]:
    """Return one or many images as a list; an array or tensor of four dimensions is a batch.

    Raises:
        ValueError: if there are no images.
    """
    is_many = isinstance(images, list | tuple) or getattr(images, "ndim", 0) == 4
    pictures = list(images) if is_many else [images]
    if not pictures:
        raise ValueError("`images` must hold at least one image, got none.")
    return pictures


def setting_names(kind: type) -> list[str]:
    """Return the names of a processor class's settings."""
    return [name for name in signature(kind).parameters if name != "kwargs"]


def with_settings(processor: Processor, settings: dict[str, Any]) -> Processor:
    """Return a copy of a processor with other settings, for one call.

    Raises:
        TypeError: if it has no such setting.
        ValueError: if a setting is out of range.
    """
    kind = type(processor)
    own = {name: getattr(processor, name) for name in setting_names(kind)}
    for name in settings:
        if name not in own:
            raise TypeError(f"{kind.__name__} has no setting {name!r}. It has {', '.join(own)}.")
    return kind(**own | settings)


def as_batch(tensors: dict[str, Tensor], return_tensors: str | None) -> BatchFeature:
    """Return a batch as "pt" (PyTorch tensors), "np" (NumPy arrays), or None (lists with one array per image)."""
    if return_tensors == "pt":
        return BatchFeature(data=dict(tensors), tensor_type="pt")
    arrays: dict[str, np.ndarray] = {name: tensor.numpy() for name, tensor in tensors.items()}
    if return_tensors is None:
        return BatchFeature(data={name: list(array) for name, array in arrays.items()})
    return BatchFeature(data=arrays, tensor_type=return_tensors)
