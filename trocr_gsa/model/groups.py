"""Finite groups of rotations and mirrors of the plane.

What is unusual: a group is a set of tables. Elements are integers, `product[a, b]` is the element ab, and all actions
(on displacements, patches and images) are computed from these tables. Element 0 is the identity.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

MAX_ROTATIONS = 360
ROUNDING = 1e-6  # largest error of the matrices of a new group: that of float32, with some room
_NAME = re.compile(r"[CD]([1-9][0-9]{0,2})")


@dataclass(frozen=True, eq=False)
class PointGroup:
    """A finite group H of rotations of the plane, for Dn with mirrors.

    Cn: element k is the rotation by 2πk/n, counter-clockwise with x right and y up. Only half and quarter turns map the
    pixel grid onto itself; the other rotations of C3, C8, … interpolate and are approximate on images.
    Dn: order 2n; element k < n is the rotation r_k, element n + k is r_k ∘ s with the mirror s: x → −x.

    Attributes:
        name: C or D and the number n of rotations, from 1 to 360.
        order: number of elements |H|.
        has_mirrors: whether half of the elements are mirrors.
        is_exact: whether every element maps the pixel grid onto itself, so that no pixel is interpolated.
        angles: angle of each element's rotation (r in r ∘ s), in degrees counter-clockwise, in [0, 360).
        matrices: (order, 2, 2) float64, orthogonal.
        product: (order, order) long, `product[a, b]` is the element ab.
        inverse: (order,) long.
    """

    name: str
    order: int
    has_mirrors: bool
    is_exact: bool
    angles: list[float]
    matrices: Tensor
    product: Tensor
    inverse: Tensor

    @classmethod
    def from_name(cls, name: str) -> "PointGroup":
        """Return the group with a given name, always as the same object.

        Args:
            name: Cn or Dn, with n from 1 to 360, or the name of a group that was added with `register_group`.

        Raises:
            ValueError: if there is no group with this name.

        Example:
            >>> PointGroup.from_name("D4"), PointGroup.from_name("C6").is_exact
            (PointGroup(D4, order 8), False)
        """
        is_text = isinstance(name, str)
        if is_text and name in _registered:
            return _registered[name]
        match = _NAME.fullmatch(name) if is_text else None
        if match is None or int(match[1]) > MAX_ROTATIONS:
            added = f", or one that was registered ({', '.join(_registered)})" if _registered else ""
            raise ValueError(
                f"`group` must be C or D and a number of rotations from 1 to {MAX_ROTATIONS}, such as C4 (quarter "
                f"turns) or D4 (with mirrors){added}, got {name!r}."
            )
        return _build(name)

    @property
    def num_rotations(self) -> int:
        """Number n of rotations; the elements from n on are mirrors."""
        return self.order // 2 if self.has_mirrors else self.order

    def element(self, angle: float) -> int:
        """Return the rotation by `angle` degrees counter-clockwise.

        Raises:
            ValueError: if the group does not contain this rotation.
        """
        step = 360.0 / self.num_rotations
        nearest = round(angle / step) if math.isfinite(angle) else 0
        if not math.isclose(nearest * step, angle, abs_tol=1e-6):
            raise ValueError(f"`angle` must be a multiple of {step:g} degrees for {self.name}, got {angle:g}.")
        return nearest % self.num_rotations

    def transform_image(self, images: Tensor, element: int) -> Tensor:
        """Transform images by an element: (L_h image)(x) = image(h⁻¹x).

        Args:
            images: (…, height, width).
            element: index of h.

        Raises:
            ValueError: if the group would have to interpolate.
        """
        if not self.is_exact:
            raise ValueError(f"`group` must map the pixel grid onto itself (C1 C2 C4 D1 D2 D4), got {self.name}.")
        if element >= self.num_rotations:
            images = images.flip(-1)
        return torch.rot90(images, round(self.angles[element] / 90), dims=(-2, -1))

    def __repr__(self) -> str:
        return f"PointGroup({self.name}, order {self.order})"

    def __reduce__(self):  # one object per name, also after unpickling in a worker process
        return PointGroup.from_name, (self.name,)

    def __deepcopy__(self, memo: dict) -> "PointGroup":
        return self


def cpu_table(build: Callable[..., T]) -> Callable[..., T]:
    """Build a table once, on the CPU: transformers builds models on the meta device, where tensors have no values.

    `torch.compile` treats the table as a constant.
    """

    @cache
    def built(*args: object) -> T:
        with torch.device("cpu"):
            return build(*args)

    @torch.compiler.assume_constant_result
    @wraps(build)
    def table(*args: object) -> T:
        return built(*args)

    return table


def register_group(name: str, matrices: Tensor) -> PointGroup:
    """Add a group that is not Cn or Dn, for example a mirror about another axis than the one of D1.

    Its tables are computed from its matrices, which are stored without the rounding errors of float32. Register it
    before a model of this group is built or loaded.

    Args:
        name: the name for `GSANetConfig(group=…)`.
        matrices: (order, 2, 2), orthogonal: the identity, the other rotations by increasing angle, then the elements
            that mirror.

    Returns: the group.

    Raises:
        ValueError: if the name is already used, or the matrices are not a group or not in this order.

    Example:
        >>> upside_down = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, -1.0]]])
        >>> register_group("mirrored in water", upside_down)
        PointGroup(mirrored in water, order 2)
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) or name in _registered:
        raise ValueError(f"`name` must be a text that is not the name of another group, got {name!r}.")
    if not isinstance(matrices, Tensor) or matrices.ndim != 3 or matrices.shape[1:] != (2, 2) or not len(matrices):
        found = tuple(matrices.shape) if isinstance(matrices, Tensor) else f"a {type(matrices).__name__}"
        raise ValueError(f"`matrices` must be a tensor (order, 2, 2), got {found}.")
    matrices = matrices.detach().cpu().double()
    identity = torch.eye(2, dtype=torch.float64)
    if not torch.allclose(matrices @ matrices.mT, identity.expand_as(matrices), atol=ROUNDING):
        raise ValueError("`matrices` must be orthogonal: rotations and mirrors, without scaling.")
    products = torch.einsum("aij,bjk->abik", matrices, matrices)
    equal = torch.isclose(products[:, :, None], matrices, atol=ROUNDING).flatten(-2).all(-1)  # (a, b, element)
    if not (equal.sum(-1) == 1).all():
        raise ValueError("`matrices` must be a group: every product of two of them must be one of them, and only one.")
    if not torch.allclose(matrices[0], identity, atol=ROUNDING):
        raise ValueError(f"`matrices` must begin with the identity, got {matrices[0].tolist()}.")
    product = equal.long().argmax(-1)
    matrices = _unrounded(matrices, product)
    _registered[name] = _group(name, matrices, product, (product == 0).long().argmax(-1))
    return _registered[name]


