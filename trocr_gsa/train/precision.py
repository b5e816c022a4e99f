"""Which precisions a machine computes in without loss of time: asked by training and by reading."""

import torch


def multiplies_in_bf16(on_cpu: bool) -> bool:
    """Whether bf16 gains anything: a processor that lacks it rounds after every operation, some 80 times slower."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported() if on_cpu else torch.cuda.is_bf16_supported(False)
