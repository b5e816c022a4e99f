"""What training minimises: three losses, each held against its definition, and the same for every turn."""

import pytest
import torch
import torch.nn.functional as F
from tiny_models import END, LAYERS, PAD, as_set, difference, noise, tiny_reader

EVERY_DEPTH = [0, 1, LAYERS]
LABELS = torch.tensor([[5, 9, 4, END], [7, 7, END, -100], [END, -100, -100, -100]])


@pytest.fixture
def images():
    return noise(2, 4, batch=3)


def test_the_decoder_is_scored_on_every_letter_and_on_nothing_else(images):
    model = tiny_reader(group="C4")
    out = model(pixel_values=images, labels=LABELS)
    shifted = torch.tensor([[PAD, 5, 9, 4], [PAD, 7, 7, END], [PAD, END, PAD, PAD]])
    logits = model(pixel_values=images, decoder_input_ids=shifted).logits
    log_p = logits.log_softmax(-1)
    terms = [-log_p[line, t, label] for line, row in enumerate(LABELS) for t, label in enumerate(row) if label >= 0]
    assert len(terms) == 8
    assert difference(out.logits, logits) < 1e-12
    assert difference(out.decoder_loss, sum(terms) / 8) < 1e-6


def test_more_padding_changes_no_loss(images):
    model = tiny_reader(ctc_steps_per_patch=2, group="C4").train()
    longer = F.pad(LABELS, (0, 3), value=-100)
    short, long = (model(pixel_values=images, labels=labels) for labels in (LABELS, longer))
    for name in ("loss", "decoder_loss", "ctc_loss", "pose_loss"):
        assert difference(long[name], short[name]) < 1e-6


def test_label_smoothing_shares_out_probability_over_the_vocabulary(images):
    model = tiny_reader(group="C4")
    plain = model(pixel_values=images, labels=LABELS)
    smooth = model(pixel_values=images, labels=LABELS, label_smoothing=0.1)
    even = -plain.logits.log_softmax(-1).mean(-1)[LABELS >= 0].mean()
    assert difference(smooth.decoder_loss, 0.9 * plain.decoder_loss + 0.1 * even) < 1e-6


def test_the_loss_is_the_weighted_sum_of_three(images):
    model = tiny_reader(ctc_steps_per_patch=2, group="C4")
    out = model(pixel_values=images, labels=LABELS, pose_labels=torch.tensor([0, 1, 3]))
    for term in (out.decoder_loss, out.ctc_loss, out.pose_loss):
        assert term > 0.01
    assert difference(out.loss, out.decoder_loss + 0.7 * out.ctc_loss + 0.2 * out.pose_loss) < 1e-6


def test_the_pose_loss_is_the_mean_of_minus_log_p_of_the_label(images):
    model = tiny_reader(group="C4")
    poses = torch.tensor([0, 1, 3])
    out = model(pixel_values=images, labels=LABELS, pose_labels=poses)
    expected = -torch.stack([out.pose_logits[line, pose] for line, pose in enumerate(poses)]).mean()
    assert difference(out.pose_loss, expected) < 1e-12


def test_in_training_an_unlabelled_line_is_upright_and_in_evaluation_it_is_as_it_seems(images):
    model = tiny_reader(group="C4")
    upright = torch.zeros(3, dtype=torch.long)
    given = model(pixel_values=images, labels=LABELS, pose_labels=upright)
    unlabelled = model(pixel_values=images, labels=LABELS)
    assert unlabelled.pose_loss is None
    assert difference(unlabelled.logits, given.logits) > 1e-3  # these images look turned
    trained = model.train()(pixel_values=images, labels=LABELS)
    assert torch.equal(trained.loss, given.loss)
    assert torch.equal(trained.logits, given.logits)


