"""Reader and classifier return what ViT and TrOCR return on request, and take arguments in the same order."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_kinds import KINDS, batch
from tiny_models import END, HIDDEN, LAYERS, PAD
from transformers.modeling_outputs import ModelOutput

READERS = [kind for kind in KINDS if kind.startswith("reader")]
CLASSIFIERS = [kind for kind in KINDS if kind.startswith("classifier")]
PATCHES, LETTERS = 6, 4


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_come_when_asked_for_and_only_then(kind):
    model, inputs = KINDS[kind]().eval(), batch(kind)
    name = "encoder_hidden_states" if kind in READERS else "hidden_states"
    asked, plain = model(**inputs, output_hidden_states=True), model(**inputs)
    layers = (model.encoder if kind in READERS else model.gsa_net).config.num_hidden_layers
    assert len(asked[name]) == 2 + layers
    assert plain.get(name) is None
    assert torch.equal(asked.logits, plain.logits)
    if kind in READERS:
        assert [state.shape for state in asked.decoder_hidden_states] == [(2, LETTERS, HIDDEN)] * 2
        assert plain.decoder_hidden_states is None


@pytest.mark.parametrize("kind", READERS)
def test_the_decoders_attentions_come_when_asked_for(kind):
    model = KINDS[kind]().eval()
    out = model(**batch(kind), output_attentions=True)
    (among_letters,), (on_picture,) = out.decoder_attentions, out.cross_attentions
    assert among_letters.shape == (2, 2, LETTERS, LETTERS)
    assert on_picture.shape == (2, 2, LETTERS, out.encoder_last_hidden_state.shape[1])
    assert torch.allclose(on_picture.sum(-1), torch.ones(()))


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_dict_a_tuple_begins_with_loss_and_logits(kind):
    model, inputs = KINDS[kind]().eval(), batch(kind)
    as_dict, as_tuple = model(**inputs), model(**inputs, return_dict=False)
    assert isinstance(as_dict, ModelOutput)
    assert type(as_tuple) is tuple
    assert torch.equal(as_tuple[0], as_dict.loss)
    assert torch.equal(as_tuple[1], as_dict.logits)
    model.config.return_dict = False
    assert type(model(**inputs)) is tuple


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", ["pixel_mask", "output_hidden_state", "input_ids", "attention_mask"])
def test_an_argument_that_a_model_does_not_know_is_refused(kind, wrong):
    with pytest.raises(TypeError, match=wrong):
        KINDS[kind]()(**batch(kind), **{wrong: torch.ones(2, 4)})


def test_arguments_stand_in_the_order_of_a_stock_reader():
    model, inputs = KINDS["reader"]().eval(), batch("reader")
    letters = torch.tensor([[PAD, 5, 6], [PAD, 7, END]])
    named = model(pixel_values=inputs["pixel_values"], decoder_input_ids=letters)
    assert torch.equal(model(inputs["pixel_values"], letters).logits, named.logits)
    embedded = model.decoder.get_input_embeddings()(letters)
    assert torch.equal(model(inputs["pixel_values"], decoder_inputs_embeds=embedded).logits, named.logits)


def test_settings_of_generation_may_come_second_and_unnamed():
    model, inputs = KINDS["reader"]().eval(), batch("reader")["pixel_values"]
    settings = model.generation_config
    settings.max_new_tokens = settings.min_new_tokens = 3
    assert torch.equal(model.generate(inputs, settings), model.generate(inputs, max_new_tokens=3, min_new_tokens=3))


def test_generated_texts_come_with_the_states_of_both_halves():
    out = KINDS["reader"]().eval().generate(
        batch("reader")["pixel_values"], output_hidden_states=True, return_dict_in_generate=True, max_new_tokens=2
    )  # fmt: skip
    assert len(out.encoder_hidden_states) == 2 + LAYERS
    assert out.decoder_hidden_states


def test_pictures_may_be_named_as_transformers_names_them():
    model, inputs = KINDS["reader"]().eval(), batch("reader")["pixel_values"]
    assert torch.equal(model.generate(inputs=inputs, max_new_tokens=3), model.generate(inputs, max_new_tokens=3))
    with pytest.raises(ValueError, match="`inputs` and `pixel_values`"):
        model.generate(inputs, pixel_values=inputs)


def test_a_task_type_of_peft_changes_nothing():
    reader, inputs = KINDS["reader"]().eval(), batch("reader")
    plain = reader(**inputs).logits
    adapted = get_peft_model(reader, LoraConfig(task_type="SEQ_2_SEQ_LM", target_modules=["q_proj", "v_proj"])).eval()
    assert torch.equal(adapted(**inputs).logits, plain)
    text = adapted.generate(pixel_values=inputs["pixel_values"], max_new_tokens=3)
    assert torch.equal(text, reader.generate(inputs["pixel_values"], max_new_tokens=3))
