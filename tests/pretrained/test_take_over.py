"""A TrOCR taken over reads as it did where lines are upright, and whichever way up where they are not."""

import pytest
import torch
from slow_cases import others_slow
from stock_trocr import NAMES, has_sinusoids, load_stock, make_stock_model, stock_config, stock_weights
from transformers import AutoModelForImageTextToText

from trocr_gsa import PointGroup, TrOCRGSAModel

GROUPS = ["C1", "C2", "C4", "D1", "D2", "D4"]
ONE_OF_EACH = ["small-printed", "base-handwritten", "large-stage1"]
IDS = torch.tensor([[2, 5, 7, 11], [2, 9, 3, 250]])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = tmp_path_factory.mktemp("trocr")
    return {name: make_stock_model(made / name, name) for name in NAMES}


def pictures(height=64, width=64, dtype=torch.float32):
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(3)).to(dtype)


def logits_of(model, pixel_values, **kwargs):
    with torch.no_grad():
        return model(pixel_values=pixel_values, decoder_input_ids=IDS, **kwargs).logits


def difference(found, expected):
    return float((found - expected).abs().max() / expected.abs().max())


def open_gates(model):
    """Let the poses see each other, as training would."""
    generator = torch.Generator().manual_seed(5)
    for name, weight in model.named_parameters():
        if name.endswith(("gate.weight", "encoding.pose")):
            weight.data = torch.randn(weight.shape, generator=generator).to(weight)
    return model


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [pytest.param(torch.float32, 1e-4, marks=pytest.mark.slow), (torch.float64, 1e-10)],
)
@pytest.mark.parametrize("name", NAMES)
def test_upright_its_logits_are_the_stock_models(folders, name, dtype, tolerance):
    stock = load_stock(folders[name], dtype)
    model = TrOCRGSAModel.from_trocr(folders[name]).to(dtype)
    expected = logits_of(stock, pictures(dtype=dtype))
    assert difference(logits_of(model, pictures(dtype=dtype), orientation="upright"), expected) < tolerance


@pytest.mark.parametrize(
    ("group", "pose_layers"), [*zip(GROUPS, [1] * 6, strict=True), ("C4", 0), ("C4", 2), ("D4", 2)]
)
def test_so_they_are_for_every_group_and_number_of_pose_layers(folders, group, pose_layers):
    expected = logits_of(load_stock(folders["base-printed"]), pictures())
    model = TrOCRGSAModel.from_trocr(folders["base-printed"], group=group, pose_layers=pose_layers)
    assert difference(logits_of(model, pictures(), orientation="upright"), expected) < 1e-4


@pytest.mark.parametrize("beams", others_slow([1, 3], 3))
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_upright_it_writes_what_the_stock_model_writes(folders, name, beams):
    stock, model = load_stock(folders[name]), TrOCRGSAModel.from_trocr(folders[name])
    # random weights stammer: with every token once there is more to compare
    settings = {"num_beams": beams, "max_new_tokens": 12, "no_repeat_ngram_size": 1}
    expected = stock.generate(pictures(), **settings)
    assert not torch.equal(expected[0], expected[1])
    assert torch.equal(model.generate(pictures(), orientation="upright", **settings), expected)


def test_its_generation_settings_are_the_stock_models(tmp_path):
    settings = {"max_length": 9, "num_beams": 4, "early_stopping": True, "length_penalty": 2.0}
    stock = load_stock(make_stock_model(tmp_path / "stock", "base-handwritten", **settings))
    model = TrOCRGSAModel.from_trocr(tmp_path / "stock")
    expected = stock.generate(pictures())
    assert torch.equal(model.generate(pictures(), orientation="upright"), expected)
    model.save_pretrained(tmp_path / "saved")
    loaded = TrOCRGSAModel.from_pretrained(tmp_path / "saved").eval()
    assert torch.equal(loaded.generate(pictures(), orientation="upright"), expected)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("name", others_slow(ONE_OF_EACH, "base-handwritten"))
def test_a_turned_line_is_the_same_line_gates_closed_or_open(folders, name, group):
    model = TrOCRGSAModel.from_trocr(folders[name], group=group).double()
    turns = PointGroup.from_name(group)
    images = pictures(dtype=torch.float64)
    for reader in (model, open_gates(model)):
        expected, text = logits_of(reader, images), reader.generate(images, max_new_tokens=4, no_repeat_ngram_size=1)
        for element in range(turns.order):
            turned = turns.transform_image(images, element)
            assert difference(logits_of(reader, turned), expected) < 1e-10
            assert torch.equal(reader.generate(turned, max_new_tokens=4, no_repeat_ngram_size=1), text)


