"""Checks of the tensors that the models are given.

What is unusual: shapes are always checked, but values only where reading them is cheap. On a GPU it would wait for all
work before, and a compiled or exported graph cannot depend on them.
"""

import torch
from torch import Tensor

from .groups import PointGroup


def is_readable(tensor: Tensor) -> bool:
    """Whether a check may read the values of a tensor."""
    is_recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    return tensor.device.type == "cpu" and not is_recorded


def check_pose_labels(labels: Tensor, batch: int, group: PointGroup) -> None:
    """Refuse labels that are not one element of the group for each image.

    Raises:
        ValueError: if `labels` has another shape, or is out of range.
    """
    if labels.shape != (batch,) or labels.dtype not in (torch.long, torch.int):
        raise ValueError(
            f"`pose_labels` must be ({batch},) long, one element of {group.name} for each image, got "
            f"{tuple(labels.shape)} of {labels.dtype}."
        )
    if is_readable(labels) and bool(((labels < 0) | (labels >= group.order)).any()):
        raise ValueError(
            f"`pose_labels` must be elements of {group.name}, in 0 … {group.order - 1}, got {labels.tolist()}."
        )


def check_spatial_shapes(shapes: Tensor, mask: Tensor | None, batch: int, length: int) -> None:
    """Refuse rows and columns that contradict a set of patches.

    Args:
        shapes: (batch, 2), rows and columns of each image.
        mask: (batch, patch) bool, False at padding; None: derived from the shapes.
        batch: number of images.
        length: number of patches of each image, with its padding.

    Raises:
        ValueError: if `shapes` or `mask` has another shape, or an image has no patches, more than there are, or some
            past its last row that are not padding.
    """
    if shapes.shape != (batch, 2):
        raise ValueError(f"`spatial_shapes` must be ({batch}, 2), rows and columns, got {tuple(shapes.shape)}.")
    if mask is not None and mask.shape != (batch, length):
        raise ValueError(f"`pixel_attention_mask` must be ({batch}, {length}), got {tuple(mask.shape)}.")
    if not is_readable(shapes):
        return
    counts = shapes.prod(-1)
    if bool((shapes < 1).any()) or bool((counts > length).any()):
        raise ValueError(
            f"`spatial_shapes` must be at least 1 row and 1 column of patches, and at most {length} patches as in "
            f"`pixel_values`, got {shapes.tolist()}."
        )
    if mask is not None and is_readable(mask):
        past = (torch.arange(length, device=mask.device)[None] >= counts[:, None]) & mask
        if bool(past.any()):
            line = int(past.any(-1).nonzero()[0])
            raise ValueError(
                f"`spatial_shapes` must cover all patches that are not padding by `pixel_attention_mask`: image {line} "
                f"has {int(mask[line].sum())}, got {shapes[line].tolist()}."
            )


def check_prior(bias: Tensor | None, pose_labels: Tensor) -> None:
    """Refuse a prior that rules out a labelled pose, whose loss would be infinite.

    Args:
        bias: (pose,), log of the prior; None: every pose is possible.
        pose_labels: (batch,) long.

    Raises:
        ValueError: if `bias` is −∞ at a label.
    """
    if bias is None or not (is_readable(pose_labels) and is_readable(bias)):
        return
    ruled_out = pose_labels[bias[pose_labels].isneginf()]
    if len(ruled_out):
        raise ValueError(
            f"`orientation` must give every labelled pose a probability above 0, got 0 for element "
            f"{int(ruled_out[0])}. Without `pose_labels`, lines in training are upright, element 0."
        )
