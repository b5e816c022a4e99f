"""Groups that leave the pixel grid: exact on half and quarter turns, approximate between, and the model says so."""

import math

import pytest
import torch
import torch.nn.functional as F
from slow_cases import others_slow
from tiny_models import LAYERS, PATCH, noise, tiny_encoder

from trocr_gsa import PointGroup
from trocr_gsa.equivariance import equivariance_error, turn_image, turn_poses
from trocr_gsa.model.patches import see_from_poses

FINER = ["C3", "C8", "C12", "C16", "D3", "D8"]


def on_pixels(group: PointGroup) -> list[int]:
    return [element for element, angle in enumerate(group.angles) if angle % 90 == 0]


def turn_smoothly(group: PointGroup, element: int, images: torch.Tensor) -> torch.Tensor:
    """Turn square images by any angle, interpolating."""
    flipped = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)  # grid_sample's y points down
    inverse = (flipped @ group.matrices[group.inverse[element]] @ flipped)[None]
    grid = F.affine_grid(F.pad(inverse, (0, 1)), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def disc(side: int) -> torch.Tensor:
    """A smooth picture that ends well inside its square."""
    axis = torch.linspace(-1, 1, side, dtype=torch.float64)
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    return ((0.64 - x**2 - y**2).clamp_min(0) ** 2 * (1 + x + 0.5 * y))[None, None]


@pytest.mark.parametrize("name", FINER)
def test_a_finer_group_says_that_it_is_not_exact(name):
    assert not tiny_encoder(group=name).group.is_exact


@pytest.mark.parametrize("pose_layers", others_slow([0, 1, LAYERS], 1))
@pytest.mark.parametrize("name", FINER)
def test_quarter_turns_and_their_mirrors_are_exact(name, pose_layers):
    model = tiny_encoder(group=name, pose_layers=pose_layers)
    elements, image = on_pixels(model.group), noise(2, 5)
    assert len(elements) == math.gcd(model.group.num_rotations, 4) * (2 if model.group.has_mirrors else 1)

    def logits(x):
        return model(x).pose_logits

    def moments(x):
        return model(x).pose_hidden_state.square().mean(1)  # finer groups leave the tokens in the image's order

    assert equivariance_error(logits, model.group, image, act_out=turn_poses, elements=elements) < 1e-11
    assert equivariance_error(moments, model.group, image, elements=elements) < 1e-11


@pytest.mark.parametrize("name", FINER)
def test_turns_between_are_approximate(name):
    model = tiny_encoder(group=name)
    between = [element for element in range(model.group.order) if element not in on_pixels(model.group)]
    error = equivariance_error(
        lambda x: model(x).pose_logits, model.group, disc(8 * PATCH), turn_smoothly, turn_poses, between
    )
    assert error > 1e-3


@pytest.mark.parametrize("name", FINER)
def test_a_smooth_patch_is_seen_turned_to_within_a_few_percent(name):
    group, side = PointGroup.from_name(name), 32
    patch = disc(side)
    seen = see_from_poses(patch.flatten(2), group, side)[0, :, 0].unflatten(-1, (side, side))
    for element in range(group.order):
        turned = turn_smoothly(group, int(group.inverse[element]), patch)[0, 0]
        assert (seen[element] - turned).abs().max() < 1e-12
        back = turn_smoothly(group, element, seen[element][None, None])
        assert (back - patch).abs().max() / patch.max() < 0.03


@pytest.mark.parametrize("name", FINER)
def test_an_exact_turn_by_a_finer_group_is_refused(name):
    with pytest.raises(ValueError, match="`group` must map the pixel grid onto itself"):
        PointGroup.from_name(name).transform_image(noise(2, 2), 1)
    assert turn_image(PointGroup.from_name(name), 0, noise(2, 2)).shape == (1, 1, 2 * PATCH, 2 * PATCH)