def test_all_poses_read_together_are_the_same_turned(folders):
    turns = PointGroup.from_name("D4")
    model = open_gates(TrOCRGSAModel.from_trocr(folders["base-printed"], group="D4", pose_layers=2).double())
    images = pictures(dtype=torch.float64)
    expected = logits_of(model, images)
    for element in range(turns.order):
        assert difference(logits_of(model, turns.transform_image(images, element)), expected) < 1e-10


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_turned_line_is_another_one_to_the_stock_model(folders, name):
    """The control."""
    stock = load_stock(folders[name])
    assert difference(logits_of(stock, pictures().rot90(1, (2, 3))), logits_of(stock, pictures())) > 0.05


def test_open_gates_are_heard(folders):
    """The control: the poses do see each other once they may."""
    model = TrOCRGSAModel.from_trocr(folders["base-printed"])
    expected = logits_of(model, pictures(), orientation="upright")
    assert difference(logits_of(open_gates(model), pictures(), orientation="upright"), expected) > 0.01


@pytest.mark.parametrize("angle", others_slow([0, 90, 180, 270], 90))
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_told_how_a_line_lies_it_has_the_stock_models_logits_of_the_upright_line(folders, name, angle):
    expected = logits_of(load_stock(folders[name]), pictures())
    model = TrOCRGSAModel.from_trocr(folders[name])
    turned = pictures().rot90(angle // 90, (2, 3))
    assert difference(logits_of(model, turned, orientation={angle: 1.0}), expected) < 1e-4


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_saved_and_loaded_it_is_the_same(folders, tmp_path, name):
    model = TrOCRGSAModel.from_trocr(folders[name])
    model.save_pretrained(tmp_path)
    loaded, found = AutoModelForImageTextToText.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is TrOCRGSAModel
    assert not any(found.values())
    loaded.eval()
    for orientation in ("upright", "any"):
        expected = logits_of(model, pictures(), orientation=orientation)
        assert torch.equal(logits_of(loaded, pictures(), orientation=orientation), expected)
    expected = load_stock(folders[name]).generate(pictures(), max_new_tokens=8)
    assert torch.equal(loaded.generate(pictures(), max_new_tokens=8, orientation="upright"), expected)


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_of_the_file_is_in_the_reader(tmp_path, name):
    weights = stock_weights(stock_config(name), pooler=True)
    model = TrOCRGSAModel.from_trocr(make_stock_model(tmp_path, name, pooler=True))
    ours = [weight.flatten() for weight in model.state_dict().values()]
    table = weights.pop("encoder.embeddings.position_embeddings")[0]
    tokens = [weights.pop("encoder.embeddings.cls_token")]
    if name.startswith("small"):
        tokens.append(weights.pop("encoder.embeddings.distillation_token"))
    class_tokens = torch.cat(tokens)[:, 0] + table[: len(tokens)]  # what a ViT adds up for every picture
    assert torch.equal(model.encoder.embeddings.class_tokens, class_tokens)
    assert torch.equal(model.encoder.embeddings.position.weight, table[len(tokens) :])
    lost = {
        key
        for key, weight in weights.items()
        if not any(torch.equal(weight.flatten(), other) for other in ours if len(other) == weight.numel())
    }
    no_use = {"encoder.pooler.dense.weight", "encoder.pooler.dense.bias"}  # is not asked by a decoder
    if name.startswith("small"):
        no_use |= {key for key in weights if key.endswith("attention.key.bias")}  # cancels in the softmax
    if has_sinusoids(name):
        no_use |= {"decoder.model.decoder.embed_positions._float_tensor"}  # has the type and device of a table
    assert lost == no_use


@pytest.mark.parametrize(
    ("name", "size"),
    [("small-printed", (96, 96)), ("base-printed", (48, 48)), ("small-printed", (64, 96)), ("base-printed", (32, 160))],
    ids=str,
)
def test_pictures_of_another_size_interpolate_the_position_table_as_a_vit_does(folders, name, size):
    images = pictures(*size)
    expected = logits_of(load_stock(folders[name]), images, interpolate_pos_encoding=True)
    model = TrOCRGSAModel.from_trocr(folders[name])
    assert difference(logits_of(model, images, orientation="upright"), expected) < 1e-4
    double = model.double()
    lying = logits_of(double, images.double())
    assert difference(logits_of(double, images.double().rot90(1, (2, 3))), lying) < 1e-10


def test_two_conversions_are_equal(folders):
    first, second = (TrOCRGSAModel.from_trocr(folders["base-printed"]).state_dict() for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
