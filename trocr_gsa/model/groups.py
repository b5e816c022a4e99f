"""Finite groups of rotations and mirrors of the plane.

What is unusual: a group is its tables. Elements are integers, `product[a, b]` is the element ab, and everything that
acts (on displacements, patches, images) is looked up from there. Element 0 is the identity.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

NAMES = ("C1", "C2", "C4", "C8", "C12", "C16", "D1", "D2", "D4", "D8")


@dataclass(frozen=True, eq=False)
class PointGroup:
    """A finite group H of rotations, and for D also mirrors, of the plane.

    Cn: element k is the rotation by 2πk/n, counter-clockwise with x right and y up.
    Dn: order 2n; element k < n is that rotation r_k, element n + k is r_k ∘ s with the mirror s: x → −x.

    Attributes:
        name: one of C1 C2 C4 C8 C12 C16 D1 D2 D4 D8.
        order: number of elements |H|.
        matrices: (order, 2, 2) float64, orthogonal.
        product: (order, order) long, `product[a, b]` is the element ab.
        inverse: (order,) long.
    """

    name: str
    order: int
    matrices: Tensor
    product: Tensor
    inverse: Tensor

    @classmethod
    def from_name(cls, name: str) -> "PointGroup":
        """Return the group of that name; the same object each time.

        Raises:
            ValueError: if `name` is none of the ten groups.
        """
        if name not in NAMES:
            raise ValueError(f"`group` must be one of {', '.join(NAMES)}, got {name!r}.")
        return _build(name)

    @property
    def num_rotations(self) -> int:
        """Number n of rotations in Cn and Dn."""
        return int(self.name[1:])

    @property
    def is_exact(self) -> bool:
        """Whether every element maps the pixel grid onto itself, so that no pixel is ever interpolated."""
        return 4 % self.num_rotations == 0

    @property
    def has_mirrors(self) -> bool:
        """Whether the group holds mirrors."""
        return self.name[0] == "D"

    @property
    def angles(self) -> list[float]:
        """Angle of every element's rotation part, in degrees counter-clockwise, in [0, 360)."""
        return [360.0 * (element % self.num_rotations) / self.num_rotations for element in range(self.order)]

    def element(self, angle: float) -> int:
        """Return the rotation by `angle` degrees counter-clockwise.

        Raises:
            ValueError: if the group does not hold that rotation.
        """
        step = 360.0 / self.num_rotations
        nearest = round(angle / step) if math.isfinite(angle) else 0
        if not math.isclose(nearest * step, angle, abs_tol=1e-6):
            raise ValueError(f"`angle` must be a multiple of {step:g} degrees for {self.name}, got {angle:g}.")
        return nearest % self.num_rotations

    def transform_image(self, images: Tensor, element: int) -> Tensor:
        """Turn images by an element: (L_h image)(x) = image(h⁻¹x).

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
        quarters = (element % self.num_rotations) * (4 // self.num_rotations)
        return torch.rot90(images, quarters, dims=(-2, -1))

    def __repr__(self) -> str:
        return f"PointGroup({self.name}, order {self.order})"

    def __reduce__(self):  # one object a name, also after a worker process has unpickled it
        return PointGroup.from_name, (self.name,)

    def __deepcopy__(self, memo: dict) -> "PointGroup":
        return self


def cpu_table(build: Callable[..., T]) -> Callable[..., T]:
    """Build a table once, on the CPU: transformers builds models on the meta device, where a table has no numbers."""

    @cache
    @wraps(build)
    def table(*args: object) -> T:
        with torch.device("cpu"):
            return build(*args)

    return table


@cpu_table
def _build(name: str) -> PointGroup:
    n, mirrored = int(name[1:]), name[0] == "D"
    order = 2 * n if mirrored else n
    k, m = torch.arange(order) % n, torch.arange(order) // n
    # r_a s^m · r_b s^l = r_(a ± b) s^(m + l), minus where m mirrors: s r = r⁻¹ s
    rotation = (k[:, None] + torch.where(m == 1, -1, 1)[:, None] * k[None, :]) % n
    product = rotation + n * ((m[:, None] + m[None, :]) % 2)
    inverse = torch.where(m == 1, k + n * m, (n - k) % n)
    return PointGroup(name, order, _matrices(n, order), product, inverse)


def _matrices(n: int, order: int) -> Tensor:
    exact = {0: 0.0, 1: 1.0, 2: 0.0, 3: -1.0}  # sine of k quarter turns: cos(π/2) in floating point is not 0
    matrices = torch.empty(order, 2, 2, dtype=torch.float64)
    for element in range(order):
        k = element % n
        if (4 * k) % n == 0:
            quarters = 4 * k // n
            sine, cosine = exact[quarters % 4], exact[(quarters + 1) % 4]
        else:
            sine, cosine = math.sin(2 * math.pi * k / n), math.cos(2 * math.pi * k / n)
        mirror = -1.0 if element >= n else 1.0
        matrices[element] = torch.tensor([[cosine * mirror, -sine], [sine * mirror, cosine]], dtype=torch.float64)
    return matrices
