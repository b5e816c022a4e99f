"""How lines come in, alone or together, plain or as patches, and how they are computed: none of it changes a number."""

import pytest
import torch
import torch.nn.functional as F
from slow_cases import others_slow
from tiny_models import EXACT_GROUPS, LAYERS, PATCH, as_set, difference, encoder_config, noise, tiny_encoder, turns

from trocr_gsa import GSANetModel
from trocr_gsa.model.patches import cut_patches

EVERY_DEPTH = [0, 1, LAYERS]


def mixed_lines(model) -> list[torch.Tensor]:
    """Lines of different shapes, lying, standing and turned by every element."""
    return [noise(2, 5), noise(4, 1), noise(1, 1), *turns(model.group, noise(1, 4))]


def tokens_of_line(model, out, line: int, length: int) -> torch.Tensor:
    """The valid tokens of one line of a batch, (pose or 1, position, hidden)."""
    field = out.last_hidden_state[line].unflatten(0, (-1, out.pose_mask.shape[1]))
    return field[:, :length]


@pytest.mark.parametrize("neighbourhood", [None, 1.5])
@pytest.mark.parametrize("pose_layers", others_slow(EVERY_DEPTH, 1))
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_a_batch_of_unlike_lines_is_each_line_alone(name, pose_layers, neighbourhood):
    model = tiny_encoder(group=name, pose_layers=pose_layers, neighbourhood=neighbourhood)
    lines = mixed_lines(model)
    together = model(**as_set(lines, filler=0.0))
    for index, line in enumerate(lines):
        alone = model(line)
        length = alone.pose_mask.shape[1]
        assert torch.equal(together.pose[index], alone.pose[0])
        assert difference(together.pose_logits[index], alone.pose_logits[0]) < 1e-11
        expected = tokens_of_line(model, alone, 0, length)
        assert difference(tokens_of_line(model, together, index, length), expected) < 1e-11
        assert difference(together.pose_hidden_state[index, :length], alone.pose_hidden_state[0]) < 1e-11
        assert together.pose_mask[index].sum() == length


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("pose_layers", EVERY_DEPTH)
def test_what_stands_in_the_padding_never_matters(pose_layers, implementation):
    model = tiny_encoder(group="C4", pose_layers=pose_layers)
    model.set_attn_implementation(implementation)
    lines = [noise(2, 5), noise(3, 1)]
    blank, rubbish = (model(**as_set(lines, fill)) for fill in (0.0, 1e3))
    assert torch.equal(blank.pose_logits, rubbish.pose_logits)
    assert torch.equal(blank.attention_mask, rubbish.attention_mask)
    valid = blank.attention_mask > torch.finfo(torch.float64).min
    assert torch.equal(blank.last_hidden_state[valid], rubbish.last_hidden_state[valid])


def test_without_the_mask_it_would():
    """The control: a shape and a mask that call padding a part of the line."""
    model = tiny_encoder(group="C4")
    blank, rubbish = (as_set([noise(2, 5)], fill) | {"pixel_attention_mask": None} for fill in (0.0, 1e3))
    counted_in = torch.ones(1, 12, dtype=torch.bool)
    rubbish["pixel_values"][:, :10] = blank["pixel_values"][:, :10]
    assert torch.equal(model(**blank).pose_logits, model(**rubbish).pose_logits)  # rows · columns tell it as well
    blank["pixel_attention_mask"] = rubbish["pixel_attention_mask"] = counted_in
    blank["spatial_shapes"] = rubbish["spatial_shapes"] = torch.tensor([[2, 6]])
    assert difference(model(**rubbish).pose_logits, model(**blank).pose_logits) > 1e-3


@pytest.mark.parametrize("channels", [1, 3])
def test_a_set_of_patches_is_the_plain_image(channels):
    model = tiny_encoder(group="D4", num_channels=channels)
    images = torch.randn(2, channels, 2 * PATCH, 3 * PATCH, dtype=torch.float64)
    rows = [
        [image[:, r : r + PATCH, c : c + PATCH].flatten() for r in (0, PATCH) for c in (0, PATCH, 2 * PATCH)]
        for image in images
    ]
    patches = torch.stack([torch.stack(row) for row in rows])
    assert torch.equal(cut_patches(images, PATCH)[0], patches)
    plain, as_patches = model(images), model(patches, spatial_shapes=torch.tensor([[2, 3], [2, 3]]))
    assert torch.equal(plain.last_hidden_state, as_patches.last_hidden_state)
    assert torch.equal(plain.pose_logits, as_patches.pose_logits)


def test_the_bias_for_a_decoder_holds_log_p_of_the_pose_where_there_are_tokens_and_the_minimum_elsewhere():
    model = tiny_encoder(group="C4", pose_layers=LAYERS)
    lines = [noise(2, 3), noise(1, 2)]
    out = model(**as_set(lines, filler=0.0))
    bias = out.attention_mask.unflatten(1, (4, -1))
    minimum = torch.finfo(torch.float64).min
    for line, length in enumerate((6, 2)):
        assert torch.equal(bias[line, :, :length], out.pose_logits[line, :, None].expand(4, length))
        assert (bias[line, :, length:] == minimum).all()
    chosen = tiny_encoder(group="C4", pose_layers=1)(**as_set(lines, filler=0.0)).attention_mask
    assert ((chosen == 0) | (chosen == minimum)).all()


