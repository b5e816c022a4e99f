"""An encoder with a ViT's position table and class tokens turns with the image like any other."""

import pytest
import torch
from sharp_weights import with_lora
from slow_cases import others_slow
from test_encoder_symmetry import worst_error
from tiny_models import EXACT_GROUPS, LAYERS, PATCH, noise, tiny_encoder, turns

from trocr_gsa import PointGroup
from trocr_gsa.equivariance import equivariance_error, turn_poses
from trocr_gsa.model import encoding
from trocr_gsa.model.encoding import TableEncoding, grid_positions

VIT = {"absolute_position": "table", "image_size": 3 * PATCH, "num_frequencies": 0, "cross_pose_gate": True}
SHAPES = [(3, 3), (2, 5)]


@pytest.mark.parametrize("shape", others_slow(SHAPES, SHAPES[1]))
@pytest.mark.parametrize("tokens", others_slow([0, 1, 2], 2))
@pytest.mark.parametrize("pose_layers", [0, 1, LAYERS])
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_turning_permutes_the_poses_and_leaves_the_chosen_one_alone(name, pose_layers, tokens, shape):
    model = tiny_encoder(group=name, pose_layers=pose_layers, num_class_tokens=tokens, **VIT)
    assert worst_error(model, model.group, noise(*shape, batch=2)) < 1e-11
    assert worst_error(with_lora(model), model.group, noise(*shape)) < 1e-11


@pytest.mark.parametrize("name", ["C2", "C4", "D1", "D2", "D4"])
def test_a_table_that_does_not_turn_breaks_it(name, monkeypatch):
    """The control: every pose looks positions up as they lie on the page."""

    def seen_by_nobody(positions, group):
        return positions[..., None, :, :].expand(-1, group.order, -1, -1)

    monkeypatch.setattr(encoding, "seen_from_poses", seen_by_nobody)
    model = tiny_encoder(group=name, num_class_tokens=1, **VIT)
    error = equivariance_error(lambda x: model(x).pose_logits, model.group, noise(3, 3), act_out=turn_poses)
    assert error > 1e-3


def test_the_table_is_read_row_by_row_where_the_image_is_the_tables():
    table = TableEncoding(PointGroup.from_name("C4"), 8, 3).double()
    torch.nn.init.normal_(table.weight)
    found = table(grid_positions(3, 3)[None].double(), torch.tensor([[3, 3]]))
    assert (found[0, 0] - table.weight).abs().max() < 1e-12
    turned = table.weight.unflatten(0, (3, 3)).rot90(1).flatten(0, 1)  # a page turned by 90° shows its rows so
    assert (found[0, 1] - turned).abs().max() < 1e-12


def test_class_tokens_come_first_and_are_no_part_of_the_columns():
    model = tiny_encoder(group="C4", num_class_tokens=2, **VIT)
    for turned in turns(model.group, noise(2, 5)):
        out = model(turned)
        assert out.last_hidden_state.shape[1] == 2 + 10
        assert out.pose_hidden_state.shape[1] == out.pose_positions.shape[1] == out.pose_mask.shape[1] == 10
        assert torch.equal(out.last_hidden_state[:, 2:], out.pose_hidden_state)


def test_padding_beside_class_tokens_changes_nothing():
    model = tiny_encoder(group="C4", num_class_tokens=1, **VIT)
    images = noise(2, 5)
    patches = torch.nn.functional.unfold(images, PATCH, stride=PATCH).transpose(1, 2)
    padded = torch.cat((patches, torch.randn(1, 3, patches.shape[-1]).double()), dim=1)
    mask = torch.arange(13)[None] < 10
    alone, beside = model(images), model(padded, mask, torch.tensor([[2, 5]]))
    assert (beside.pose_logits - alone.pose_logits).abs().max() < 1e-11
    assert (beside.last_hidden_state[:, :11] - alone.last_hidden_state).abs().max() < 1e-11


def test_a_table_read_in_half_precision_is_read_at_the_right_places():
    table = TableEncoding(PointGroup.from_name("C4"), 8, 24)
    torch.nn.init.normal_(table.weight)
    positions, shape = grid_positions(24, 24)[None], torch.tensor([[24, 24]])
    rounded = table.bfloat16()(positions, shape)[0, 0]
    assert torch.equal(rounded, table.weight)
