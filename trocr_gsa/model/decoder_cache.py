"""The decoder's cache: its argument name in the installed transformers, and a check that the decoder used it.

transformers 5.23 passes it as `past_key_values`, 5.24 as `cache`. A decoder may ignore the other name. It then
continues a text from the last token alone: the text is wrong, and there is no error. So only this file chooses the
name, and all code that decodes with a cache checks that the cache grew.
"""

from dataclasses import fields
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers.modeling_outputs import Seq2SeqLMOutput

SUPPORTED_TRANSFORMERS = ">=5.23,<5.25"  # as in pyproject.toml, which is not published with the weights
CACHE = "cache" if "cache" in {field.name for field in fields(Seq2SeqLMOutput)} else "past_key_values"


class UnsupportedTransformersError(RuntimeError):
    """The installed transformers does not use the decoder's cache in the way that this code relies on."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"transformers {transformers.__version__} does not use a decoder's cache as expected: {found}. "
            f"The text would be wrong. Install a supported version: pip install 'transformers{SUPPORTED_TRANSFORMERS}'"
        )


def decode(decoder: Any, cache: Any | None, **inputs: Any) -> Any:
    """Call a decoder, and pass the cache under the name that it expects.

    Args:
        decoder: a causal language model.
        cache: keys and values of the previous tokens, a transformers `Cache`, extended in place; None: the decoder
            decides about a cache.
        inputs: the other arguments, including `input_ids` or `inputs_embeds`.

    Raises:
        UnsupportedTransformersError: if the decoder has no such argument, or the cache did not grow by exactly the
            tokens passed.
    """
    if cache is None or torch.compiler.is_compiling():  # for a traced graph, the run in PyTorch has made the check
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
    found = min(cached_tokens(cache), cached_tokens(output.get(CACHE)))  # callers continue with either of them
    if found != expected:
        raise UnsupportedTransformersError(
            f"`{CACHE}` of {type(decoder).__name__} held {before} tokens, {tokens.shape[1]} were passed, and it "
            f"holds {found}"
        )
    return output


def check_next_tokens(tokens: Tensor, cache: Any | None, written: Tensor) -> None:
    """Check that the cache and the tokens that `generate` decodes next are together the whole text so far.

    Args:
        tokens: (batch, token) long, to decode next.
        cache: of the previous tokens, a transformers `Cache`, or None.
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
    """Return the number of tokens in a transformers `Cache`; 0 for None."""
    return 0 if cache is None else int(cache.get_seq_length())
