"""What cannot be built is refused, and the field that is wrong is named."""

import pytest
from huggingface_hub.errors import StrictDataclassError
from tiny_models import decoder_config, encoder_config, reader_config
from transformers import AutoConfig

from trocr_gsa import (
    GSANetConfig,
    GSANetModel,
    SquareImageProcessor,
    TrOCRGSAConfig,
    TrOCRGSAImageProcessor,
    TrOCRGSAModel,
)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"group": "SO2"}, "group"),
        ({"group": "c4"}, "group"),
        ({"pose_layers": 3}, "pose_layers"),
        ({"pose_layers": -1}, "pose_layers"),
        ({"hidden_size": 18, "num_attention_heads": 4}, "hidden_size"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"num_attention_heads": 0}, "num_attention_heads"),
        ({"num_hidden_layers": 0, "pose_layers": 0}, "num_hidden_layers"),
        ({"intermediate_size": 0}, "intermediate_size"),
        ({"patch_size": 0}, "patch_size"),
        ({"num_channels": 0}, "num_channels"),
        ({"num_frequencies": 0}, "num_frequencies"),
        ({"pose_sum": "all"}, "pose_sum"),
        ({"absolute_position": "table"}, "image_size"),
        ({"absolute_position": "table", "image_size": 62}, "image_size"),
        ({"absolute_position": "table", "image_size": 64, "group": "C8"}, "group"),
        ({"num_class_tokens": 1}, "num_class_tokens"),
        ({"hidden_act": "gello"}, "hidden_act"),
        ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob"),
        ({"neighbourhood": -1.0}, "neighbourhood"),
        ({"neighbourhood": float("nan")}, "neighbourhood"),
        ({"neighbourhood_shape": "hexagon"}, "neighbourhood_shape"),
        ({"group": "C8", "neighbourhood": 2.0, "neighbourhood_shape": "square"}, "neighbourhood_shape"),
    ],
    ids=str,
)
def test_an_encoder_that_cannot_be_is_refused(changes, field):
    with pytest.raises(ValueError, match=f"`{field}` must .*, got|`{field}` must be .*: "):
        GSANetModel(encoder_config(**changes))


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"hidden_size": "wide"}, "hidden_size"), ({"group": 4}, "group"), ({"pose_layers": 1.5}, "pose_layers")],
)
def test_a_value_of_a_wrong_type_names_its_field(changes, field):
    """The library's own check, which comes before ours."""
    with pytest.raises(StrictDataclassError, match=f"'{field}' expected .*, got "):
        encoder_config(**changes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ctc_steps_per_patch", -1),
        ("ctc_loss_weight", -0.1),
        ("pose_loss_weight", float("nan")),
        ("ctc_decoding_weight", 1.0),
        ("ctc_decoding_weight", -0.1),
        ("confidence_temperature", 0.0),
        ("empty_paper_confidence", 1.1),
    ],
)
def test_a_reader_with_a_number_out_of_range_is_refused(field, value):
    with pytest.raises(ValueError, match=f"`{field}` must .*, got {value}"):
        TrOCRGSAConfig(encoder=encoder_config().to_dict(), decoder=decoder_config().to_dict(), **{field: value})


@pytest.mark.parametrize(
    ("kind", "wrong", "right"),
    [
        (GSANetConfig, "hiden_size", "hidden_size"),
        (GSANetConfig, "neighborhood", "neighbourhood"),
        (TrOCRGSAConfig, "ctc_los_weight", "ctc_loss_weight"),
        (TrOCRGSAImageProcessor, "line_heigth", "line_height"),
        (SquareImageProcessor, "image_means", "image_mean"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_one_that_is_meant(kind, wrong, right):
    with pytest.raises(ValueError, match=f"`{wrong}` is not a setting of {kind.__name__}. Did you mean `{right}`?"):
        kind(**{wrong: 32})


@pytest.mark.parametrize("kind", [GSANetConfig, TrOCRGSAConfig, TrOCRGSAImageProcessor, SquareImageProcessor])
def test_keys_of_other_models_and_of_transformers_itself_are_kept(kind):
    """The control: a configuration holds what others put there."""
    kept = kind(author="me", qkv_bias=True, bos_token_id=3, num_labels=4, dtype="float32", processor_class="Mine")
    assert (kept.author, kept.qkv_bias) == ("me", True)


def test_a_decoder_for_another_width_is_refused():
    config = TrOCRGSAConfig.from_encoder_decoder_configs(
        encoder_config(), decoder_config(cross_attention_hidden_size=24)
    )
    with pytest.raises(ValueError, match=r"`cross_attention_hidden_size`.* Got 24 .* 16"):
        TrOCRGSAModel(config)


def test_a_reader_refuses_an_encoder_that_cannot_be():
    with pytest.raises(ValueError, match="`group`"):
        TrOCRGSAConfig(encoder={"group": "SO2"}, decoder=decoder_config().to_dict())


def test_both_configurations_come_back_from_a_file(tmp_path):
    config = reader_config(ctc_steps_per_patch=3, group="D4", neighbourhood=2.5, pose_sum="query")
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is TrOCRGSAConfig
    assert type(loaded.encoder) is GSANetConfig
    assert (loaded.encoder.group, loaded.encoder.neighbourhood, loaded.encoder.pose_sum) == ("D4", 2.5, "query")
    assert (loaded.ctc_steps_per_patch, loaded.ctc_loss_weight, loaded.pose_loss_weight) == (3, 0.7, 0.2)
    assert loaded.decoder.add_cross_attention
    assert loaded.decoder.is_decoder


def test_whole_numbers_are_numbers():
    assert (
        encoder_config(neighbourhood=2, hidden_dropout_prob=0, layer_norm_eps=1, initializer_range=1).neighbourhood == 2
    )
