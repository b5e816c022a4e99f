"""What the encoder returns on request, as transformers' models do, and what it refuses."""

import pytest
import torch
from tiny_models import HIDDEN, LAYERS, difference, noise, tiny_encoder, tiny_reader, turns

from trocr_gsa import GSANetForImageClassification, TrOCRGSAModel
from trocr_gsa.equivariance import turn_poses
from trocr_gsa.model.modeling_gsa_net import logger

NARROW = {"pose_hidden_size": 8, "pose_num_attention_heads": 1, "num_hidden_layers": 3}


@pytest.mark.parametrize("pose_layers", [0, 1, LAYERS])
def test_hidden_states_are_what_goes_into_every_layer_and_what_the_last_makes(pose_layers):
    model, images = tiny_encoder(group="C4", pose_layers=pose_layers), noise(2, 3)
    out = model(images, output_hidden_states=True)
    shapes = [(1, 4, 6, HIDDEN)] * (1 + pose_layers) + [(1, 6, HIDDEN)] * (LAYERS - pose_layers)
    last = (1, 6, HIDDEN) if pose_layers < LAYERS else (1, 4, 6, HIDDEN)
    assert [tuple(state.shape) for state in out.hidden_states] == [*shapes, last]
    assert difference(model.layernorm(out.hidden_states[-1]).reshape(1, -1, HIDDEN), out.last_hidden_state) < 1e-12


def test_of_a_narrow_stage_they_have_its_width():
    out = tiny_encoder(group="C4", **NARROW)(noise(2, 3), output_hidden_states=True)
    assert [state.shape[-1] for state in out.hidden_states] == [8, 8, HIDDEN, HIDDEN, HIDDEN]


def test_turning_the_image_permutes_their_poses_or_leaves_them_alone():
    model, images = tiny_encoder(group="C4", pose_layers=1), noise(2, 3)
    upright = model(images, output_hidden_states=True).hidden_states
    for element, turned in enumerate(turns(model.group, images)):
        states = model(turned, output_hidden_states=True).hidden_states
        across, behind = states[0].mean(2), states[-1]
        assert difference(across, turn_poses(model.group, element, upright[0].mean(2))) < 1e-11
        assert difference(behind, upright[-1]) < 1e-11


def test_nothing_is_kept_that_nobody_asked_for():
    assert tiny_encoder(group="C4")(noise(2, 3)).hidden_states is None


def test_the_configuration_asks_too():
    model = tiny_encoder(group="C4")
    model.config.output_hidden_states = True
    assert len(model(noise(2, 3)).hidden_states) == LAYERS + 2


def test_without_a_dict_a_tuple_is_returned():
    model, images = tiny_encoder(group="C4"), noise(2, 3)
    out = model(images, return_dict=False)
    assert isinstance(out, tuple)
    assert torch.equal(out[0], model(images).last_hidden_state)


@pytest.mark.parametrize("wrong", ["pixel_mask", "output_hidden_state"])
def test_an_argument_that_it_does_not_know_is_refused(wrong):
    with pytest.raises(TypeError, match=wrong):
        tiny_encoder(group="C4")(noise(2, 3), **{wrong: True})


@pytest.mark.parametrize("pose_sum", ["none", "query", "encoding"])
@pytest.mark.parametrize("pose_layers", [0, 1, LAYERS])
def test_attentions_of_every_layer_are_probabilities_if_they_are_computed(pose_layers, pose_sum):
    model, images = tiny_encoder(group="C4", pose_layers=pose_layers, pose_sum=pose_sum), noise(2, 3)
    model.set_attn_implementation("eager")
    out = model(images, output_attentions=True)
    across = (1, 2, 24 if pose_sum == "none" else 4 * 24, 24)
    shapes = [(1, 4, 2, 6, 6)] + [across] * pose_layers + [(1, 2, 6, 6)] * (LAYERS - pose_layers)
    assert [tuple(weights.shape) for weights in out.attentions] == shapes
    assert all((weights.sum(-1) - 1).abs().max() < 1e-12 for weights in out.attentions)
    assert model(images).attentions is None


def test_a_gated_layer_has_those_within_each_pose():
    model = tiny_encoder(group="C4", cross_pose_gate=True)
    model.set_attn_implementation("eager")
    out = model(noise(2, 3), output_attentions=True)
    assert [tuple(weights.shape) for weights in out.attentions] == [(1, 4, 2, 6, 6)] * 2 + [(1, 2, 6, 6)]


def test_turning_the_image_moves_its_attention_with_it():
    model, images = tiny_encoder(group="C4", pose_layers=1), noise(2, 3)
    model.set_attn_implementation("eager")
    upright, *others = (model(image, output_attentions=True).attentions[-1] for image in turns(model.group, images))
    assert all(difference(weights, upright) < 1e-11 for weights in others)  # in reading order of the chosen pose


def test_attentions_that_no_kernel_computes_are_missing_with_a_warning(monkeypatch):
    said = []
    monkeypatch.setattr(logger, "warning_once", said.append)
    assert tiny_encoder(group="C4")(noise(2, 3), output_attentions=True).attentions is None
    assert '`output_attentions` needs "eager" attention, got "sdpa"' in said[0]


@pytest.mark.parametrize("cls", [TrOCRGSAModel, GSANetForImageClassification])
def test_trainer_is_told_that_the_loss_is_a_mean(cls):
    """Otherwise it takes gradients as many times too large as it accumulates batches."""
    assert cls.accepts_loss_kwargs is False


def test_a_reader_still_reads():
    assert tiny_reader(group="C4")(noise(2, 3), decoder_input_ids=torch.tensor([[0, 5]])).logits.isfinite().all()
