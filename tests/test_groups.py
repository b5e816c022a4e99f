"""Groups, held against their axioms one element at a time."""

import itertools
import math
import pickle

import pytest
import torch
from tiny_models import PATCH, tiny_encoder

from trocr_gsa.equivariance import equivariance_error, turn_poses
from trocr_gsa.model import groups
from trocr_gsa.model.encoding import RelativeEncoding, initial_frequencies
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


@pytest.mark.parametrize("name", ["c4", "C0", "C04", "C361", "C9999999", "D-4", "SO2", "C", "", "C4 ", "C٤", 4, None])
def test_an_unknown_name_is_an_error_that_says_how_groups_are_called(name):
    with pytest.raises(ValueError, match=rf"`group` must be C or D and a number .* 360, such as C4 .*{name!r}"):
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


def mirrored_about(angle: float, n: int) -> torch.Tensor:
    """Rotations by 2πk/n, then these after the mirror about an axis, which keep their order; float64."""
    cosine, sine = math.cos(2 * angle), math.sin(2 * angle)
    rotations = PointGroup.from_name(f"C{n}").matrices
    return torch.cat((rotations, rotations @ torch.tensor([[cosine, sine], [sine, -cosine]], dtype=torch.float64)))


@pytest.mark.parametrize("axis", [0.0, math.pi / 4, math.pi / 3, 0.3])
@pytest.mark.parametrize("n", [1, 3, 4, 8])
def test_matrices_of_float32_give_a_group_that_multiplies_exactly(n, axis, monkeypatch):
    monkeypatch.setattr(groups, "_registered", {})
    matrices = mirrored_about(axis, n)
    group = register_group("rounded", matrices.float())
    products = torch.einsum("aij,bjk->abik", group.matrices, group.matrices)
    torch.testing.assert_close(products, group.matrices[group.product], rtol=0, atol=1e-14)
    assert group.angles[:n] == [360 * k / n for k in range(n)]
    exact = 1e-7 if axis == 0.3 else 1e-14  # an axis that is no round number is known as well as float32 says
    torch.testing.assert_close(group.matrices, matrices, rtol=0, atol=exact)
    assert (matrices.float().double() @ matrices.float().double().mT - torch.eye(2)).abs().max() > 1e-14 or n in (1, 4)


@pytest.mark.parametrize("axis", [0.0, math.pi / 4, math.pi / 2, math.pi / 3, 0.3])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_frequencies_of_a_group_lie_on_none_of_its_mirror_axes_and_see_both_directions(n, axis, monkeypatch):
    monkeypatch.setattr(groups, "_registered", {})
    group = register_group("mirrors", mirrored_about(axis, n))
    frequency = initial_frequencies(group, 1)[0].double()
    moved = (group.matrices @ frequency - frequency).norm(dim=-1) / frequency.norm()
    nearest = 2 * math.sin(math.pi / (4 * n))  # a quarter of the way from one axis to the next
    assert moved[n:].min() == pytest.approx(nearest, rel=1e-5)
    assert torch.linalg.matrix_rank(RelativeEncoding(group, 4, 1, relative_pose=True).orbit_frequencies()) == 2


def test_the_tilt_that_only_knows_the_number_of_mirrors_lies_on_a_diagonal_axis(monkeypatch):
    """The control: the frequencies of D1, for a group that mirrors about the diagonal."""
    monkeypatch.setattr(groups, "_registered", {})
    group = register_group("diagonal", mirrored_about(math.pi / 4, 1))
    frequency = initial_frequencies(PointGroup.from_name("D1"), 1)[0].double()
    assert (group.matrices @ frequency - frequency).abs().max() < 1e-6


@pytest.mark.parametrize("name", [*ORDERS, "C360", "D5", "D7", "D359", "D360"])
def test_the_frequencies_of_named_groups_are_those_of_earlier_versions(name):
    group = PointGroup.from_name(name)
    tilt = math.pi / (4 * group.num_rotations) if group.has_mirrors else 0.0
    sectors = 2 if name in ("C1", "C2", "D2") else 1
    for count in (1, 4, 5):
        ratio = 32.0 ** (1 / max(1, math.ceil(count / sectors) - 1))
        polar = [(2 * math.pi / (3 * ratio ** (k // sectors)), tilt + k % sectors * math.pi / 2) for k in range(count)]
        expected = torch.tensor([(radius * math.cos(angle), radius * math.sin(angle)) for radius, angle in polar])
        assert torch.equal(initial_frequencies(group, count), expected)


def test_an_encoder_of_a_diagonal_mirror_sees_patches_along_the_other_diagonal(monkeypatch):
    monkeypatch.setattr(groups, "_registered", {})
    register_group("diagonal", mirrored_about(math.pi / 4, 1))
    model = tiny_encoder(group="diagonal", pose_layers=1)
    image = torch.rand(1, 1, 2 * PATCH, 2 * PATCH, dtype=torch.float64)
    exchanged = image.clone()
    exchanged[..., :PATCH, :PATCH], exchanged[..., PATCH:, PATCH:] = (
        image[..., PATCH:, PATCH:],
        image[..., :PATCH, :PATCH],
    )
    assert (model(exchanged).pose_logits - model(image).pose_logits).abs().max() > 1e-6


@pytest.mark.parametrize(
    ("name", "matrices", "message"),
    [
        ("C4", ABOUT_THE_OTHER_AXIS, "`name` must be a text that is not the name of another group, got 'C4'"),
        (3, ABOUT_THE_OTHER_AXIS, "`name` must be a text .* got 3"),
        ("x", torch.eye(2), r"`matrices` must be a tensor \(order, 2, 2\), got \(2, 2\)"),
        ("x", ABOUT_THE_OTHER_AXIS.tolist(), r"`matrices` must be a tensor \(order, 2, 2\), got a list"),
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
