"""A new encoder before the pretrained decoder of a TrOCR."""

import pytest
import torch
from slow_cases import others_slow
from stock_trocr import ENCODER_WIDTH, NAMES, load_stock, make_stock_model
from transformers import VisionEncoderDecoderModel

from trocr_gsa import GSANetConfig, GSANetModel, TrOCRGSAModel

SIZES = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "patch_size": 8}


def encoder(hidden_size: int) -> GSANetConfig:
    return GSANetConfig(hidden_size=hidden_size, **SIZES)


def is_fitted(name: str) -> bool:
    """Whether a decoder's tensor depends on the size of the encoder's tokens."""
    return "encoder_attn" in name and name.endswith(("k_proj.weight", "v_proj.weight"))


@pytest.mark.parametrize("name", others_slow(NAMES, "small-printed", "base-printed", "large-printed"))
def test_every_weight_of_the_decoder_is_the_pretrained_one(name, tmp_path):
    stock = load_stock(make_stock_model(tmp_path, name))
    model = TrOCRGSAModel.from_encoder_decoder(encoder(stock.encoder.config.hidden_size), str(tmp_path))
    assert type(model.encoder) is GSANetModel
    ours, theirs = model.decoder.state_dict(), stock.decoder.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(weight, ours[key]) for key, weight in theirs.items())
    assert model.generation_config.max_length == stock.generation_config.max_length


@pytest.mark.parametrize("hidden_size", [16, 48])
def test_an_encoder_of_another_size_changes_only_what_looks_at_it(hidden_size, tmp_path):
    assert hidden_size != ENCODER_WIDTH["base"]
    stock = load_stock(make_stock_model(tmp_path, "base-printed"))
    model = TrOCRGSAModel.from_encoder_decoder(encoder(hidden_size), str(tmp_path))
    assert model.decoder.config.cross_attention_hidden_size == hidden_size
    ours, theirs = model.decoder.state_dict(), stock.decoder.state_dict()
    fitted = {key for key, weight in theirs.items() if not torch.equal(weight, ours[key])}
    assert fitted == {key for key in theirs if is_fitted(key)}
    assert all(ours[key].shape == (theirs[key].shape[0], hidden_size) for key in fitted)


def test_a_narrower_encoder_is_looked_at_through_an_isometry(tmp_path):
    """W·P with PᵀP = 1: what is orthogonal to the new tokens is lost, nothing else is bent."""
    stock = load_stock(make_stock_model(tmp_path, "base-printed"))
    decoder = TrOCRGSAModel.from_encoder_decoder(encoder(16), str(tmp_path)).decoder.model.decoder
    for layer, pretrained in zip(decoder.layers, stock.decoder.model.decoder.layers, strict=True):
        both = [torch.cat((at.k_proj.weight, at.v_proj.weight)) for at in (layer.encoder_attn, pretrained.encoder_attn)]
        isometry = torch.linalg.lstsq(both[1], both[0]).solution
        assert (both[1] @ isometry - both[0]).abs().max() < 1e-5
        assert (isometry.T @ isometry - torch.eye(16)).abs().max() < 1e-4


def test_the_encoder_may_be_one_that_is_trained_already(tmp_path):
    make_stock_model(tmp_path, "base-printed")
    trained = GSANetModel(encoder(32))
    model = TrOCRGSAModel.from_encoder_decoder(trained, str(tmp_path), ctc_steps_per_patch=2)
    assert model.encoder is trained
    assert model.ctc_head is not None


@pytest.mark.parametrize("name", ["base-printed", "large-printed"])
def test_it_reads_learns_and_comes_back_from_a_folder(name, tmp_path):
    make_stock_model(tmp_path / "stock", name)
    model = TrOCRGSAModel.from_encoder_decoder(encoder(16), str(tmp_path / "stock"))
    images = torch.randn(2, 1, 16, 40)
    out = model(pixel_values=images, labels=torch.tensor([[0, 7, 2], [0, 9, 2]]))
    out.loss.backward()
    assert all(weight.grad is not None for key, weight in model.decoder.named_parameters() if is_fitted(key))
    model.save_pretrained(tmp_path / "ours")
    again = TrOCRGSAModel.from_pretrained(tmp_path / "ours")
    assert torch.equal(again.generate(images, max_new_tokens=5), model.generate(images, max_new_tokens=5))


def test_transformers_own_class_takes_both_halves(tmp_path):
    stock = load_stock(make_stock_model(tmp_path / "stock", "base-printed"))
    GSANetModel(encoder(stock.encoder.config.hidden_size)).save_pretrained(tmp_path / "encoder")
    stock.decoder.save_pretrained(tmp_path / "decoder")
    model = VisionEncoderDecoderModel.from_encoder_decoder_pretrained(tmp_path / "encoder", tmp_path / "decoder")
    assert type(model) is VisionEncoderDecoderModel
    assert type(model.encoder) is GSANetModel
    ours = model.decoder.state_dict()
    assert all(torch.equal(weight, ours[key]) for key, weight in stock.decoder.state_dict().items())
    turned = [torch.randn(1, 1, 16, 40)]
    turned += [turned[0].rot90(quarters, (-2, -1)) for quarters in (1, 2, 3)]
    logits = [model(pixel_values=image, decoder_input_ids=torch.tensor([[2, 5]])).logits for image in turned]
    assert all((other - logits[0]).abs().max() < 1e-4 * logits[0].abs().max() for other in logits)
