"""Attention is computed as `attn_implementation` says, by transformers' own functions too, or refused by name."""

import pytest
import torch
from slow_cases import others_slow
from tiny_kinds import KINDS, batch
from tiny_models import LAYERS, difference, encoder_config, noise, tiny_encoder, tiny_reader, turns
from torch import nn
from transformers import AttentionInterface, AutoModelForImageTextToText
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.trocr.modeling_trocr import TrOCRAttention
from transformers.utils import is_flash_attn_2_available

from trocr_gsa import GroupSelfAttention, GSANetForImageClassification, PointGroup, TrOCRGSAModel
from trocr_gsa.model.attention import ExtendedSelfAttention
from trocr_gsa.model.fused_decoder import FusedTrOCRAttention

READERS = [kind for kind in KINDS if kind.startswith("reader")]


def of_decoder(model: nn.Module) -> set[type]:
    return {type(module) for module in model.modules() if isinstance(module, TrOCRAttention)}


@pytest.fixture(scope="module")
def counted():
    """transformers' function for sdpa, registered under another name and counting its calls."""
    calls: list[nn.Module] = []

    def attend(module, *args, **kwargs):
        calls.append(module)
        return sdpa_attention_forward(module, *args, **kwargs)

    AttentionInterface.register("counted", attend)
    yield calls
    del AttentionInterface()._global_mapping["counted"]


@pytest.mark.parametrize("pose_layers", [0, 1, LAYERS])
def test_a_function_of_transformers_computes_every_layer_and_keeps_the_symmetry(counted, pose_layers):
    model = tiny_encoder(group="C4", pose_layers=pose_layers)
    images = noise(2, 3)
    expected = model(images).pose_logits
    model.set_attn_implementation("counted")
    counted.clear()
    found = model(images).pose_logits
    assert len(counted) == 1 + LAYERS
    assert difference(found, expected) < 1e-11
    states = [model(turned).pose_hidden_state for turned in turns(model.group, images)]
    assert all(difference(state, states[0]) < 1e-11 for state in states)


@pytest.mark.parametrize("implementation", others_slow(["sdpa", "eager"], "eager"))
@pytest.mark.parametrize("kind", READERS)
def test_a_saved_reader_is_loaded_with_it(kind, implementation, tmp_path):
    KINDS[kind]().save_pretrained(tmp_path)
    plain = TrOCRGSAModel.from_pretrained(tmp_path)
    for loaded in (
        TrOCRGSAModel.from_pretrained(tmp_path, attn_implementation=implementation),
        AutoModelForImageTextToText.from_pretrained(tmp_path, attn_implementation=implementation),
    ):
        assert loaded.encoder.config._attn_implementation == implementation
        assert of_decoder(loaded) == {TrOCRAttention if implementation == "eager" else FusedTrOCRAttention}
        inputs = batch(kind)
        assert torch.allclose(loaded(**inputs).logits, plain(**inputs).logits, atol=1e-5)


@pytest.mark.parametrize(
    ("halves", "encoder", "decoder"),
    [
        ({"encoder": "eager"}, "eager", TrOCRAttention),
        ({"decoder": "eager"}, "sdpa", TrOCRAttention),
        ({"encoder": "eager", "decoder": "sdpa"}, "eager", FusedTrOCRAttention),
    ],
)
def test_each_half_may_have_its_own(halves, encoder, decoder, tmp_path):
    model = tiny_reader(group="C4").float()
    model.save_pretrained(tmp_path)
    loaded = TrOCRGSAModel.from_pretrained(tmp_path, attn_implementation=halves)
    assert (loaded.encoder.config._attn_implementation, of_decoder(loaded)) == (encoder, {decoder})


def test_halves_are_switched_apart():
    model = tiny_reader(group="C4")
    model.set_attn_implementation({"decoder": "eager"})
    assert (model.encoder.config._attn_implementation, of_decoder(model)) == ("sdpa", {TrOCRAttention})
    model.set_attn_implementation({"encoder": "eager", "decoder": "sdpa"})
    assert (model.encoder.config._attn_implementation, of_decoder(model)) == ("eager", {FusedTrOCRAttention})


