"""The text is the same whichever way up, one line at a time or in a batch, until a prior says otherwise."""

import pytest
import torch
from sharp_weights import with_lora
from slow_cases import others_slow
from tiny_models import END, EXACT_GROUPS, LAYERS, PAD, as_set, difference, noise, tiny_reader, turns

from trocr_gsa.model.modeling_trocr_gsa import orientation_bias

EVERY_DEPTH = [0, 1, LAYERS]
LETTERS = torch.tensor([[PAD, 5, 9, 4], [PAD, 3, 3, 12]])


def logits(model, inputs, **options):
    inputs = inputs if isinstance(inputs, dict) else {"pixel_values": inputs}
    return model(**inputs, decoder_input_ids=LETTERS, **options).logits


@pytest.mark.parametrize("pose_layers", EVERY_DEPTH)
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_turning_the_image_leaves_the_logits_of_every_letter(name, pose_layers):
    model = tiny_reader(group=name, pose_layers=pose_layers)
    images = noise(2, 4, batch=2)
    upright = logits(model, images)
    for turned in turns(model.encoder.group, images):
        assert difference(logits(model, turned), upright) < 1e-11


@pytest.mark.parametrize("pose_layers", EVERY_DEPTH)
def test_an_adapter_on_both_halves_keeps_it(pose_layers):
    model = tiny_reader(group="D4", pose_layers=pose_layers)
    group, images = model.encoder.group, noise(2, 4, batch=2)
    plain, adapted = logits(model, images), with_lora(model)
    upright = logits(adapted, images)
    assert difference(upright, plain) > 1e-3
    for turned in turns(group, images):
        assert difference(logits(adapted, turned), upright) < 1e-11


@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize("steps", [0, 2], ids=["decoder", "decoder and CTC"])
@pytest.mark.parametrize("pose_layers", others_slow(EVERY_DEPTH, 1))
@pytest.mark.parametrize("name", others_slow(["C4", "D4"], "D4"))
def test_every_turn_is_read_as_the_same_text(name, pose_layers, steps, num_beams):
    model = tiny_reader(steps, group=name, pose_layers=pose_layers)
    images = noise(2, 4, batch=3)
    texts = [
        model.generate(pixel_values=turned, num_beams=num_beams, max_new_tokens=6, min_new_tokens=6)
        for turned in turns(model.encoder.group, images)
    ]
    assert len(texts[0].unique(dim=0)) > 1
    assert all(torch.equal(text, texts[0]) for text in texts)


@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize("steps", [0, 2], ids=["decoder", "decoder and CTC"])
@pytest.mark.parametrize("pose_layers", others_slow(EVERY_DEPTH, 1))
def test_a_batch_of_unlike_lines_is_read_as_each_alone(pose_layers, steps, num_beams):
    model = tiny_reader(steps, group="C4", pose_layers=pose_layers)
    lines = [noise(2, 5), noise(4, 1), noise(1, 2)]  # the last ones have fewer CTC steps than letters
    options = {"num_beams": num_beams, "max_new_tokens": 5, "min_new_tokens": 5}
    together = model.generate(**as_set(lines, filler=1e3), **options)
    for text, line in zip(together, lines, strict=True):
        assert torch.equal(text, model.generate(pixel_values=line, **options)[0])


@pytest.mark.parametrize("pose_layers", EVERY_DEPTH)
def test_the_decoder_never_looks_at_padding(pose_layers):
    model = tiny_reader(group="C4", pose_layers=pose_layers)
    lines = [noise(2, 3), noise(1, 2)]
    blank, rubbish = (
        model(**as_set(lines, fill), decoder_input_ids=LETTERS, output_attentions=True) for fill in (0.0, 1e3)
    )
    assert torch.equal(blank.logits, rubbish.logits)
    attention = rubbish.cross_attentions[0].unflatten(-1, (-1, 8))  # (batch, head, letter, pose or 1, position)
    assert (attention[0, ..., 6:] == 0).all()
    assert (attention[1, ..., 2:] == 0).all()
    assert difference(attention.sum((-1, -2)), torch.ones_like(attention.sum((-1, -2)))) < 1e-12
    alone = model(pixel_values=lines[1], decoder_input_ids=LETTERS[1:]).logits
    assert difference(rubbish.logits[1:], alone) < 1e-11


def literal_cross_attention(model, images, orientation) -> tuple[torch.Tensor, torch.Tensor]:
    """softmax(scores + log p(pose)) from the scores' own queries and keys, and what the model attended with."""
    seen = {}
    attention = model.decoder.model.decoder.layers[0].encoder_attn
    hooks = [
        getattr(attention, name).register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
        for name in ("q_proj", "k_proj")
    ]
    out = model(pixel_values=images, decoder_input_ids=LETTERS, orientation=orientation, output_attentions=True)
    for hook in hooks:
        hook.remove()
    query, key = (seen[name].unflatten(-1, (2, -1)) for name in ("q_proj", "k_proj"))
    expected = torch.empty_like(out.cross_attentions[0])
    positions = key.shape[1] // model.encoder.group.order
    for line in range(len(images)):
        for head in range(2):
            for letter in range(LETTERS.shape[1]):
                scores = key[line, :, head] @ query[line, letter, head] * query.shape[-1] ** -0.5
                log_p = out.pose_logits[line].repeat_interleave(positions)  # tokens are (pose, position)
                expected[line, head, letter] = (scores + log_p).softmax(-1)
    return out.cross_attentions[0], expected


