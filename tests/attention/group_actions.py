"""The action of the group on positions and features, element by element, and the equivariance error of a function."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from trocr_gsa.model.groups import PointGroup


def grid(rows: int, columns: int) -> Tensor:
    """Return raster-ordered patch centres (position, 2): x right, y up, origin at the centre of the image."""
    centres = [(c - (columns - 1) / 2, (rows - 1) / 2 - r) for r in range(rows) for c in range(columns)]
    return torch.tensor(centres, dtype=torch.float64)


def turned_grid(group: PointGroup, h3: int, rows: int, columns: int) -> tuple[Tensor, list[int]]:
    """Return the raster of the turned image, and for each of its positions y the index of h₃⁻¹y in the old raster."""
    quarter_turned = group.matrices[h3][0, 0].abs() < 0.5
    target = grid(columns, rows) if quarter_turned else grid(rows, columns)
    old = {tuple(xy): index for index, xy in enumerate(grid(rows, columns).tolist())}
    source = [old[tuple((group.matrices[group.inverse[h3]] @ y).tolist())] for y in target]
    return target, source


def turned_field(group: PointGroup, h3: int, f: Tensor, source: list[int]) -> Tensor:
    """Return (L f)(i,h) = f(h₃⁻¹x(i), h₃⁻¹h); f (batch, pose, position, hidden)."""
    out = torch.empty_like(f)
    for h in range(group.order):
        out[:, h] = f[:, group.product[group.inverse[h3], h]][:, source]
    return out


def field_error(
    group: PointGroup,
    run: Callable[[Tensor, Tensor], Tensor],
    f: Tensor,
    rows: int,
    columns: int,
    elements: Iterable[int] | None = None,
) -> float:
    """Return the maximum over h₃ of |run(L f) − L run(f)| / |run(f)|; f (batch, [pose,] position, hidden)."""
    y = run(f, grid(rows, columns))
    errors = []
    for h3 in range(group.order) if elements is None else elements:
        positions, source = turned_grid(group, h3, rows, columns)
        turned = f[:, source] if f.dim() == 3 else turned_field(group, h3, f, source)
        errors.append((run(turned, positions) - turned_field(group, h3, y, source)).abs().max() / y.abs().max())
    return torch.stack(errors).max().item()
