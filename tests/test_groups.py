"""Groups, held against their axioms one element at a time."""

import itertools
import math
import pickle

import pytest
import torch
from tiny_models import PATCH, tiny_encoder

from trocr_gsa.equivariance import equivariance_error, turn_poses
from trocr_gsa.model import groups
from trocr_gsa.model.groups import PointGroup, register_group

ORDERS = {
    **{"C1": 1, "C2": 2, "C3": 3, "C4": 4, "C5": 5, "C7": 7, "C8": 8, "C12": 12, "C16": 16},
    **{"D1": 2, "D2": 4, "D3": 6, "D4": 8, "D6": 12, "D8": 16},
}
EXACT = ("C1", "C2", "C4", "D1", "D2", "D4")


@pytest.fixture(params=ORDERS)
def group(request) -> PointGroup:
    return PointGroup.from_name(request.param)


def pixel_coordinates(rows: int, columns: int) -> dict[tuple[int, int], tuple[float, float]]:
    """(row, column) → (x, y): x right, y up, origin at the centre."""
    return {
        (row, column): (column - (columns - 1) / 2, (rows - 1) / 2 - row)
        for row in range(rows)
        for column in range(columns)
    }


def test_a_group_has_the_order_its_name_says(group):
    assert group.order == ORDERS[group.name]
    assert group.matrices.shape == (group.order, 2, 2)
    assert group.matrices.dtype == torch.float64
    assert group.product.shape == (group.order, group.order)
    assert group.inverse.shape == (group.order,)
    assert group.product.dtype == group.inverse.dtype == torch.long


def test_the_product_is_closed_and_every_row_and_column_is_a_permutation(group):
    everything = list(range(group.order))
    for a in everything:
        assert sorted(group.product[a].tolist()) == everything
        assert sorted(group.product[:, a].tolist()) == everything


def test_the_product_is_associative(group):
    p = group.product.tolist()
    for a, b, c in itertools.product(range(group.order), repeat=3):
        assert p[p[a][b]][c] == p[a][p[b][c]]


def test_element_zero_is_the_identity_and_every_element_has_its_inverse(group):
    for a in range(group.order):
        assert group.product[0, a] == group.product[a, 0] == a
        assert group.product[a, group.inverse[a]] == group.product[group.inverse[a], a] == 0
    torch.testing.assert_close(group.matrices[0], torch.eye(2, dtype=torch.float64), rtol=0, atol=0)


def test_the_matrices_multiply_as_the_elements_do(group):
    for a, b in itertools.product(range(group.order), repeat=2):
        product = group.matrices[a] @ group.matrices[b]
        torch.testing.assert_close(product, group.matrices[group.product[a, b]], rtol=0, atol=1e-14)


def test_no_two_elements_are_the_same_matrix(group):
    for a, b in itertools.combinations(range(group.order), 2):
        assert (group.matrices[a] - group.matrices[b]).abs().max() > 0.1


def test_elements_come_as_rotations_counter_clockwise_then_rotations_after_the_mirror(group):
    n = int(group.name[1:])
    for k in range(n):
        angle = 2 * math.pi * k / n
        rotation = torch.tensor(
            [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64
        )
        torch.testing.assert_close(group.matrices[k], rotation, rtol=0, atol=1e-14)
        if group.name.startswith("D"):
            mirror = torch.tensor([[-1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
            torch.testing.assert_close(group.matrices[n + k], rotation @ mirror, rtol=0, atol=1e-14)


def test_angles_and_elements_are_each_others_inverse(group):
    n = int(group.name[1:])
    assert group.angles == [360 * (k % n) / n for k in range(group.order)]
    for k in range(n):
        assert group.element(group.angles[k]) == k
        assert group.element(group.angles[k] - 360) == k
        assert group.element(group.angles[k] + 720) == k


@pytest.mark.parametrize(
    ("name", "angle"), [("C1", 90), ("C2", 90), ("C4", 45), ("D4", 30), ("C8", 30), ("C4", math.nan), ("C4", math.inf)]
)
def test_an_angle_the_group_does_not_have_is_an_error_that_says_which_it_has(name, angle):
    with pytest.raises(ValueError, match=rf"`angle`.*{name}"):
        PointGroup.from_name(name).element(angle)


def test_a_group_is_exact_when_it_maps_the_pixel_grid_onto_itself(group):
    assert group.is_exact is (group.name in EXACT)
    entries_are_integers = torch.equal(group.matrices, group.matrices.round())
    assert group.is_exact is entries_are_integers


@pytest.mark.parametrize("name", ["c4", "C0", "C04", "C361", "C9999999", "D-4", "SO2", "C", "", "C4 ", "C٤"])
def test_an_unknown_name_is_an_error_that_says_how_groups_are_called(name):
    with pytest.raises(ValueError, match=rf"`group` must be C or D and a number .* 360, such as C4 .*'{name}'"):
        PointGroup.from_name(name)


def test_the_largest_group_is_built():
    assert PointGroup.from_name("D360").order == 720


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (1, 6)])
def test_turning_an_image_moves_every_pixel_as_the_matrix_says(name, shape):
    group = PointGroup.from_name(name)
    image = torch.rand(2, 1, *shape)
    source = pixel_coordinates(*shape)
    for h in range(group.order):
        turned = group.transform_image(image, h)
        target = {xy: pixel for pixel, xy in pixel_coordinates(*turned.shape[-2:]).items()}
        for (row, column), (x, y) in source.items():
            moved = group.matrices[h] @ torch.tensor([x, y], dtype=torch.float64)
            r, c = target[tuple(moved.tolist())]
            assert torch.equal(turned[..., r, c], image[..., row, column])


@pytest.mark.parametrize("name", EXACT)
def test_turning_twice_is_turning_by_the_product(name):
    group = PointGroup.from_name(name)
    image = torch.rand(3, 5)
    for a, b in itertools.product(range(group.order), repeat=2):
        twice = group.transform_image(group.transform_image(image, b), a)
        assert torch.equal(twice, group.transform_image(image, int(group.product[a, b])))


@pytest.mark.parametrize("name", sorted(set(ORDERS) - set(EXACT)))
def test_an_inexact_group_refuses_to_turn_an_image(name):
    with pytest.raises(ValueError, match=name):
        PointGroup.from_name(name).transform_image(torch.zeros(4, 4), 1)


ABOUT_THE_OTHER_AXIS = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, -1.0]]])


