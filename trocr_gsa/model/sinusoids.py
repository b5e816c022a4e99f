"""The sinusoidal positions of some TrOCR decoders, kept where the weights are.

What is unusual: transformers keeps their table as a plain attribute. `from_pretrained` leaves it on the meta device,
`to("cuda")` on the CPU; here it is made anew whenever it is not where the embeddings are.
"""

from typing import Any

from torch import nn


def keep_sinusoids(decoder: nn.Module) -> None:
    """See to it, at every call, that a decoder's sinusoidal positions are on its device and of its type.

    Args:
        decoder: a TrOCRForCausalLM, or any other module, which is left as it is.
    """
    for module in decoder.modules():
        positions = getattr(module, "embed_positions", None)
        if hasattr(positions, "get_embedding") and hasattr(module, "embed_tokens"):
            module.register_forward_pre_hook(_bring_table)


def _bring_table(decoder: Any, _: Any) -> None:
    positions, weight = decoder.embed_positions, decoder.embed_tokens.weight
    if positions.weights.device != weight.device or positions.weights.dtype != weight.dtype:
        table = positions.get_embedding(positions.weights.shape[0], positions.embedding_dim, positions.padding_idx)
        positions.weights = table.to(weight)
