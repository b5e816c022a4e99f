"""The number, the verdict and the table see a symmetry where there is one, and its absence where there is none."""

import peft
import pytest
import torch
from slow_cases import others_slow
from torch import nn
from transformers import TrOCRConfig

from trocr_gsa import GroupSelfAttention, GSANetConfig, PointGroup, TrOCRGSAConfig, TrOCRGSAModel
from trocr_gsa.equivariance import (
    assert_equivariant,
    describe,
    equivariance_error,
    report,
    turn_image,
    turn_raster,
)


def tiny_reader(**encoder) -> TrOCRGSAModel:
    encoder_config = GSANetConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        patch_size=4,
        num_frequencies=2,
        **encoder,
    )
    decoder_config = TrOCRConfig(
        vocab_size=20,
        d_model=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        cross_attention_hidden_size=16,
    )
    reader = TrOCRGSAModel(TrOCRGSAConfig.from_encoder_decoder_configs(encoder_config, decoder_config)).eval()
    for parameter in reader.parameters():
        nn.init.normal_(parameter, std=0.3)
    return reader


def row_means(image):
    return image.mean(-1)


def test_an_invariant_function_has_no_error_and_one_that_reads_rows_has():
    group, image = PointGroup.from_name("D4"), torch.rand(2, 4, 4, dtype=torch.float64)
    assert equivariance_error(lambda x: x.sum((-1, -2)), group, image) < 1e-15
    assert equivariance_error(row_means, group, image) > 1e-2
    assert equivariance_error(row_means, group, image, elements=[0]) == 0


def test_a_function_that_gives_nan_is_not_called_equivariant():
    group, image = PointGroup.from_name("C4"), torch.rand(4, 4)
    assert equivariance_error(lambda x: x * torch.nan, group, image) != 0
    with pytest.raises(AssertionError, match="nan"):
        assert_equivariant(lambda x: x * torch.nan, group, image)


@pytest.mark.parametrize("elements", [[], [4], [-1]])
@pytest.mark.parametrize("measure", [equivariance_error, assert_equivariant])
def test_testing_no_element_or_an_unknown_one_is_an_error(measure, elements):
    with pytest.raises(ValueError, match="`elements` must hold at least one element of C4, in 0 … 3, got"):
        measure(row_means, PointGroup.from_name("C4"), torch.rand(4, 4), elements=elements)


def test_a_function_that_gives_integers_has_an_error_too():
    group, image = PointGroup.from_name("C4"), torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    assert equivariance_error(lambda x: x.sum().long(), group, image) == 0
    assert equivariance_error(lambda x: x.argmax(), group, image) > 0.1
    assert equivariance_error(lambda x: x > 1, group, image) == 1


def test_the_verdict_names_the_worst_element():
    group, image = PointGroup.from_name("C4"), torch.rand(4, 4, dtype=torch.float64)
    assert_equivariant(lambda x: x.square(), group, image, act_out=turn_image)
    symmetric = (image + image.flip(-2, -1)) / 2  # only the quarter turns are left to break
    told = r"under C4: 2 of 4 elements.*element [13] \(turn by (90|270)°\) with 0\.\d+"
    with pytest.raises(AssertionError, match=rf"^row_means is not equivariant {told}"):
        assert_equivariant(row_means, group, symmetric)
    with pytest.raises(AssertionError, match=rf"^encoder\.layers\.0 is not equivariant {told}"):
        assert_equivariant(row_means, group, symmetric, layer="encoder.layers.0")
    with pytest.raises(AssertionError, match=r"^Softmax is not equivariant under C4"):
        assert_equivariant(torch.nn.Softmax(-1), group, image, act_out=turn_image)


@pytest.mark.parametrize("act", [turn_image, turn_raster])
def test_actions_multiply_as_the_group_does(act):
    group, x = PointGroup.from_name("D4"), torch.rand(1, 8, 2, 3, 5)
    for a in range(8):
        for b in range(8):
            assert torch.equal(act(group, a, act(group, b, x)), act(group, int(group.product[a, b]), x))


def test_an_element_between_pixels_is_not_turned():
    with pytest.raises(ValueError, match=r"`elements`: element 1 of C8 \(turn by 45°\) would interpolate"):
        turn_image(PointGroup.from_name("C8"), 1, torch.zeros(4, 4))
    assert turn_image(PointGroup.from_name("C8"), 2, torch.zeros(4, 6)).shape == (6, 4)


