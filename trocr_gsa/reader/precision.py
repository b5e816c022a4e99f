"""Reading with less precision: int8 weights on a CPU, or bfloat16 where the hardware supports it."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch

Precision = Literal["fp32", "bf16", "int8"]


def multiplies_in_bf16(on_cpu: bool) -> bool:
    """Whether the hardware supports bf16. Without support, a CPU is about 80 times slower with it."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported() if on_cpu else torch.cuda.is_bf16_supported(False)


def check_precision(precision: str, device: torch.device, has_several_adapters: bool) -> None:
    """Check that a precision exists, and that the device and the adapters allow it.

    Raises:
        ValueError: if not.
    """
    if precision not in get_args(Precision):
        raise ValueError(f"`precision` must be one of {', '.join(get_args(Precision))}, got {precision!r}.")
    on_cpu = device.type == "cpu"
    if precision == "int8" and not on_cpu:
        raise ValueError(f"`precision` int8 works on a CPU only, got the device {device}. Use bf16 there.")
    if precision == "int8" and has_several_adapters:
        raise ValueError("`precision` int8 needs a merged adapter. Load one adapter, not several by name.")
    if precision == "bf16" and not multiplies_in_bf16(on_cpu):
        raise ValueError(f"`precision` bf16 is not supported by {device}, and would be slow. Use fp32 or int8.")


def round_to_int8(model: torch.nn.Module) -> None:
    """Quantise the weights of all linear layers to int8, in place; their inputs are quantised when they are used."""
    from torch.ao.quantization import quantize_dynamic

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated in favour of torchao
        quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)


def computing_in(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return a context manager inside which a model computes in a precision."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