@pytest.fixture
def registered(monkeypatch) -> PointGroup:
    """The mirror y → −y, which no name stands for."""
    monkeypatch.setattr(groups, "_registered", {})
    return register_group("D1 lying", ABOUT_THE_OTHER_AXIS)


def test_a_registered_group_is_found_by_its_name_and_acts_as_its_matrices_say(registered):
    assert PointGroup.from_name("D1 lying") is registered
    assert pickle.loads(pickle.dumps(registered)) is registered
    assert (registered.num_rotations, registered.angles, registered.is_exact) == (1, [0.0, 180.0], True)
    assert torch.equal(registered.product, torch.tensor([[0, 1], [1, 0]]))
    image = torch.rand(3, 5)
    assert torch.equal(registered.transform_image(image, 1), image.flip(0))


@pytest.mark.parametrize("name", ["C4", "D3", "C8"])
def test_registered_matrices_give_the_tables_of_the_group_they_come_from(name, monkeypatch):
    monkeypatch.setattr(groups, "_registered", {})
    known = PointGroup.from_name(name)
    again = register_group("again", known.matrices)
    assert torch.equal(again.product, known.product)
    assert torch.equal(again.inverse, known.inverse)
    assert again.angles == known.angles
    assert again.has_mirrors is known.has_mirrors


def test_an_encoder_of_a_registered_group_is_equivariant(registered):
    model = tiny_encoder(group="D1 lying", pose_layers=1)

    def pose(image):
        return model(image).pose_logits.exp()

    image = torch.rand(1, 1, 2 * PATCH, 3 * PATCH, dtype=torch.float64)
    assert equivariance_error(pose, registered, image, act_out=turn_poses) < 1e-11
    other = PointGroup.from_name("D1")
    assert equivariance_error(pose, other, image, act_out=turn_poses) > 1e-3


@pytest.mark.parametrize(
    ("name", "matrices", "message"),
    [
        ("C4", ABOUT_THE_OTHER_AXIS, "`name` must not be the name of another group, got 'C4'"),
        ("x", torch.eye(2), r"`matrices` must be \(order, 2, 2\), got \(2, 2\)"),
        ("x", 2 * ABOUT_THE_OTHER_AXIS, "`matrices` must be orthogonal"),
        ("x", PointGroup.from_name("C4").matrices[:2], "`matrices` must be a group"),
        ("x", torch.eye(2).expand(2, 2, 2), "`matrices` must be a group"),
        ("x", ABOUT_THE_OTHER_AXIS.flip(0), "`matrices` must begin with the identity"),
        ("x", PointGroup.from_name("C4").matrices[[0, 2, 1, 3]], "`matrices` must hold the rotations by increasing"),
        ("x", PointGroup.from_name("D2").matrices[[0, 2, 1, 3]], "`matrices` must hold the rotations by increasing"),
    ],
)
def test_matrices_that_are_no_group_or_in_another_order_are_refused(name, matrices, message):
    with pytest.raises(ValueError, match=message):
        register_group(name, matrices)
    assert not groups._registered


def test_a_group_is_immutable(group):
    with pytest.raises(AttributeError):
        group.order = 3


def test_a_group_survives_pickling(group):
    again = pickle.loads(pickle.dumps(group))
    assert again.name == group.name
    assert torch.equal(again.product, group.product)
