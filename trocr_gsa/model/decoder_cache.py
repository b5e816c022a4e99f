"""The decoder's cache: its name in the installed transformers, and proof that it was used.

transformers 5.23 passes it as `past_key_values`, 5.24 as `cache`. A decoder that is given the other name may ignore it,
and then reads a line from its last token alone: wrong text, and no error. So the name is chosen here and nowhere else,
and whatever decodes with a cache checks that it grew.
"""

from dataclasses import fields
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers.modeling_outputs import Seq2SeqLMOutput

SUPPORTED_TRANSFORMERS = ">=5.23,<5.25"  # as in pyproject.toml, which does not travel with the weights
CACHE = "cache" if "cache" in {field.name for field in fields(Seq2SeqLMOutput)} else "past_key_values"


class UnsupportedTransformersError(RuntimeError):
    """The installed transformers does something else with the decoder's cache than this code relies on."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"transformers {transformers.__version__} does not use a decoder's cache as expected here: {found}. "
            f"Text would be wrong. Install a supported version: pip install 'transformers{SUPPORTED_TRANSFORMERS}'"
        )


def decode(decoder: Any, cache: Any | None, **inputs: Any) -> Any:
    """Call a decoder, with the cache under the name it has for it.

    Args:
        decoder: a causal language model.
        cache: keys and values of the tokens before, a transformers `Cache`, extended in place; None: the decoder's
            own affair.
        inputs: its other arguments, `input_ids` or `inputs_embeds` among them.

    Raises:
        UnsupportedTransformersError: if the decoder takes no such argument, or the cache did not grow by exactly the
            tokens passed.
    """
    if cache is None or torch.compiler.is_compiling():  # a traced graph is checked where it is run by PyTorch
        return decoder(**{CACHE: cache}, **inputs)
    before = cached_tokens(cache)
    try:
        output = decoder(**{CACHE: cache}, **inputs)
    except TypeError as error:
        if CACHE in str(error):
            raise UnsupportedTransformersError(f"{type(decoder).__name__} has no argument `{CACHE}`") from error
        raise
    tokens = inputs["inputs_embeds"] if inputs.get("input_ids") is None else inputs["input_ids"]
    expected = before + tokens.shape[1]
    found = min(cached_tokens(cache), cached_tokens(output.get(CACHE)))  # callers go on with either
    if found != expected:
        raise UnsupportedTransformersError(
            f"`{CACHE}` of {type(decoder).__name__} held {before} tokens, {tokens.shape[1]} were passed, and it "
            f"holds {found}"
        )
    return output


def check_next_tokens(tokens: Tensor, cache: Any | None, written: Tensor) -> None:
    """Refuse what transformers' `generate` is about to decode if it and the cache are not the whole text so far.

    Args:
        tokens: (batch, token) long, to decode next.
        cache: of the tokens before, a transformers `Cache`; None: there is none.
        written: (batch, token) long, the text so far.

    Raises:
        UnsupportedTransformersError: if tokens are missing or decoded twice.
    """
    before = cached_tokens(cache)
    if before + tokens.shape[1] != written.shape[1]:
        raise UnsupportedTransformersError(
            f"of {written.shape[1]} tokens, `{CACHE}` holds {before} and `generate` decodes {tokens.shape[1]}"
        )


def cached_tokens(cache: Any | None) -> int:
    """Return how many tokens a transformers `Cache` holds; 0 where there is none."""
    return 0 if cache is None else int(cache.get_seq_length())
