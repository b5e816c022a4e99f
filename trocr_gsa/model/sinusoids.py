"""Keeps the sinusoidal positions of some TrOCR decoders on the device of the weights.

What is unusual: transformers stores the table as a plain attribute. `from_pretrained` leaves it on the meta device, and
`to("cuda")` leaves it on the CPU. Here it is rebuilt whenever its device or dtype differs from the embeddings'.
"""

from typing import Any

from torch import nn


def keep_sinusoids(decoder: nn.Module) -> None:
    """Move a decoder's sinusoidal positions to its device and dtype, before every call.

    Args:
        decoder: a TrOCRForCausalLM; other modules are not changed.
    """
    for module in decoder.modules():
        positions = getattr(module, "embed_positions", None)
        if hasattr(positions, "get_embedding") and hasattr(module, "embed_tokens"):
            module.register_forward_pre_hook(_rebuild_table)


def _rebuild_table(decoder: Any, _: Any) -> None:
    positions, weight = decoder.embed_positions, decoder.embed_tokens.weight
    if positions.weights.device != weight.device or positions.weights.dtype != weight.dtype:
        table = positions.get_embedding(positions.weights.shape[0], positions.embedding_dim, positions.padding_idx)
        positions.weights = table.to(weight)