@pytest.mark.parametrize("pose_layers", EVERY_DEPTH)
@pytest.mark.parametrize("name", ["C1", "C2", "C4", "D1", "D2", "D4"])
def test_a_batch_turned_every_way_has_the_loss_of_the_upright_one_if_the_turns_are_labelled(name, pose_layers):
    model = tiny_reader(ctc_steps_per_patch=2, group=name, pose_layers=pose_layers).train()
    order = model.encoder.group.order
    lines = [noise(2, 4) for _ in range(order)]
    turned = [model.encoder.group.transform_image(line, element) for element, line in enumerate(lines)]
    labels = LABELS.repeat(3, 1)[:order]
    upright = model(**as_set(lines, 0.0), labels=labels)
    out = model(**as_set(turned, 0.0), labels=labels, pose_labels=torch.arange(order))
    for term in ("loss", "decoder_loss", "ctc_loss", "pose_loss", "logits", "ctc_logits"):
        assert difference(out[term], upright[term]) < (1e-6 if "loss" in term and term != "pose_loss" else 1e-11), term
    assert torch.equal(out.ctc_lengths, upright.ctc_lengths)


def test_without_the_labels_of_the_turns_it_has_not():
    """The control."""
    model = tiny_reader(ctc_steps_per_patch=2, group="C4").train()
    lines = noise(2, 4, batch=3)
    turned = model.encoder.group.transform_image(lines, 2)
    upright, unlabelled = (model(pixel_values=images, labels=LABELS).loss for images in (lines, turned))
    assert difference(unlabelled, upright) > 1e-3


def test_each_weight_has_a_gradient_unless_a_softmax_cancels_it(images):
    model = tiny_reader(ctc_steps_per_patch=2, group="D4").train()
    model(pixel_values=images, labels=LABELS, pose_labels=torch.tensor([0, 1, 6])).loss.backward()
    still = {name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-12}
    # one number added to the score of every pose, or of every key
    assert still == {
        "encoder.pose_head.score.bias",
        "decoder.model.decoder.layers.0.self_attn.k_proj.bias",
        "decoder.model.decoder.layers.0.encoder_attn.k_proj.bias",
    }
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("pose_layers", [0, LAYERS])
def test_with_no_layer_or_every_layer_across_poses_the_same_weights_have_one(pose_layers, images):
    model = tiny_reader(ctc_steps_per_patch=2, group="C4", pose_layers=pose_layers).train()
    model(pixel_values=images, labels=LABELS).loss.backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-12]
    assert all(name.endswith(("score.bias", "k_proj.bias")) for name in still)


def test_a_reader_without_anything_to_say_is_told_so(images):
    with pytest.raises(ValueError, match="`labels` or `decoder_input_ids`"):
        tiny_reader()(pixel_values=images)
    with pytest.raises(ValueError, match="`pixel_values` or `encoder_outputs`"):
        tiny_reader()(labels=LABELS)


@pytest.mark.parametrize("orientation", [{180: 1.0}, {180: 0.5, 270: 0.5}])
def test_a_prior_that_rules_out_a_labelled_pose_is_an_error(images, orientation):
    model, message = (
        tiny_reader(group="C4").train(),
        "`orientation` must give every labelled pose a probability above 0",
    )
    with pytest.raises(ValueError, match=f"{message}, got 0 for element 0"):
        model(pixel_values=images, labels=LABELS, orientation=orientation)  # without labels, a line is upright
    with pytest.raises(ValueError, match=f"{message}, got 0 for element 1"):
        model(pixel_values=images, labels=LABELS, orientation=orientation, pose_labels=torch.tensor([2, 1, 2]))


def test_a_prior_that_allows_every_labelled_pose_has_a_finite_loss(images):
    model = tiny_reader(group="C4").train()
    given = {"labels": LABELS, "orientation": {0: 0.5, 180: 0.5}}
    assert model(pixel_values=images, **given).loss.isfinite()
    assert model(pixel_values=images, **given, pose_labels=torch.tensor([2, 0, 2])).loss.isfinite()
    assert model.eval()(pixel_values=images, labels=LABELS, orientation={180: 1.0}).loss.isfinite()  # no pose loss