@pytest.mark.parametrize("pose_layers", EVERY_DEPTH)
def test_recomputing_activations_gives_the_same_gradients(pose_layers):
    model = tiny_encoder(group="C4", pose_layers=pose_layers).train()
    images, runs = noise(2, 3), []
    model.lifting.attention.q_proj.register_forward_hook(lambda *_: runs.append(1))
    gradients = []
    for _ in range(2):
        model.zero_grad()
        out = model(images)
        (out.last_hidden_state.square().sum() + out.pose_logits[:, 0].sum()).backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
        # renamed between transformers 5.17 and 5.23
        getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
    assert len(runs) == 1 + 2  # the second time, the layer ran once more on the way back
    assert len(gradients[0]) == len(list(model.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("pose_sum", ["none", "query", "encoding"])
@pytest.mark.parametrize("neighbourhood", [None, 1.0])
def test_eager_and_fused_attention_are_one_number_and_can_be_switched(neighbourhood, pose_sum, monkeypatch):
    model = tiny_encoder(group="C4", neighbourhood=neighbourhood, pose_sum=pose_sum)
    fused_calls, fused = [], F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *args, **kwargs: fused_calls.append(1) or fused(*args, **kwargs)
    )
    lines = as_set([noise(2, 5), noise(3, 1)], filler=7.0)
    sdpa = model(**lines)
    assert len(fused_calls) == 1 + LAYERS
    model.set_attn_implementation("eager")
    eager = model(**lines)
    assert len(fused_calls) == 1 + LAYERS
    assert difference(eager.pose_logits, sdpa.pose_logits) < 1e-11
    assert difference(eager.pose_hidden_state[0], sdpa.pose_hidden_state[0]) < 1e-11


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_finite_numbers(dtype):
    model = GSANetModel(encoder_config(group="C4", pose_layers=LAYERS)).to(dtype)
    out = model(**as_set([noise(2, 5), noise(1, 1)], filler=0.0))
    assert out.last_hidden_state.dtype == dtype
    assert out.last_hidden_state.isfinite().all()
    assert out.attention_mask.isfinite().all()
    assert out.pose_logits.dtype == torch.float32


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"pixel_values": torch.zeros(1, 1, 8, 10)}, "`pixel_values` must have sides that are multiples"),
        ({"pixel_values": torch.zeros(1, 3, 8, 8)}, r"`pixel_values` must be .* got \(1, 3, 8, 8\)"),
        ({"pixel_values": torch.zeros(1, 6, 15)}, "`pixel_values` must be .*"),
        ({"pixel_values": torch.zeros(8, 8)}, "`pixel_values` must be .*"),
        ({"pixel_values": torch.zeros(1, 6, 16)}, "`spatial_shapes`"),
    ],
)
def test_pixels_of_a_wrong_shape_are_named(inputs, message):
    with pytest.raises(ValueError, match=message):
        tiny_encoder()(**inputs)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([1]), r"got \(1,\) of torch.int64"),
        (torch.tensor([[1], [1]]), r"got \(2, 1\)"),
        (torch.tensor([1.0, 1.0]), "of torch.float32"),
        (torch.tensor([0, 4]), r"got \[0, 4\]"),
        (torch.tensor([-1, 0]), r"got \[-1, 0\]"),
    ],
)
def test_pose_labels_that_are_not_one_element_for_each_image_are_an_error(labels, message):
    with pytest.raises(ValueError, match=f"`pose_labels` must be .* of C4.*{message}"):
        tiny_encoder(group="C4")(noise(1, 2, batch=2), pose_labels=labels)


@pytest.mark.parametrize("pose", [4, -1])
def test_an_only_pose_that_the_group_does_not_have_is_an_error(pose):
    with pytest.raises(ValueError, match=rf"`only_pose` must be an element in 0 … 3, got {pose}"):
        tiny_encoder(group="C4")(noise(1, 2), only_pose=pose)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([[3, 3], [2, 3]], "at most 6 patches"),
        ([[0, 3], [2, 3]], "at least 1 row"),
        ([[-2, -3], [2, 3]], "at least 1 row"),
        ([[2, 3]], r"must be \(2, 2\)"),
        ([[2, 3], [1, 1]], r"must cover all patches .* image 1 has 6, got \[1, 1\]"),
    ],
)
def test_shapes_that_contradict_the_patches_are_an_error(shape, message):
    patches, _ = cut_patches(noise(2, 3, batch=2), PATCH)
    whole = torch.ones(2, 6, dtype=torch.bool)
    with pytest.raises(ValueError, match=f"`spatial_shapes`.*{message}"):
        tiny_encoder()(patches, whole, torch.tensor(shape))


def test_a_line_that_is_all_padding_has_finite_features_and_no_pose_and_leaves_the_others():
    model, lines = tiny_encoder(group="C4"), as_set([noise(2, 3), noise(1, 2)], filler=0.0)
    expected = model(**lines)
    lines["pixel_attention_mask"][1] = False
    out = model(**lines)
    torch.testing.assert_close(out.pose_logits[1].exp(), torch.full((4,), 0.25, dtype=torch.float64))
    assert out.last_hidden_state.isfinite().all()
    assert torch.equal(out.pose_logits[0], expected.pose_logits[0])