_registered: dict[str, PointGroup] = {}


def _unrounded(matrices: Tensor, product: Tensor) -> Tensor:
    """Return the exact matrices of a group: its rotations r, and r ∘ m with the first mirror m.

    Raises:
        ValueError: if the rotations are not the first ones, by increasing angle.
    """
    n = int((torch.linalg.det(matrices) > 0).sum())
    rotations = _matrices(n, n)
    if not torch.allclose(matrices[:n], rotations, atol=10 * ROUNDING):
        raise ValueError("`matrices` must hold the rotations by increasing angle first, then the mirrors.")
    if n == len(matrices):
        return rotations
    exact = torch.empty_like(matrices)
    exact[:n] = rotations
    exact[product[:n, n]] = rotations @ _unrounded_mirror(matrices[n], len(matrices))
    return exact


def _unrounded_mirror(matrix: Tensor, order: int) -> Tensor:
    """Return the mirror r ∘ s that is close to a matrix.

    If it is possible, the angle of r is a whole number of degrees, or a multiple of 90/order degrees.
    """
    angle = math.atan2(-float(matrix[0, 1]), float(matrix[1, 1]))
    steps = math.lcm(360, 4 * order)  # of a turn
    nearest = round(angle / (2 * math.pi) * steps)
    if abs(angle - nearest * 2 * math.pi / steps) < 10 * ROUNDING:
        return _matrix(nearest, steps, mirrored=True)
    return _orthogonal(math.sin(angle), math.cos(angle), mirrored=True)


def _group(name: str, matrices: Tensor, product: Tensor, inverse: Tensor) -> PointGroup:
    """Build a group, with the attributes that follow from its matrices."""
    mirrored = torch.linalg.det(matrices) < 0
    angles = [_angle(matrix, len(matrices)) for matrix in matrices]
    is_exact = torch.equal(matrices, matrices.round())
    return PointGroup(name, len(matrices), bool(mirrored.any()), is_exact, angles, matrices, product, inverse)


def _angle(matrix: Tensor, order: int) -> float:
    """Return the angle of r in r or r ∘ s, in degrees; exact if it is a multiple of 360/order."""
    angle = math.degrees(math.atan2(-float(matrix[0, 1]), float(matrix[1, 1]))) % 360
    steps = angle * order / 360
    return 360.0 * (round(steps) % order) / order if math.isclose(steps, round(steps), abs_tol=1e-9) else angle


@cpu_table
def _build(name: str) -> PointGroup:
    n, mirrored = int(name[1:]), name[0] == "D"
    order = 2 * n if mirrored else n
    k, m = torch.arange(order) % n, torch.arange(order) // n
    # r_a s^m · r_b s^l = r_(a ± b) s^(m + l), with minus if m = 1, because s r = r⁻¹ s
    rotation = (k[:, None] + torch.where(m == 1, -1, 1)[:, None] * k[None, :]) % n
    product = rotation + n * ((m[:, None] + m[None, :]) % 2)
    inverse = torch.where(m == 1, k + n * m, (n - k) % n)
    return _group(name, _matrices(n, order), product, inverse)


def _matrices(n: int, order: int) -> Tensor:
    return torch.stack([_matrix(element % n, n, element >= n) for element in range(order)])


def _matrix(k: int, n: int, mirrored: bool) -> Tensor:
    """Return the rotation r by k/n turns, or r ∘ s with s: x → −x."""
    exact = {0: 0.0, 1: 1.0, 2: 0.0, 3: -1.0}  # sine of k quarter turns: math.cos(π/2) is not exactly 0
    if (4 * k) % n:
        return _orthogonal(math.sin(2 * math.pi * k / n), math.cos(2 * math.pi * k / n), mirrored)
    quarters = 4 * k // n
    return _orthogonal(exact[quarters % 4], exact[(quarters + 1) % 4], mirrored)


def _orthogonal(sine: float, cosine: float, mirrored: bool) -> Tensor:
    mirror = -1.0 if mirrored else 1.0
    return torch.tensor([[cosine * mirror, -sine], [sine * mirror, cosine]], dtype=torch.float64)
