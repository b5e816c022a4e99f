"""A narrow stage finds the pose, the chosen pose's patches are embedded again: the symmetry is as exact as before."""

import pytest
import torch
from sharp_weights import with_lora
from slow_cases import others_slow
from tiny_models import EXACT_GROUPS, PATCH, as_set, difference, encoder_config, noise, tiny_encoder, tiny_reader, turns

from trocr_gsa import GSANetConfig, GSANetModel, PointGroup
from trocr_gsa.equivariance import turn_poses
from trocr_gsa.model import embeddings
from trocr_gsa.model.patches import cut_patches, see_from_pose, see_from_poses, with_margin

NARROW = {"pose_hidden_size": 8, "pose_num_attention_heads": 1, "num_hidden_layers": 3}
KINDS = [
    {},
    {"absolute_position": "none"},
    {"patch_embedding": "mlp", "patch_margin": 2},
    {"patch_embedding": "conv", "patch_margin": 1},
    {"patch_embedding": "single_conv", "patch_margin": 4},
]


BARE = {"num_frequencies": 0, "absolute_position": "none"}


def narrow_encoder(**changes):
    return tiny_encoder(**(NARROW | changes))


def worst_error(model, group, images) -> float:
    """How far pose logits and the chosen pose's tokens are from what turning may do to them."""
    upright = model(images)
    errors = []
    for element, turned in enumerate(turns(group, images)):
        out = model(turned)
        errors.append(difference(out.pose_logits, turn_poses(group, element, upright.pose_logits)))
        errors.append(difference(out.last_hidden_state, upright.last_hidden_state))
        errors.append(difference(out.pose_positions, upright.pose_positions))
    return max(errors)


@pytest.mark.parametrize("pose_layers", [0, 1, 2])
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_turning_permutes_the_poses_and_leaves_the_chosen_one_alone(name, pose_layers):
    model = narrow_encoder(group=name, pose_layers=pose_layers)
    assert worst_error(model, model.group, noise(2, 5, batch=2)) < 1e-11


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("name", ["C4", "D2", "D4"])
def test_with_every_embedding_and_a_margin(name, kind):
    model = narrow_encoder(group=name, **kind)
    assert worst_error(model, model.group, noise(3, 4)) < 1e-11


@pytest.mark.parametrize("kind", KINDS[2:], ids=str)
@pytest.mark.parametrize("name", ["C4", "D4"])
def test_one_width_keeps_it_too_with_every_embedding_and_a_margin(name, kind):
    model = tiny_encoder(group=name, **kind)
    assert worst_error(model, model.group, noise(3, 4)) < 1e-11


@pytest.mark.parametrize("pose_layers", others_slow([0, 1, 2], 1))
@pytest.mark.parametrize("name", ["C4", "D2", "D4"])
def test_adapters_on_both_stages_change_nothing_about_it(name, pose_layers):
    model, images = narrow_encoder(group=name, pose_layers=pose_layers), noise(2, 5)
    plain = model(images)
    adapted = with_lora(model)
    stages = {name.split(".")[2] for name, _ in adapted.named_parameters() if "lora_B" in name}
    assert {"lifting", "layers"} <= stages
    assert difference(adapted(images).last_hidden_state, plain.last_hidden_state) > 1e-3
    assert worst_error(adapted, PointGroup.from_name(name), images) < 1e-11


@pytest.mark.parametrize("name", ["C2", "C4", "D1", "D2", "D4"])
def test_embedding_the_chosen_patches_as_they_lie_breaks_it(name, monkeypatch):
    """The control."""
    monkeypatch.setattr(embeddings, "see_from_pose", lambda patches, *_: patches)
    model = narrow_encoder(group=name)
    assert worst_error(model, model.group, noise(2, 5)) > 1e-3


def test_a_margin_on_one_side_alone_breaks_it(monkeypatch):
    """The control: the window then lies to one side of its patch."""

    def shifted(patches, shapes, size, margin):
        return with_margin(patches, shapes, size, margin).unflatten(-1, (-1, size + 2 * margin)).roll(1, -1).flatten(-2)

    monkeypatch.setattr(embeddings, "with_margin", shifted)
    model = narrow_encoder(group="C4", patch_margin=1)
    assert worst_error(model, model.group, noise(2, 5)) > 1e-3


@pytest.mark.parametrize("name", ["C4", "D4", "C8"])
def test_one_pose_sees_what_it_sees_among_all(name):
    group = PointGroup.from_name(name)
    patches = torch.randn(group.order, 3, 2 * PATCH**2, dtype=torch.float64)
    pose = torch.arange(group.order)
    expected = see_from_poses(patches, group, PATCH)[pose, pose]
    assert difference(see_from_pose(patches, pose, group, PATCH), expected) < 1e-12


