"""What is no TrOCR, or not a whole one, is refused in one error that names the folder, the field or the tensor."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from stock_trocr import encoder_config, make_stock_model, stock_config, stock_weights, write_model
from transformers import (
    DonutSwinConfig,
    DonutSwinModel,
    MBartConfig,
    MBartForCausalLM,
    TrOCRConfig,
    TrOCRForCausalLM,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTModel,
)

from trocr_gsa import TrOCRGSAModel

QUERY = "encoder.encoder.layer.1.attention.attention.query.weight"
TINY_VIT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def refused(folder, message, **settings):
    with pytest.raises(ValueError, match=message):
        TrOCRGSAModel.from_trocr(str(folder), **settings)


@pytest.fixture
def folder(tmp_path):
    return make_stock_model(tmp_path / "stock", "base-printed")


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("path", ["/no/such/folder", "no such folder", "nobody/no-such-trocr"])
def test_a_folder_or_hub_id_out_of_reach_is_named(path):
    refused(path, f"`path_or_hub_id`: .*{path}")


def test_an_empty_folder_is_named(tmp_path):
    refused(tmp_path, f"`path_or_hub_id`: .*{tmp_path}: there is no config.json")


def test_a_folder_without_weights_is_named(folder):
    (folder / "model.safetensors").unlink()
    refused(folder, f"`path_or_hub_id`: {folder} has no weights .model.safetensors")


def test_a_cut_weight_file_is_said(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    refused(folder, f"`path_or_hub_id`: {weights} is damaged")


def test_a_pickle_is_not_loaded(tmp_path):
    folder = make_stock_model(tmp_path, "base-printed", safe=False)
    refused(folder, r"`path_or_hub_id`: the only weights .* are pickled \(pytorch_model.bin\)")


def test_a_config_that_is_no_json_is_said(folder):
    (folder / "config.json").write_text("{")
    refused(folder, "`path_or_hub_id`: .*JSON")


def test_a_bare_vit_is_no_trocr(tmp_path):
    ViTModel(ViTConfig(**TINY_VIT, image_size=32)).save_pretrained(tmp_path)
    refused(tmp_path, "is not a TrOCR: expected .* vit or deit and trocr, got vit")


def test_a_bare_decoder_is_no_trocr(tmp_path):
    sizes = {"vocab_size": 20, "d_model": 16, "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16}
    TrOCRForCausalLM(TrOCRConfig(**sizes)).save_pretrained(tmp_path)
    refused(tmp_path, "is not a TrOCR: .* got trocr")


def test_another_encoder_and_decoder_are_named(tmp_path):
    donut = VisionEncoderDecoderModel(
        encoder=DonutSwinModel(DonutSwinConfig(image_size=32, embed_dim=8, depths=[1, 1], num_heads=[1, 2])),
        decoder=MBartForCausalLM(
            MBartConfig(vocab_size=20, d_model=16, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16)
        ),
    )
    donut.save_pretrained(tmp_path)
    refused(tmp_path, "is not a TrOCR: expected .* got donut-swin and mbart")


def test_a_reader_of_this_package_is_told_apart(folder, tmp_path):
    TrOCRGSAModel.from_trocr(str(folder)).save_pretrained(tmp_path / "ours")
    refused(tmp_path / "ours", "is a reader of this package already. Load it with `from_pretrained`")


@pytest.mark.parametrize(
    ("field", "sides", "found"), [("image_size", [32, 64], "32×64"), ("patch_size", [16, 8], "16×8")]
)
def test_a_rectangle_is_refused(tmp_path, field, sides, found):
    weights = stock_weights(stock_config("base-printed"))
    folder = write_model(tmp_path, stock_config("base-printed", encoder={field: sides}), weights)
    refused(folder, f"`{field}` must be a square.*got {found}")


def test_a_square_written_as_two_sides_is_one(tmp_path):
    weights = stock_weights(stock_config("base-printed"))
    sides = {"image_size": [64, 64], "patch_size": [16, 16]}
    folder = write_model(tmp_path, stock_config("base-printed", encoder=sides), weights)
    encoder = TrOCRGSAModel.from_trocr(str(folder)).encoder.config
    assert (encoder.image_size, encoder.patch_size) == (64, 16)


def test_a_rectangular_position_table_is_refused_by_name_and_shapes(folder):
    table = torch.zeros(1, 4 * 6 + 1, encoder_config("base-printed")["hidden_size"])
    change_weights(folder, lambda weights: weights.update({"encoder.embeddings.position_embeddings": table}))
    refused(folder, r"embeddings\.position_embeddings .*expected \(1, 17, 32\), found \(1, 25, 32\)")


def test_a_misshapen_tensor_is_named_with_both_shapes(folder):
    change_weights(folder, lambda weights: weights.update({QUERY: torch.zeros(7, 32)}))
    refused(folder, r"the tensor encoder\.layers\.1\.attention\.q_proj\.weight .*expected \(32, 32\), found \(7, 32\)")


@pytest.mark.parametrize(
    ("key", "named"),
    [
        (QUERY, r"encoder\.layers\.1\.attention\.q_proj\.weight"),
        ("encoder.embeddings.cls_token", r"encoder\.embeddings\.cls_token"),
        ("encoder.layernorm.bias", r"encoder\.layernorm\.bias"),
        ("decoder.model.decoder.embed_positions.weight", r"decoder\.model\.decoder\.embed_positions\.weight"),
        ("decoder.model.decoder.layers.1.fc2.bias", r"decoder\.model\.decoder\.layers\.1\.fc2\.bias"),
    ],
)
def test_a_missing_tensor_is_named(folder, key, named):
    change_weights(folder, lambda weights: weights.pop(key))
    refused(folder, f"1 tensors are missing, the first is {named}")


def test_an_untied_projection_that_is_missing_is_named(tmp_path):
    folder = make_stock_model(tmp_path, "small-printed")
    change_weights(folder, lambda weights: weights.pop("decoder.output_projection.weight"))
    refused(folder, r"1 tensors are missing, the first is decoder\.output_projection\.weight")


@pytest.mark.parametrize("kept", ["decoder.output_projection.weight", "decoder.model.decoder.embed_tokens.weight"])
def test_a_tied_projection_may_be_stored_once(folder, kept):
    weights = load_file(folder / "model.safetensors")
    tied = {"decoder.output_projection.weight", "decoder.model.decoder.embed_tokens.weight"}
    change_weights(folder, lambda weights: weights.pop((tied - {kept}).pop()))
    decoder = TrOCRGSAModel.from_trocr(str(folder)).decoder
    assert torch.equal(decoder.output_projection.weight, weights[kept])
    assert torch.equal(decoder.get_input_embeddings().weight, weights[kept])


def test_a_tensor_without_a_place_is_named(folder):
    change_weights(folder, lambda weights: weights.update({"encoder.adapter.weight": torch.zeros(3)}))
    refused(folder, r"1 tensors are not used by this model, the first is encoder\.adapter\.weight")


def test_weights_of_more_layers_than_the_config_says_are_refused(tmp_path):
    config = stock_config("base-printed")
    write_model(tmp_path, stock_config("base-printed", encoder={"num_hidden_layers": 2}), stock_weights(config))
    refused(tmp_path, r"not used by this model, the first is encoder\.")


@pytest.mark.parametrize("group", ["C8", "C12", "D8"])
def test_a_group_that_cannot_turn_a_table_is_refused(folder, group):
    refused(folder, f"`group`.*{group}", group=group)


def test_a_group_that_is_none_is_refused(folder):
    refused(folder, "`group` must be C or D and .*'E4'", group="E4")


@pytest.mark.parametrize("pose_layers", [-1, 3])
def test_more_pose_layers_than_layers_are_refused(folder, pose_layers):
    refused(folder, f"`pose_layers` must lie between 0 and .*= 2, got {pose_layers}", pose_layers=pose_layers)