@pytest.mark.parametrize("orientation", ["any", {0: 0.4, 90: 0.3, 180: 0.2, 270: 0.1}, {0: 0.5, 180: 0.5}, "upright"])
def test_log_p_of_the_pose_is_added_to_the_cross_attention(orientation):
    model = tiny_reader(group="C4", pose_layers=LAYERS)
    model.encoder.pose_head.score.weight.data *= 0.1  # poses that are all somewhat likely
    attended, expected = literal_cross_attention(model, noise(2, 3, batch=2), orientation)
    assert difference(attended, expected) < 1e-12


def test_a_prior_moves_the_cross_attention_and_the_logits():
    """The control: log p is not added in vain."""
    model, images = tiny_reader(group="C4", pose_layers=LAYERS), noise(2, 3, batch=2)
    model.encoder.pose_head.score.weight.data *= 0.1
    before, _ = literal_cross_attention(model, images, "any")
    after, _ = literal_cross_attention(model, images, {0: 0.01, 90: 0.97, 180: 0.01, 270: 0.01})
    assert difference(after, before) > 1e-2
    assert difference(logits(model, images, orientation={90: 1}), logits(model, images)) > 1e-3


@pytest.mark.parametrize("pose_layers", EVERY_DEPTH)
def test_upright_reads_the_upright_pose_alone(pose_layers):
    model = tiny_reader(group="D4", pose_layers=pose_layers)
    for images in turns(model.encoder.group, noise(2, 4, batch=2)):
        out = model(pixel_values=images, decoder_input_ids=LETTERS, orientation="upright", output_attentions=True)
        assert (out.pose_logits.argmax(-1) == 0).all()
        assert out.pose_logits[:, 0].abs().max() < 1e-12
        if pose_layers == LAYERS:
            assert (out.cross_attentions[0].unflatten(-1, (8, 8))[..., 1:, :] == 0).all()


@pytest.mark.parametrize("pose_layers", EVERY_DEPTH)
def test_upright_changes_nothing_for_a_line_that_is_upright_and_known_to_be(pose_layers):
    model = tiny_reader(group="C4", pose_layers=pose_layers)
    model.encoder.pose_head.score.weight.data *= 100  # p(pose) is 0 or 1
    images = noise(2, 4)
    element = int(model.encoder(images).pose)
    upright = model.encoder.group.transform_image(images, int(model.encoder.group.inverse[element]))
    either = {"decoder_input_ids": LETTERS[:1], "pixel_values": upright}
    known, unknown = (model(**either, orientation=orientation).logits for orientation in ("upright", "any"))
    assert difference(known, unknown) < 1e-11
    turned = either | {"pixel_values": model.encoder.group.transform_image(upright, 1)}
    assert difference(model(**turned, orientation="upright").logits, unknown) > 1e-3


def test_a_prior_of_two_angles_keeps_the_symmetry_between_these_two():
    model = tiny_reader(group="C4", pose_layers=LAYERS)
    images, prior = noise(2, 4, batch=2), {0: 0.5, 180: 0.5}
    upright = logits(model, images, orientation=prior)
    half, quarter = (model.encoder.group.transform_image(images, element) for element in (2, 1))
    assert difference(logits(model, half, orientation=prior), upright) < 1e-11
    assert difference(logits(model, quarter, orientation=prior), upright) > 1e-3


@pytest.mark.parametrize("num_beams", [1, 3])
def test_generate_takes_the_prior(num_beams):
    model, images = tiny_reader(group="C4", pose_layers=1), noise(2, 4, batch=2)
    options = {"num_beams": num_beams, "max_new_tokens": 6}
    texts = [
        model.generate(pixel_values=turned, orientation="upright", **options)
        for turned in turns(model.encoder.group, images)
    ]
    anyway = model.generate(pixel_values=images, **options)
    poses = model.encoder(images).pose
    for line, pose in enumerate(poses):
        facing_up = texts[int(model.encoder.group.inverse[pose])][line]  # the turn that undoes the pose
        assert torch.equal(facing_up, anyway[line])
    assert any(not torch.equal(text, texts[0]) for text in texts[1:])


def test_a_prior_is_normalised_and_names_each_angle_once():
    model = tiny_reader(group="D2")
    bias = orientation_bias({0: 2, 180: 6, 540: 0, -180: 0}, model.encoder.group)
    assert torch.equal(bias.exp(), torch.tensor([0.25, 0.75, 0.0, 0.0], dtype=torch.float64))
    assert orientation_bias("any", model.encoder.group) is None


@pytest.mark.parametrize(
    "orientation",
    [
        "up",
        90,
        None,
        {},
        {45: 1.0},
        {1e30: 1.0},
        {"left": 1.0},
        {0: "much"},
        {0: -0.5, 90: 1.5},
        {0: 0.0},
        {0: float("nan")},
    ],
)
def test_an_orientation_that_is_none_is_named(orientation):
    model = tiny_reader(group="C4")
    with pytest.raises(ValueError, match="`orientation`"):
        logits(model, noise(1, 2, batch=2), orientation=orientation)
    with pytest.raises(ValueError, match="`orientation`"):
        model.generate(pixel_values=noise(1, 2), orientation=orientation, max_new_tokens=2)


def test_a_misspelt_option_of_generate_is_refused():
    with pytest.raises(ValueError, match="orientaton"):
        tiny_reader().generate(pixel_values=noise(1, 2), orientaton="any", max_new_tokens=2)


def test_the_last_mark_ends_a_text():
    model = tiny_reader(group="C4")
    model.decoder.output_projection.weight.data.zero_()
    model.decoder.output_projection.weight.data[END] = 1.0
    model.decoder.model.decoder.layers[0].final_layer_norm.weight.data.zero_()
    model.decoder.model.decoder.layers[0].final_layer_norm.bias.data.fill_(1.0)
    assert model.generate(pixel_values=noise(1, 2), max_new_tokens=6).tolist() == [[PAD, END]]
