"""Turning the image turns the encoder's poses and changes nothing else, for every element of every exact group."""

import pytest
import torch
from sharp_weights import sharpened, with_lora
from slow_cases import others_slow
from tiny_models import EXACT_GROUPS, LAYERS, PATCH, difference, encoder_config, noise, tiny_encoder, turns

from trocr_gsa import GSANetModel, PointGroup
from trocr_gsa.equivariance import equivariance_error, turn_image, turn_poses, turn_raster
from trocr_gsa.model import embeddings

EVERY_DEPTH = [0, 1, LAYERS]
SHAPES = [(2, 5), (3, 3), (1, 4)]


def adapted_everywhere(model):
    """Adapters on lifting, group layers and the layers of the chosen pose alike."""
    adapted = with_lora(model)
    assert len([name for name, _ in adapted.named_parameters() if "lora_B" in name]) == 4 * (1 + LAYERS)
    return adapted


def worst_error(model, group, images) -> float:
    """How far pose logits and the chosen pose's tokens are from what turning may do to them."""
    upright = model(images)
    errors = []
    for element, turned in enumerate(turns(group, images)):
        out = model(turned)
        errors.append(difference(out.pose_logits, turn_poses(group, element, upright.pose_logits)))
        errors.append(difference(out.pose_hidden_state, upright.pose_hidden_state))
        errors.append(difference(out.pose_positions, upright.pose_positions))
        assert torch.equal(out.pose, group.product[element, upright.pose])
    return max(errors)


@pytest.mark.parametrize("shape", others_slow(SHAPES, SHAPES[0]))
@pytest.mark.parametrize("absolute_position", others_slow(["centred", "none"], "centred"))
@pytest.mark.parametrize("pose_layers", EVERY_DEPTH)
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_turning_permutes_the_poses_and_leaves_the_chosen_one_alone(name, pose_layers, absolute_position, shape):
    model = tiny_encoder(group=name, pose_layers=pose_layers, absolute_position=absolute_position)
    assert worst_error(model, model.group, noise(*shape, batch=2)) < 1e-11


@pytest.mark.parametrize("pose_sum", ["query", "encoding"])
@pytest.mark.parametrize("name", ["C4", "D4"])
def test_the_double_sums_do_too(name, pose_sum):
    model = tiny_encoder(group=name, pose_layers=LAYERS, pose_sum=pose_sum)
    assert worst_error(model, model.group, noise(2, 3)) < 1e-11


@pytest.mark.parametrize("pose_layers", others_slow(EVERY_DEPTH, 1))
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_an_adapter_on_every_projection_changes_nothing_about_it(name, pose_layers):
    model = tiny_encoder(group=name, pose_layers=pose_layers)
    images = noise(2, 5)
    plain = model(images).pose_hidden_state
    adapted = adapted_everywhere(model)
    assert difference(adapted(images).pose_hidden_state, plain) > 1e-3
    assert worst_error(adapted, PointGroup.from_name(name), images) < 1e-11


@pytest.mark.parametrize("shape", ["disc", "square"])
@pytest.mark.parametrize("name", ["C4", "D4"])
def test_a_neighbourhood_changes_nothing_about_it(name, shape):
    model = tiny_encoder(group=name, neighbourhood=1.5, neighbourhood_shape=shape)
    assert worst_error(model, model.group, noise(3, 5)) < 1e-11


@pytest.mark.parametrize("absolute_position", ["centred", "none"])
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_with_every_layer_across_poses_the_tokens_are_permuted(name, absolute_position):
    model = tiny_encoder(group=name, pose_layers=LAYERS, absolute_position=absolute_position)

    def tokens(images):
        rows, columns = (side // PATCH for side in images.shape[-2:])
        field = model(images).last_hidden_state.unflatten(1, (model.group.order, rows, columns))
        return field.movedim(-1, 2)

    assert equivariance_error(tokens, model.group, noise(2, 5), turn_image, turn_raster) < 1e-11


@pytest.mark.parametrize("name", ["C2", "C4", "D1", "D2", "D4"])
def test_an_embedding_that_does_not_unrotate_patches_breaks_it(name, monkeypatch):
    """The control: every pose sees the patch as it lies."""

    def seen_by_nobody(patches, group, patch_size):
        return patches[:, None].expand(-1, group.order, -1, -1)

    monkeypatch.setattr(embeddings, "see_from_poses", seen_by_nobody)
    model = tiny_encoder(group=name)
    error = equivariance_error(lambda x: model(x).pose_logits, model.group, noise(2, 5), act_out=turn_poses)
    assert error > 1e-3


def test_each_pose_is_the_likeliest_for_some_image():
    """Otherwise the choice of a pose would be no choice."""
    model = tiny_encoder(group="C4")
    images = noise(2, 5)
    assert {int(model(turned).pose) for turned in turns(model.group, images)} == {0, 1, 2, 3}


def test_a_labelled_pose_is_taken_instead_of_the_likeliest():
    model = tiny_encoder(group="C4")
    images = noise(2, 5)
    likeliest = model(images)
    other = (likeliest.pose + 1) % 4
    labelled = model(images, pose_labels=other)
    assert torch.equal(labelled.pose, other)
    assert torch.equal(labelled.pose_logits, likeliest.pose_logits)
    assert difference(labelled.pose_hidden_state, likeliest.pose_hidden_state) > 1e-3


def test_a_prior_is_added_to_the_pose_scores():
    model = tiny_encoder(group="C4")
    images, prior = noise(2, 5, batch=2), torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    plain = model(images).pose_logits
    assert difference(model(images, pose_bias=prior.log()).pose_logits, (plain + prior.log()).log_softmax(-1)) < 1e-12


def interior(absolute_position: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens that see the same neighbourhoods, in two crops of one page that are a patch apart each way."""
    model = sharpened(
        GSANetModel(encoder_config(pose_layers=LAYERS, neighbourhood=1.0, absolute_position=absolute_position))
    )
    page = noise(9, 12)
    first, second = page[..., :-PATCH, :-PATCH], page[..., PATCH:, PATCH:]
    fields = [model(crop).last_hidden_state.unflatten(1, (4, 8, 11)) for crop in (first, second)]
    return fields[0][:, :, 4:5, 4:8], fields[1][:, :, 3:4, 3:7]


def test_without_absolute_positions_shifting_the_page_shifts_the_interior():
    assert difference(*interior("none")) < 1e-11


def test_with_centred_positions_it_does_not():
    """The control."""
    assert difference(*interior("centred")) > 1e-3
