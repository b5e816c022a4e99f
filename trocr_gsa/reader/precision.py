"""Reading with fewer bits: matrices rounded to 8 on a CPU, or products in bf16 where the machine has them."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch

Precision = Literal["fp32", "bf16", "int8"]


def multiplies_in_bf16(on_cpu: bool) -> bool:
    """Whether bf16 gains anything: a processor that lacks it rounds after every operation, some 80 times slower."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported() if on_cpu else torch.cuda.is_bf16_supported(False)


def check_precision(precision: str, device: torch.device, has_several_adapters: bool) -> None:
    """Refuse what is no precision, or none of a device or of several adapters.

    Raises:
        ValueError: if it is not.
    """
    if precision not in get_args(Precision):
        raise ValueError(f"`precision` must be one of {', '.join(get_args(Precision))}, got {precision!r}.")
    on_cpu = device.type == "cpu"
    if precision == "int8" and not on_cpu:
        raise ValueError(f"`precision` int8 is for reading on a CPU, got the device {device}. Write bf16 there.")
    if precision == "int8" and has_several_adapters:
        raise ValueError("`precision` int8 rounds an adapter with its model. Load one adapter, not several by name.")
    if precision == "bf16" and not multiplies_in_bf16(on_cpu):
        raise ValueError(f"`precision` bf16 is not in what {device} multiplies, and would be slow. Write fp32 or int8.")


def round_to_int8(model: torch.nn.Module) -> None:
    """Round the weights of a model's linear layers, in place; what comes into one is rounded when it comes."""
    from torch.ao.quantization import quantize_dynamic

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is to move to torchao
        quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)


def computing_in(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return a context manager inside which a model computes in that precision."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
