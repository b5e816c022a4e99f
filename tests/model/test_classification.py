"""The class of a picture does not depend on how it lies, for every element of the group that it is built on."""

import pytest
import torch
from tiny_models import EXACT_GROUPS, LAYERS, as_set, difference, encoder_config, noise, vivid
from transformers import AutoModelForImageClassification

from trocr_gsa import GSANetForImageClassification, GSANetModel, PointGroup
from trocr_gsa.equivariance import equivariance_error
from trocr_gsa.model import embeddings

CLASSES = 5


def tiny_classifier(**changes) -> GSANetForImageClassification:
    return vivid(GSANetForImageClassification(encoder_config(num_labels=CLASSES, **changes)))


@pytest.mark.parametrize("pose_layers", [0, 1, LAYERS])
@pytest.mark.parametrize("pose_sum", ["none", "query", "encoding"])
@pytest.mark.parametrize("name", ["C4", "D4"])
def test_turning_a_picture_leaves_its_logits_alone(name, pose_sum, pose_layers):
    model = tiny_classifier(group=name, pose_sum=pose_sum, pose_layers=pose_layers)
    assert equivariance_error(lambda x: model(x).logits, model.gsa_net.group, noise(2, 5, batch=2)) < 1e-11


OVERLAPPING = {"patch_embedding": "single_conv", "patch_margin": 3, "pose_layers": LAYERS}


@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_overlapping_windows_for_every_pose_leave_the_logits_alone(name):
    model = tiny_classifier(group=name, **OVERLAPPING)
    assert equivariance_error(lambda x: model(x).logits, model.gsa_net.group, noise(3, 4, batch=2)) < 1e-11


def test_windows_that_are_not_rotated_back_change_them(monkeypatch):
    """The control."""
    monkeypatch.setattr(embeddings, "see_from_poses", lambda patches, group, _: patches[:, None].repeat(1, 4, 1, 1))
    model = tiny_classifier(group="C4", **OVERLAPPING)
    assert equivariance_error(lambda x: model(x).logits, model.gsa_net.group, noise(3, 4)) > 1e-3


@pytest.mark.parametrize(("name", "turned_by"), [("C1", "C4"), ("C2", "C4"), ("C4", "D4")])
def test_an_element_that_the_group_does_not_hold_changes_them(name, turned_by):
    """The control."""
    model = tiny_classifier(group=name, pose_layers=LAYERS)
    assert equivariance_error(lambda x: model(x).logits, PointGroup.from_name(turned_by), noise(3, 3)) > 1e-3


@pytest.mark.parametrize("pose_layers", [1, LAYERS])
def test_padding_is_not_looked_at(pose_layers):
    model = tiny_classifier(pose_layers=pose_layers)
    images = [noise(2, 3), noise(4, 1)]
    alone = torch.cat([model(image).logits for image in images])
    assert difference(model(**as_set(images, filler=7.0)).logits, alone) < 1e-11


def test_the_classifier_sees_the_mean_over_positions_weighted_by_the_poses_probability():
    model = tiny_classifier(pose_layers=LAYERS)
    images = noise(2, 3, batch=2)
    encoded = model.gsa_net(images)
    field = encoded.last_hidden_state.unflatten(1, (4, 6)).mean(2)
    mean = (encoded.pose_logits.exp()[..., None] * field).sum(1)
    assert difference(model(images).logits, model.classifier(mean)) < 1e-12


def test_with_every_layer_across_poses_all_weights_learn_but_one_that_the_softmax_cancels():
    model = tiny_classifier(pose_layers=LAYERS)
    model(noise(2, 3), torch.tensor([1])).loss.backward()
    still = [
        name for name, weight in model.named_parameters() if weight.grad is None or weight.grad.abs().max() < 1e-12
    ]
    assert still == ["gsa_net.pose_head.score.bias"]


def test_the_loss_falls_in_a_few_steps():
    model = GSANetForImageClassification(encoder_config(num_labels=2, pose_layers=LAYERS))
    images, labels = noise(2, 2, batch=8).float(), torch.arange(8) % 2
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(15):
        loss = model(images, labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_a_saved_classifier_is_found_by_its_auto_class(tmp_path):
    model = tiny_classifier(pose_layers=LAYERS).float()
    model.save_pretrained(tmp_path)
    loaded = AutoModelForImageClassification.from_pretrained(tmp_path)
    assert isinstance(loaded, GSANetForImageClassification)
    image = noise(2, 3).float()
    assert difference(loaded(image).logits, model(image).logits) < 1e-5
    assert loaded.config.num_labels == CLASSES


def test_a_classifier_without_classes_is_refused():
    with pytest.raises(ValueError, match="`num_labels` must be at least 1"):
        GSANetForImageClassification(encoder_config(num_labels=0))


def test_an_encoder_that_was_saved_alone_becomes_a_classifiers(tmp_path):
    encoder = GSANetModel(encoder_config())
    encoder.save_pretrained(tmp_path)
    loaded = GSANetForImageClassification.from_pretrained(tmp_path, num_labels=CLASSES)
    weights = dict(loaded.gsa_net.named_parameters())
    assert all(torch.equal(weight, weights[name]) for name, weight in encoder.named_parameters())
