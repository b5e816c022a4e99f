"""A decoder that does not use its cache stops the program; each of these would otherwise write a wrong text."""

import copy
import re
import tomllib
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import transformers
from tiny_models import as_set, noise, tiny_reader
from transformers import DynamicCache, EncoderDecoderCache, VisionEncoderDecoderModel

from trocr_gsa.model import decoder_cache
from trocr_gsa.model.decoder_cache import CACHE, SUPPORTED_TRANSFORMERS, UnsupportedTransformersError, decode
from trocr_gsa.model.fused_decoder import FusedTrOCRAttention
from trocr_gsa.reader.drafting import CachedDecoder

NAMES = rf"transformers {re.escape(transformers.__version__)} .*{re.escape(SUPPORTED_TRANSFORMERS)}"
LETTERS = torch.tensor([[0, 7, 9, 3, 5], [0, 4, 2, 2, 8]])


@pytest.fixture
def model():
    return tiny_reader(ctc_steps_per_patch=3, group="C4")


@pytest.fixture
def encoded(model):
    return model.encoder(**as_set([noise(2, 6), noise(5, 2)], filler=1e3))


def ignores_the_cache(decoder):
    """Have a decoder drop what it is given and begin a cache of its own, as 5.24 would with an unknown name."""
    forward = decoder.forward
    decoder.forward = lambda **inputs: forward(**{name: value for name, value in inputs.items() if name != CACHE})


def attends_without_it(decoder):
    """Have the attention ignore it, as ours did when its argument was renamed."""
    for module in decoder.modules():
        if isinstance(module, FusedTrOCRAttention):
            module._keys_and_values = lambda letters, picture, past, own=module: type(own)._keys_and_values(
                own, letters, picture, None
            )


def keeps_a_copy(decoder):
    """Have a decoder extend a copy, and return what it was given."""
    forward = decoder.forward

    def forward_with_copy(**inputs):
        output = forward(**(inputs | {CACHE: copy.deepcopy(inputs[CACHE])}))
        output[CACHE] = inputs[CACHE]
        return output

    decoder.forward = forward_with_copy


def takes_no_cache(decoder):
    """Have a decoder refuse the name."""
    forward = decoder.forward

    def forward_without(input_ids, attention_mask, encoder_hidden_states, encoder_attention_mask, **rest):
        if CACHE in rest:
            raise TypeError(f"forward() got an unexpected keyword argument '{CACHE}'")
        return forward(input_ids, attention_mask, encoder_hidden_states, encoder_attention_mask, **rest)

    decoder.forward = forward_without


def with_generate(model, encoded):
    return model.generate(encoder_outputs=encoded, num_beams=1, min_new_tokens=4, max_new_tokens=6)


def with_beams(model, encoded):
    return model.generate(encoder_outputs=encoded, num_beams=2, min_new_tokens=4, max_new_tokens=6)


def with_drafts(model, encoded):
    read = CachedDecoder(model, encoded, lambda lines: nullcontext())
    read([0, 1], 0, LETTERS[:, :3])
    return read([0, 1], 3, LETTERS[:, 3:])


def with_forward(model, encoded):
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    for place in range(3):
        model(encoder_outputs=encoded, decoder_input_ids=LETTERS[:, place : place + 1], cache=cache, use_cache=True)


WAYS_TO_READ = [with_generate, with_beams, with_drafts, with_forward]


@pytest.mark.parametrize("read", WAYS_TO_READ)
@pytest.mark.parametrize("fault", [ignores_the_cache, attends_without_it, keeps_a_copy, takes_no_cache])
@torch.no_grad()
def test_a_decoder_that_does_not_use_its_cache_is_refused_and_the_version_named(model, encoded, read, fault):
    fault(model.decoder)
    with pytest.raises(UnsupportedTransformersError, match=NAMES):
        read(model, encoded)


@pytest.mark.parametrize("read", WAYS_TO_READ)
@torch.no_grad()
def test_a_decoder_that_uses_it_is_not_refused(model, encoded, read):
    """The control."""
    read(model, encoded)


@pytest.mark.parametrize("num_beams", [1, 2])
def test_a_cache_that_generate_passes_under_an_unknown_name_is_refused(model, encoded, num_beams, monkeypatch):
    """So would the next rename begin: what stands is passed along, and nobody here looks at it."""
    prepare = VisionEncoderDecoderModel.prepare_inputs_for_generation

    def renamed(self, *args, **inputs):
        prepared = prepare(self, *args, **inputs)
        prepared["kv_memory"] = prepared.pop(CACHE)
        return prepared

    monkeypatch.setattr(VisionEncoderDecoderModel, "prepare_inputs_for_generation", renamed)
    monkeypatch.setattr(model.decoder, "forward", _ignoring("kv_memory", model.decoder.forward))
    with pytest.raises(UnsupportedTransformersError, match=rf"{NAMES}|holds 0 and"):
        model.generate(encoder_outputs=encoded, num_beams=num_beams, min_new_tokens=4, max_new_tokens=6)


def _ignoring(name, forward):
    return lambda **inputs: forward(**{key: value for key, value in inputs.items() if key != name})


def test_another_mistake_in_the_call_of_a_decoder_stays_what_it_is():
    def decoder(input_ids, **_):
        raise TypeError("unsupported operand")

    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    with pytest.raises(TypeError, match="unsupported operand"):
        decode(decoder, cache, input_ids=LETTERS)


@pytest.mark.parametrize("name", ["cache", "past_key_values"])
@torch.no_grad()
def test_a_reader_takes_its_cache_by_both_names(model, encoded, name):
    expected = model(encoder_outputs=encoded, decoder_input_ids=LETTERS).logits
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    steps = []
    for place in range(LETTERS.shape[1]):
        letter = LETTERS[:, place : place + 1]
        out = model(encoder_outputs=encoded, decoder_input_ids=letter, use_cache=True, **{name: cache})
        steps.append(out.logits)
        assert out[CACHE] is cache
    assert (torch.cat(steps, dim=1) - expected).abs().max() < 1e-11


def test_the_supported_range_is_that_of_the_package():
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert f"transformers{decoder_cache.SUPPORTED_TRANSFORMERS}" in pyproject["project"]["dependencies"]
