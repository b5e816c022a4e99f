"""What transformers' common tests ask of every model: one row a claim, one column a model.

What is unusual: only claims that no other file of this folder makes. Outputs, attention, processors, adapters,
parallel training, compilation and ways to generate have files of their own.
"""

import copy
import io
from collections.abc import Callable

import pytest
import torch
from slow_cases import others_slow
from tiny_kinds import KINDS, batch
from tiny_models import reader_config
from torch import nn
from transformers import AutoModelForImageClassification, AutoModelForImageTextToText

from trocr_gsa import TrOCRGSAModel

FAST = ("reader with CTC", "reader of one field", "reader with a narrow stage", "classifier")  # each part once
READERS = [kind for kind in KINDS if kind.startswith("reader")]
# with every layer across poses the decoder's mask has a gradient, and TrOCR's decoder passes masks by name, which
# PyTorch's older way of checkpointing does not see: it refuses to go through the encoder twice
NO_REENTRANT_CHECKPOINTS = {"reader of one field"}


def logits(model: nn.Module, inputs: dict) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(**inputs).logits


def encoder(model: nn.Module) -> nn.Module:
    return model.encoder if hasattr(model, "encoder") else model.gsa_net


def is_saved_and_loaded_with_equal_outputs(kind, tmp_path):
    model, inputs = KINDS[kind](), batch(kind)
    model.save_pretrained(tmp_path)
    auto = AutoModelForImageTextToText if kind in READERS else AutoModelForImageClassification
    for loaded in (type(model).from_pretrained(tmp_path), auto.from_pretrained(tmp_path)):
        assert torch.equal(logits(loaded, inputs), logits(model, inputs))


def is_loaded_without_one_missing_or_unexpected_weight(kind, tmp_path):
    model = KINDS[kind]()
    model.save_pretrained(tmp_path)
    _, found = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(found.values())


def survives_torch_save(kind, tmp_path):
    model, inputs, stored = KINDS[kind](), batch(kind), io.BytesIO()
    torch.save(model.state_dict(), stored)
    stored.seek(0)
    other = KINDS[kind]()
    other.load_state_dict(torch.load(stored))
    assert torch.equal(logits(other, inputs), logits(model, inputs))


def is_built_on_the_meta_device(kind, tmp_path):
    with torch.device("meta"):
        model = KINDS[kind]()
    assert {weight.device.type for weight in model.parameters()} == {"meta"}
    assert len(model.state_dict()) == len(KINDS[kind]().state_dict())


def is_built_from_its_configuration_alone(kind, tmp_path):
    model = KINDS[kind]()
    model.config.save_pretrained(tmp_path)
    again = type(model)(type(model.config).from_pretrained(tmp_path))
    assert {name: weight.shape for name, weight in again.named_parameters()} == {
        name: weight.shape for name, weight in model.named_parameters()
    }


def has_no_tensor_that_is_neither_weight_nor_buffer(kind, tmp_path):
    model = KINDS[kind]().to("meta")
    for module in model.modules():
        stray = {name: value for name, value in vars(module).items() if isinstance(value, torch.Tensor)}
        assert not stray


def is_the_same_every_time(kind, tmp_path):
    model, inputs = KINDS[kind](), batch(kind)
    assert torch.equal(logits(model, inputs), logits(model, inputs))


def treats_each_of_a_batch_as_if_it_were_alone(kind, tmp_path):
    model, inputs = KINDS[kind]().double(), batch(kind, 3)
    inputs["pixel_values"] = inputs["pixel_values"].double()
    together = logits(model, inputs)
    for row in range(3):
        alone = logits(model, {name: value[row : row + 1] for name, value in inputs.items()})
        assert (alone[0] - together[row]).abs().max() < 1e-10


def gradients(model: nn.Module, inputs: dict) -> dict[str, torch.Tensor]:
    model.zero_grad()
    model.train()(**inputs).loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def has_the_same_gradients_with_checkpointing(kind, tmp_path):
    model, inputs = KINDS[kind]().double(), batch(kind)
    inputs["pixel_values"] = inputs["pixel_values"].double()
    plain = gradients(model, inputs)
    for reentrant in (False, True) if kind not in NO_REENTRANT_CHECKPOINTS else (False,):
        model.activation_checkpointing_enable({"use_reentrant": reentrant})
        found = gradients(model, inputs)
        assert found.keys() == plain.keys()
        assert all((found[name] - plain[name]).abs().max() < 1e-9 for name in plain)
        model.activation_checkpointing_disable()


def has_gradients_of_what_it_shows(kind, tmp_path):
    model, inputs = KINDS[kind](), batch(kind)
    model.set_attn_implementation("eager")
    model.eval()
    asked = {"output_hidden_states": True, "output_attentions": True}
    shown = encoder(model)(inputs["pixel_values"], **asked)
    for state in (*shown.hidden_states, *shown.attentions):
        if state.requires_grad:
            state.retain_grad()
    shown.last_hidden_state.sum().backward()
    assert all(state.grad is not None for state in shown.hidden_states[1:])
    assert shown.attentions[-1].grad is not None


def names_its_main_input(kind, tmp_path):
    assert type(KINDS[kind]()).main_input_name == "pixel_values"


def is_copied_whole(kind, tmp_path):
    model, inputs = KINDS[kind](), batch(kind)
    assert torch.equal(logits(copy.deepcopy(model), inputs), logits(model, inputs))