def test_a_configuration_that_was_used_builds_the_same_again():
    model = tiny_reader(group="C4")
    assert of_decoder(TrOCRGSAModel(model.config)) == {FusedTrOCRAttention}
    model.set_attn_implementation("eager")
    assert of_decoder(TrOCRGSAModel(model.config)) == {TrOCRAttention}


WRONG = [
    ("egaer", 'Specified `attn_implementation="egaer"` is not supported.* Did you mean "eager"'),
    ({"encoder": "spda"}, '"spda".* Did you mean "sdpa"'),
    ({"decoder": "flash_atention_2"}, '"flash_atention_2".* Did you mean "flash_attention_2"'),
    ("xyz", r'"xyz".* must be one of .*eager, .*sdpa\.$'),
    ("paged|eager", r'"paged\|eager".* Did you mean "eager"'),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG, ids=str)
def test_a_name_that_is_none_is_refused_with_the_nearest_one(wrong, message, tmp_path):
    model = tiny_reader(group="C4")
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=message):
        TrOCRGSAModel.from_pretrained(tmp_path, attn_implementation=wrong)
    with pytest.raises(ValueError, match=message):
        model.set_attn_implementation(wrong)


def test_so_it_is_by_classifiers_and_layers():
    with pytest.raises(ValueError, match='"eager"'):
        GSANetForImageClassification._from_config(encoder_config(num_labels=2), attn_implementation="egaer")
    with pytest.raises(ValueError, match='"egaer"` is not supported: it must be one of'):
        GroupSelfAttention(PointGroup.from_name("C4"), 8, 2, attn_implementation="egaer")


def test_layers_know_it_before_they_are_first_called(tmp_path):
    tiny_reader(group="C4").save_pretrained(tmp_path)
    for name in ("eager", "sdpa"):
        encoder = TrOCRGSAModel.from_pretrained(tmp_path, attn_implementation=name).encoder
        layers = [layer for layer in encoder.modules() if isinstance(layer, ExtendedSelfAttention)]
        assert {layer.config._attn_implementation for layer in layers} == {name}


@pytest.mark.skipif(is_flash_attn_2_available(), reason="flash attention is installed")
def test_what_is_not_installed_is_refused(tmp_path):
    model = tiny_reader(group="C4")
    model.save_pretrained(tmp_path)
    with pytest.raises(ImportError, match="FlashAttention2"):
        TrOCRGSAModel.from_pretrained(tmp_path, attn_implementation="flash_attention_2")
    with pytest.raises(ImportError, match="FlashAttention2"):
        model.set_attn_implementation("flash_attention_2")


def test_what_takes_no_mask_is_refused_where_there_is_a_neighbourhood(counted):
    model = tiny_encoder(group="C4", neighbourhood=1.5)
    for name in ("counted", "flex_attention"):
        with pytest.raises(ValueError, match=rf'mask that `neighbourhood` = 1\.5 needs, got "{name}"'):
            model.set_attn_implementation(name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of PyTorch's compiler, among its own parts
@torch.no_grad()
def test_flex_attention_computes_the_same():
    model, images = tiny_encoder(group="C4", hidden_size=32).float(), noise(2, 3).float()
    expected = model(images).pose_logits
    model.set_attn_implementation("flex_attention")
    assert difference(model(images).pose_logits, expected) < 1e-4


@pytest.mark.parametrize("kind", READERS)
def test_a_reader_with_eager_attention_shows_that_of_its_encoder(kind):
    model, inputs = KINDS[kind]().eval(), batch(kind)
    assert model(**inputs, output_attentions=True).encoder_attentions is None  # and a warning in the log
    model.set_attn_implementation("eager")
    out = model(**inputs, output_attentions=True)
    assert len(out.encoder_attentions) == 1 + model.encoder.config.num_hidden_layers
    written = model.generate(
        inputs["pixel_values"], output_attentions=True, return_dict_in_generate=True, max_new_tokens=2
    )
    assert len(written.encoder_attentions) == len(out.encoder_attentions)


def test_a_classifier_shows_it_too():
    model, inputs = KINDS["classifier"]().eval(), batch("classifier")
    assert model(**inputs, output_attentions=True).attentions is None
    model.set_attn_implementation("eager")
    assert len(model(**inputs, output_attentions=True).attentions) == 1 + LAYERS
