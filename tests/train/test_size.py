"""Models that no machine could hold are refused before they are built."""

import json
import re
import time
from pathlib import Path

import pytest

from trocr_gsa.checkpoints.model_size import _decoder_weights, _encoder_weights, check_size
from trocr_gsa.checkpoints.models import load_model
from trocr_gsa.model.configuration_gsa_net import GSANetConfig
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.build import new_model


@pytest.mark.parametrize(
    ("sizes", "complaint"),
    [
        ({"encoder_hidden_size": 1_200_000}, "`encoder_*` would have about"),
        ({"encoder_intermediate_size": 10_000_000, "encoder_hidden_size": 12_000}, "`encoder_*` would have about"),
        ({"encoder_absolute_position": "table", "encoder_image_size": 1_600_000}, "`encoder_*` would have about"),
        ({"encoder_patch_size": 100_000}, "`encoder_*` would have about"),
        ({"decoder_d_model": 1_000_000}, "`encoder_* and decoder_*` would have about"),
        ({"decoder_layers": 1000, "decoder_d_model": 100_000}, "`encoder_* and decoder_*` would have about"),
        ({"decoder_vocab_size": 10}, "`decoder_vocab_size` must be at least 259"),
        ({"encoder_hidden_size": "wide"}, "`encoder_*`: Validation error for field 'hidden_size'"),
        ({"decoder_d_model": 5.5}, "`decoder_*`: Validation error for field 'd_model'"),
    ],
)
def test_a_new_model_that_is_too_large_is_refused_at_once(sizes, complaint):
    arguments = TrainingArguments.from_dict({"train": "lines", "method": "full", "device": "cpu"} | sizes)
    start = time.process_time()
    with pytest.raises(ValueError, match=re.escape(complaint)):
        new_model(arguments)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("half", "field", "value"),
    [
        ("encoder", "num_hidden_layers", 10_000_000),
        ("encoder", "num_frequencies", 10_000_000),
        ("encoder", "hidden_size", 5_000_000),
        ("encoder", "hidden_size", "wide"),
        ("decoder", "decoder_layers", 10_000_000),
        ("decoder", "vocab_size", 10**15),
        ("decoder", "d_model", -4),
    ],
)
def test_a_checkpoint_whose_configuration_claims_too_much_is_refused_at_once(checkpoint, half, field, value):
    path = Path(checkpoint) / "config.json"
    config = json.loads(path.read_text())
    config[half][field] = value
    path.write_text(json.dumps(config))
    start = time.process_time()
    with pytest.raises(ValueError, match=rf"`model`: .*((`|'){field}(`|')|negative dimension)"):
        load_model(checkpoint)
    assert time.process_time() - start < 2


def test_the_estimate_counts_the_weights_of_a_model(tiny):
    model, _ = tiny
    decoder = sum(weight.numel() for weight in model.decoder.parameters())
    assert _decoder_weights(model.decoder.config) == pytest.approx(decoder, rel=0.3)
    encoder = sum(weight.numel() for weight in model.encoder.parameters())
    assert _encoder_weights(model.encoder.config) == pytest.approx(encoder, rel=0.5)


def test_sizes_of_known_models_are_not_refused():
    check_size(
        GSANetConfig(hidden_size=1024, num_attention_heads=16, num_hidden_layers=24, intermediate_size=4096),
        None,
        "model",
    )
