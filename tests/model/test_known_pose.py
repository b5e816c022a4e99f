"""Where it is known which way up an image is, what would tell is not computed, and nothing else changes."""

import pytest
import torch
from tiny_models import EXACT_GROUPS, LAYERS, as_set, difference, noise, tiny_encoder, tiny_reader

TENSORS = ("last_hidden_state", "pose_hidden_state", "pose_positions", "pose_logits", "attention_mask")
KINDS = [{}, {"pose_sum": "query"}, {"pose_sum": "encoding"}, {"neighbourhood": 1.5}, {"absolute_position": "none"}]


def certain(model, pose):
    """A prior that leaves one pose."""
    prior = torch.full((model.group.order,), -torch.inf, dtype=torch.float64)
    prior[pose] = 0.0
    return prior


def assert_as_under_a_certain_prior(model):
    lines = as_set([noise(2, 5), noise(1, 3)], 9.0)
    for pose in range(model.group.order):
        known, told = model(**lines, only_pose=pose), model(**lines, pose_bias=certain(model, pose))
        assert torch.equal(known.pose, told.pose)
        for name in TENSORS:
            one, other = known[name], told[name]
            assert torch.equal(one.isfinite(), other.isfinite()), name
            assert difference(one.nan_to_num(neginf=0.0), other.nan_to_num(neginf=0.0)) < 1e-11, name


@pytest.mark.parametrize("pose_layers", [0, 1, LAYERS])
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_a_known_pose_is_read_as_under_a_prior_that_leaves_no_other(name, pose_layers):
    assert_as_under_a_certain_prior(tiny_encoder(group=name, pose_layers=pose_layers))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_with_every_kind_of_group_attention(kind):
    assert_as_under_a_certain_prior(tiny_encoder(group="D4", **kind))


@pytest.mark.parametrize("closed", [True, False])
def test_behind_a_gate_too(closed):
    model = tiny_encoder(group="C4", cross_pose_gate=True)
    if closed:
        model.pose_layers[0].attention.gate.weight.data.zero_()
    with torch.no_grad():
        assert_as_under_a_certain_prior(model)


def test_another_pose_is_another_reading():
    """The control."""
    model, lines = tiny_encoder(group="C4"), as_set([noise(2, 5)], 0.0)
    one, other = (model(**lines, only_pose=pose).pose_hidden_state for pose in (0, 1))
    assert difference(one, other) > 1e-3


def test_the_last_layer_across_poses_answers_for_that_pose_alone():
    model = tiny_encoder(group="C4")
    asked = []  # poses: each has ten patches
    for part in (model.pose_layers[-1].attention.q_proj, model.pose_layers[-1].mlp):
        part.register_forward_hook(lambda layer, inputs, output: asked.append(output.shape[1:-1].numel() // 10))
    model.pose_head.register_forward_hook(lambda *_: asked.append("pose head"))
    model(noise(2, 5), only_pose=2)
    assert asked == [1, 1]
    model(noise(2, 5))
    assert asked == [1, 1, 4, 4, "pose head"]


def test_a_labelled_pose_stands_above_a_known_one():
    model, images = tiny_encoder(group="C4"), noise(2, 5)
    labelled = model(images, pose_labels=torch.tensor([3]), only_pose=0)
    assert torch.equal(labelled.pose_hidden_state, model(images, pose_labels=torch.tensor([3])).pose_hidden_state)


@pytest.mark.parametrize("orientation", ["upright", {180: 1.0}, {90: 2.0, 0: 0.0}])
def test_an_orientation_without_doubt_is_a_known_pose(orientation):
    model, images = tiny_reader(ctc_steps_per_patch=2, group="C4"), noise(2, 5)
    looked = []
    model.encoder.pose_head.register_forward_hook(lambda *_: looked.append(1))
    known = model.encode(images, orientation=orientation)
    assert not looked
    assert known.pose_logits.exp().max() == 1
    model.encode(images, orientation={0: 0.5, 90: 0.5})
    assert looked


def test_upright_lines_train_the_rest_as_if_they_were_labelled():
    model = tiny_reader(ctc_steps_per_patch=2, group="C4").train()
    images, labels = noise(2, 4, batch=2), torch.tensor([[5, 9, 1], [7, 1, -100]])
    told = model(pixel_values=images, labels=labels, orientation="upright")
    labelled = model(pixel_values=images, labels=labels)
    assert told.pose_loss is None
    assert difference(told.decoder_loss, labelled.decoder_loss) < 1e-6
    assert difference(told.ctc_loss, labelled.ctc_loss) < 1e-6