@pytest.mark.parametrize("margin", [1, 3, PATCH])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_margin_holds_the_pixels_around_the_patch_and_nothing_beyond_the_image(margin, channels):
    images = torch.randn(2, channels, 2 * PATCH, 3 * PATCH)
    patches, shapes = cut_patches(images, PATCH)
    around = torch.nn.functional.pad(images, (margin,) * 4)
    side = PATCH + 2 * margin
    expected = torch.nn.functional.unfold(around, side, stride=PATCH).transpose(1, 2)
    assert torch.equal(with_margin(patches, shapes, PATCH, margin), expected)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_batch_of_unlike_lines_is_each_line_alone_whatever_stands_in_the_padding(kind):
    model = narrow_encoder(group="C4", **kind)
    lines = [noise(2, 5), noise(4, 1), noise(1, 1)]
    together = model(**as_set(lines, filler=1e3))
    for index, line in enumerate(lines):
        alone = model(line)
        length = alone.pose_mask.shape[1]
        assert difference(together.pose_logits[index], alone.pose_logits[0]) < 1e-11
        assert difference(together.pose_hidden_state[index, :length], alone.pose_hidden_state[0]) < 1e-11


@pytest.mark.parametrize("pose_layers", [0, 1, 2])
@pytest.mark.parametrize("name", ["C4", "D4"])
def test_a_known_pose_is_read_as_under_a_prior_that_leaves_no_other(name, pose_layers):
    model, images = narrow_encoder(group=name, pose_layers=pose_layers), noise(2, 5)
    for pose in range(model.group.order):
        prior = torch.full((model.group.order,), -torch.inf, dtype=torch.float64)
        prior[pose] = 0.0
        known, told = model(images, only_pose=pose), model(images, pose_bias=prior)
        assert difference(known.last_hidden_state, told.last_hidden_state) < 1e-11


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_reader_writes_the_same_logits_from_every_side(kind):
    reader = tiny_reader(ctc_steps_per_patch=2, group="C4", **NARROW, **kind)
    letters, images = torch.tensor([[0, 5, 9]]), noise(2, 5)
    upright = reader(images, decoder_input_ids=letters).logits
    for turned in turns(reader.encoder.group, images):
        assert difference(reader(turned, decoder_input_ids=letters).logits, upright) < 1e-11


def test_both_stages_learn_from_the_text():
    reader = tiny_reader(ctc_steps_per_patch=2, group="C4", **NARROW, patch_embedding="conv", patch_margin=1).train()
    reader(pixel_values=noise(2, 5), labels=torch.tensor([[5, 9, 1]])).loss.backward()
    without = [name for name, weight in reader.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert without == []


def test_without_a_pose_width_the_encoder_is_the_one_that_was():
    names = set(GSANetModel(encoder_config()).state_dict())
    assert not any("chosen_embeddings" in name for name in names)
    assert {"embeddings.projection.weight", "pose_head.dense.weight"} <= names


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("trained", [False, True])
def test_many_patches_are_embedded_as_each_alone(channels, trained):
    embedding = embeddings.ConvPatchEmbedding(channels, 12, 24, "gelu").double().requires_grad_(trained)
    shape = (2, embeddings.PATCHES_ON_CPU, channels * 12 * 12)  # more than are embedded at once
    patches = torch.randn(shape, dtype=torch.float64)
    together = embedding(patches)
    alone = torch.stack([embedding(patch) for patch in patches.flatten(0, 1)[:, None]]).view_as(together)
    assert difference(together, alone) < 1e-12


def test_the_pose_stage_is_narrow_in_every_part():
    model = GSANetModel(encoder_config(**NARROW))
    widths = {part.shape[-1] for name, part in model.lifting.named_parameters() if "norm" in name}
    assert widths == {8}
    assert model.lifting.mlp.fc1.out_features == 12  # 24 · 8 / 16
    assert model.pose_head.dense.in_features == 8
    assert model.layers[0].attention.q_proj.in_features == 16


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"pose_hidden_size": 9, "pose_num_attention_heads": 2}, "pose_hidden_size"),
        ({"pose_hidden_size": 0}, "pose_hidden_size"),
        ({"pose_hidden_size": 8, "pose_num_attention_heads": 0}, "pose_num_attention_heads"),
        ({"pose_hidden_size": 8, "pose_layers": 2}, "pose_hidden_size"),
        ({"pose_hidden_size": 8, "num_class_tokens": 1} | BARE, "num_class_tokens"),
        ({"pose_hidden_size": 8, "absolute_position": "table", "image_size": 16}, "absolute_position"),
        ({"patch_margin": PATCH + 1}, "patch_margin"),
        ({"patch_margin": -1}, "patch_margin"),
        ({"patch_embedding": "deep"}, "patch_embedding"),
    ],
    ids=str,
)
def test_an_impossible_stage_is_refused_by_name(wrong, field):
    with pytest.raises(ValueError, match=f"`{field}"):
        encoder_config(**wrong)


def test_a_configuration_from_before_has_one_width():
    config = GSANetConfig.from_dict({"model_type": "gsa-net", "hidden_size": 192, "num_attention_heads": 4})
    assert (config.pose_hidden_size, config.pose_width, config.pose_heads) == (None, 192, 4)