def test_elements_are_described_in_the_order_they_act():
    words = [describe(PointGroup.from_name("D2"), h) for h in range(4)]
    assert words == ["leave", "turn by 180°", "mirror", "mirror, then turn by 180°"]


@pytest.mark.parametrize("pose_layers", others_slow([0, 1, 2], 1))
@pytest.mark.parametrize("name", ["C2", "C4", "D1", "D2", "D4"])
def test_every_claim_of_a_reader_holds(name, pose_layers):
    checks = report(tiny_reader(group=name, pose_layers=pose_layers))
    order = PointGroup.from_name(name).order
    assert len(checks) == (1 + pose_layers + 3) * (order - 1)
    for check in checks:
        assert check.holds, check
        assert check.error_float64 < 1e-11, check
        assert check.verdict == "exact, up to rounding"


@pytest.mark.parametrize("pose_sum", ["query", "encoding"])
def test_every_claim_holds_for_both_double_sums_without_absolute_positions(pose_sum):
    checks = report(tiny_reader(group="D4", pose_sum=pose_sum, absolute_position="none"))
    assert all(check.holds for check in checks)


def test_every_claim_holds_with_a_narrow_pose_stage():
    narrow = {"pose_hidden_size": 8, "pose_num_attention_heads": 1, "patch_embedding": "conv", "patch_margin": 2}
    checks = report(tiny_reader(group="C4", **narrow))
    assert len(checks) == (1 + 1 + 3) * 3
    assert all(check.holds for check in checks)


def test_every_claim_holds_with_an_adapter_on_both_halves():
    reader = tiny_reader(group="C4")
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "out_proj"])
    adapted = peft.get_peft_model(reader, config)
    before = {name: p.detach().clone() for name, p in adapted.named_parameters()}
    plain = report(adapted)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.3)
    trained = report(adapted)
    assert all(check.holds for check in trained)
    assert [c.error_float64 for c in plain] != [c.error_float64 for c in trained]  # the adapter is on
    assert all(p.dtype == before[name].dtype for name, p in adapted.named_parameters())


def test_a_group_finer_than_pixels_is_tried_on_images_only_where_pixels_fit():
    checks = report(tiny_reader(group="C8"))
    on_images = {check.element for check in checks if "image" in check.claim}
    assert on_images == {"turn by 90°", "turn by 180°", "turn by 270°"}
    assert {"turn by 45°"} <= {check.element for check in checks}
    assert all(check.holds for check in checks)


def test_a_trivial_group_claims_nothing():
    assert report(tiny_reader(group="C1")) == []


class Unturned(nn.Module):
    """An absolute encoding that gives every pose what the upright pose sees."""

    def __init__(self, turned: nn.Module) -> None:
        super().__init__()
        self.turned = turned

    def forward(self, positions):
        seen = self.turned(positions)
        return seen[:, :1].expand_as(seen)


def test_a_reader_whose_positions_do_not_turn_is_found_out():
    """The control."""
    reader = tiny_reader(group="C4")
    reader.encoder.embeddings.position = Unturned(reader.encoder.embeddings.position)
    broken = [check for check in report(reader) if not check.holds]
    assert {check.claim.split(":")[0] for check in broken} == {"encoder", "reader"}  # the layers themselves are right
    assert all("broken" in check.verdict for check in broken)


class KnowsItsPose(GroupSelfAttention):
    """A layer whose encoding depends on the pose itself, as [RC]'s does, and not on relative poses alone."""

    def forward(self, features, positions, attention_mask=None):
        pose = torch.arange(self.group.order)
        own = self.relative_encoding(torch.zeros(len(pose), 2), pose)
        return super().forward(features + own[None, :, None], positions, attention_mask)


def test_a_layer_that_tells_one_pose_from_another_is_found_out():
    """The control."""
    reader = tiny_reader(group="D4", pose_layers=1)
    reader.encoder.pose_layers[0].attention.__class__ = KnowsItsPose
    broken = {check.claim for check in report(reader) if not check.holds}
    assert "encoder.pose_layers.0.attention: turning the field turns the output" in broken
    assert "encoder.lifting.attention: turning the field turns the output" not in broken
