"""The encoder alone, inside transformers' own VisionEncoderDecoderModel."""

import pytest
import torch
from sharp_weights import sharpened
from tiny_models import END, LAYERS, PAD, decoder_config, difference, encoder_config, noise, tiny_encoder, turns
from transformers import AutoConfig, AutoModel, TrOCRForCausalLM, VisionEncoderDecoderConfig, VisionEncoderDecoderModel

from trocr_gsa import GSANetConfig, GSANetModel, TrOCRGSAModel

LETTERS = torch.tensor([[PAD, 5, 9], [PAD, 3, 3]])


def stock_reader(**encoder) -> VisionEncoderDecoderModel:
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder_config(**encoder), decoder_config())
    config.pad_token_id, config.decoder_start_token_id = PAD, PAD
    model = sharpened(VisionEncoderDecoderModel(config))
    assert type(model.encoder) is GSANetModel
    return model


def save_halves(folder) -> tuple[str, str]:
    """An encoder and a TrOCR decoder, each in a folder of its own."""
    tiny_encoder(group="C4").save_pretrained(folder / "encoder")
    sharpened(TrOCRForCausalLM(decoder_config(is_decoder=True, add_cross_attention=True))).save_pretrained(
        folder / "decoder"
    )
    return str(folder / "encoder"), str(folder / "decoder")


def assert_same_weights(model, other) -> None:
    weights, others = model.state_dict(), other.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weight, others[name]) for name, weight in weights.items())


def test_the_auto_classes_know_the_encoder(tmp_path):
    model = tiny_encoder(group="D4")
    model.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, GSANetConfig)
    assert config.group == "D4"
    loaded = AutoModel.from_pretrained(tmp_path)
    assert type(loaded) is GSANetModel
    assert_same_weights(loaded, model)


@pytest.mark.parametrize("pose_layers", [0, 1, LAYERS])
def test_turning_the_image_leaves_the_logits(pose_layers):
    model = stock_reader(group="C4", pose_layers=pose_layers)
    images = noise(2, 4, batch=2)
    upright = model(pixel_values=images, decoder_input_ids=LETTERS).logits
    for turned in turns(model.encoder.group, images):
        assert difference(model(pixel_values=turned, decoder_input_ids=LETTERS).logits, upright) < 1e-11


def test_it_is_trained_as_any_other():
    model = stock_reader(group="C4").train()
    out = model(pixel_values=noise(2, 4, batch=2), labels=torch.tensor([[5, END], [7, -100]]))
    out.loss.backward()
    assert model.encoder.embeddings.projection.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("num_beams", [1, 3])
def test_it_generates_the_same_for_every_turn(num_beams):
    model = stock_reader(group="C4")
    images = noise(2, 4, batch=2)
    options = {"max_new_tokens": 5, "num_beams": num_beams, "eos_token_id": END, "pad_token_id": PAD}
    texts = [model.generate(pixel_values=turned, **options) for turned in turns(model.encoder.group, images)]
    assert all(torch.equal(text, texts[0]) for text in texts)


def test_it_is_saved_and_loaded_bit_for_bit(tmp_path):
    model = stock_reader(group="C4")
    model.save_pretrained(tmp_path)
    assert_same_weights(VisionEncoderDecoderModel.from_pretrained(tmp_path), model)


@pytest.mark.parametrize("cls", [VisionEncoderDecoderModel, TrOCRGSAModel])
def test_an_encoder_folder_and_a_decoder_folder_are_joined(cls, tmp_path):
    halves = save_halves(tmp_path)
    model = cls.from_encoder_decoder_pretrained(*halves)
    assert type(model) is cls
    assert type(model.encoder) is GSANetModel
    for half, cls_of_half, folder in zip(
        (model.encoder, model.decoder), (GSANetModel, TrOCRForCausalLM), halves, strict=True
    ):
        assert_same_weights(half, cls_of_half.from_pretrained(folder))
    assert model(pixel_values=noise(2, 4, batch=2), decoder_input_ids=LETTERS).logits.isfinite().all()


def test_a_reader_takes_its_marks_from_its_decoder(tmp_path):
    encoder = tiny_encoder(group="C4")
    decoder = TrOCRForCausalLM(decoder_config(pad_token_id=1, eos_token_id=2, decoder_start_token_id=2))
    config = TrOCRGSAModel(encoder=encoder, decoder=decoder).config
    assert (config.pad_token_id, config.eos_token_id, config.decoder_start_token_id) == (1, 2, 2)