def computes_in_half_precision(kind, tmp_path):
    model, inputs = KINDS[kind]().bfloat16(), batch(kind)
    inputs["pixel_values"] = inputs["pixel_values"].bfloat16()
    found = logits(model, inputs)
    assert found.dtype == torch.bfloat16
    assert found.isfinite().all()


CLAIMS: list[Callable] = [
    is_saved_and_loaded_with_equal_outputs,
    is_loaded_without_one_missing_or_unexpected_weight,
    survives_torch_save,
    is_built_on_the_meta_device,
    is_built_from_its_configuration_alone,
    has_no_tensor_that_is_neither_weight_nor_buffer,
    is_the_same_every_time,
    treats_each_of_a_batch_as_if_it_were_alone,
    has_the_same_gradients_with_checkpointing,
    has_gradients_of_what_it_shows,
    names_its_main_input,
    is_copied_whole,
    computes_in_half_precision,
]


@pytest.mark.parametrize("kind", others_slow(KINDS, *FAST))
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_every_model(claim, kind, tmp_path):
    claim(kind, tmp_path)


# ways to generate: a row a call, and what comes of it; columns are readers without and with a CTC head

NEW = {"max_new_tokens": 5, "min_new_tokens": 5}
WAYS = {
    "without a cache": {"use_cache": False},
    "with a static cache": {"cache_implementation": "static", "disable_compile": True},
    "with one beam, named": {"num_beams": 1},
    "by sampling the likeliest only": {"do_sample": True, "top_k": 1},
    "by sampling at no temperature": {"do_sample": True, "temperature": 1e-6},
    "with a penalty that changes nothing": {"repetition_penalty": 1.0},
    "returning one of one": {"num_return_sequences": 1},
}
GENERATING = ["reader", "reader with CTC"]


@pytest.fixture(params=GENERATING)
def generating(request):
    return KINDS[request.param]().eval(), batch(request.param)["pixel_values"]


@pytest.mark.parametrize("way", WAYS)
def test_a_way_to_generate_that_is_greedy_in_the_end_writes_what_greedy_search_writes(generating, way):
    model, images = generating
    assert torch.equal(model.generate(images, **NEW, **WAYS[way]), model.generate(images, **NEW))


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({"num_beams": 3}, 2),
        ({"num_beams": 3, "num_return_sequences": 2}, 4),
        ({"num_beams": 2, "do_sample": True}, 2),
        ({"do_sample": True, "num_return_sequences": 3}, 6),
        ({"do_sample": True, "top_p": 0.9, "temperature": 0.7}, 2),
        ({"no_repeat_ngram_size": 2, "num_beams": 2, "length_penalty": 2.0, "early_stopping": True}, 2),
    ],
    ids=str,
)
def test_beams_and_samples_come_in_the_number_and_length_that_was_asked_for(generating, options, rows):
    model, images = generating
    assert model.generate(images, **NEW, **options).shape == (rows, 1 + 5)


def test_scores_logits_and_settings_come_with_the_text(generating):
    model, images = generating
    out = model.generate(images, **NEW, return_dict_in_generate=True, output_scores=True, output_logits=True)
    assert len(out.scores) == len(out.logits) == 5
    assert torch.stack(out.scores, 1).argmax(-1).tolist() == out.sequences[:, 1:].tolist()


def test_tokens_that_must_not_be_written_are_not(generating):
    model, images = generating
    banned = model.generate(images, **NEW)[:, 1:].unique().tolist()
    written = model.generate(images, **NEW, suppress_tokens=banned)[:, 1:]
    assert not set(written.unique().tolist()) & set(banned)


def test_a_streamer_sees_every_token_of_one_line(generating):
    model, images = generating
    seen: list[int] = []

    class Streamer:
        def put(self, tokens):
            seen.extend(tokens.flatten().tolist())

        def end(self):
            seen.append(-1)

    text = model.generate(images[:1], **NEW, streamer=Streamer())
    assert seen == [*text[0].tolist(), -1]


def test_generating_stops_when_a_criterion_says_so(generating):
    model, images = generating
    stop = [lambda tokens, scores, **_: torch.full((len(tokens),), tokens.shape[1] >= 3)]
    assert model.generate(images, max_new_tokens=9, min_new_tokens=9, stopping_criteria=stop).shape[1] == 3


@pytest.mark.parametrize("kind", GENERATING)
@pytest.mark.parametrize("tokens", [25, 18])
def test_tokens_can_be_added_and_taken_away(kind, tokens, tmp_path):
    model, inputs = KINDS[kind]().eval(), batch(kind)
    inputs["labels"] = inputs["labels"].clamp_max(17)
    before, kept = model(**inputs), min(tokens, 20)
    model.resize_token_embeddings(tokens)
    after = model(**inputs)
    assert after.logits.shape[-1] == model.config.decoder.vocab_size == tokens
    assert torch.equal(after.logits[..., :kept], before.logits[..., :kept])
    if model.ctc_head is not None:
        assert after.ctc_logits.shape[-1] == tokens
        assert torch.equal(after.ctc_logits[..., :kept], before.ctc_logits[..., :kept])
    model.save_pretrained(tmp_path)
    assert torch.equal(logits(type(model).from_pretrained(tmp_path), inputs), after.logits)


def test_the_ctc_blank_is_not_taken_away():
    config = reader_config(ctc_steps_per_patch=2)
    config.pad_token_id = 19
    with pytest.raises(ValueError, match="The CTC blank is token 19"):
        TrOCRGSAModel(config).resize_token_embeddings(10)
