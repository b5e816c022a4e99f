"""The makers' folders are what transformers takes for a TrOCR: every tensor finds its place."""

import pytest
import torch
from stock_trocr import NAMES, has_sinusoids, load_stock, make_stock_model, stock_config, stock_weights
from transformers import VisionEncoderDecoderModel

POOLER = {"encoder.pooler.dense.weight", "encoder.pooler.dense.bias"}
SINUSOIDS = {"decoder.model.decoder.embed_positions._float_tensor"}


@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
@pytest.mark.parametrize("name", NAMES)
def test_transformers_misses_nothing_but_the_pooler_that_no_published_file_holds(tmp_path, name, safe):
    folder = make_stock_model(tmp_path, name, safe=safe)
    _, found = VisionEncoderDecoderModel.from_pretrained(folder, output_loading_info=True)
    assert found["missing_keys"] == POOLER
    assert found["unexpected_keys"] == (SINUSOIDS if has_sinusoids(name) else set())
    assert not found["mismatched_keys"]


@pytest.mark.parametrize("name", ["small-printed", "base-handwritten", "large-stage1"])
def test_every_tensor_of_the_file_is_in_the_model(tmp_path, name):
    model = load_stock(make_stock_model(tmp_path, name, pooler=True))
    inside = list(model.state_dict().values())
    for key, weight in stock_weights(stock_config(name), pooler=True).items():
        if key not in SINUSOIDS:
            assert any(torch.equal(weight, other) for other in inside if other.shape == weight.shape), key


@pytest.mark.parametrize("name", NAMES)
def test_another_picture_gives_other_logits(tmp_path, name):
    model = load_stock(make_stock_model(tmp_path, name))
    pictures, ids = torch.randn(2, 3, 64, 64), torch.tensor([[2, 5, 7]] * 2)
    with torch.no_grad():
        logits = model(pixel_values=pictures, decoder_input_ids=ids).logits
    assert (logits[0] - logits[1]).abs().max() > 0.1


@pytest.mark.parametrize("name", ["small-handwritten", "base-handwritten"])
def test_generation_settings_of_an_old_config_arrive(tmp_path, name):
    old = load_stock(make_stock_model(tmp_path / "published", name)).generation_config
    assert (old.max_length, old.num_beams, old.decoder_start_token_id, old.eos_token_id) == (20, 1, 2, 2)
    settings = {"max_length": 64, "num_beams": 4, "early_stopping": True, "length_penalty": 2.0}
    tuned = load_stock(make_stock_model(tmp_path / "tuned", name, **settings)).generation_config
    assert {field: getattr(tuned, field) for field in settings} == settings
