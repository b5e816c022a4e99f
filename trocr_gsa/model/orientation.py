"""A prior over poses, as people say it: the only place where invariance is given up, on purpose."""

import torch
from torch import Tensor

from .groups import PointGroup

Orientation = str | dict[float, float]


def orientation_bias(orientation: Orientation, group: PointGroup) -> Tensor | None:
    """Return log of a prior over poses, (pose,), or None where every pose is as likely.

    Args:
        orientation: "any", "upright", or {degrees counter-clockwise from upright: probability}; angles not named get 0.
        group: whose elements the poses are.

    Raises:
        ValueError: if `orientation` is none of these, names an angle the group has not, or sums to nothing.
    """
    if isinstance(orientation, str) and orientation in ("any", "upright"):
        if orientation == "any":
            return None
        orientation = {0.0: 1.0}
    if not isinstance(orientation, dict):
        raise ValueError(f"`orientation` must be 'any', 'upright' or {{degrees: probability}}, got {orientation!r}.")
    prior = torch.zeros(group.order, dtype=torch.float64)
    for angle, probability in orientation.items():
        try:
            prior[group.element(angle)] += probability
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"`orientation` must name angles of {group.name} in degrees, {group.angles[: group.num_rotations]}, "
                f"each with a probability, got {angle!r}: {probability!r}."
            ) from error
    if not (prior.isfinite().all() and prior.min() >= 0 and prior.sum() > 0):
        raise ValueError(f"`orientation` must hold probabilities, at least one above 0, got {orientation!r}.")
    return (prior / prior.sum()).log()


def only_pose(bias: Tensor | None) -> int | None:
    """Return the one pose that a prior (pose,) from `orientation_bias` leaves, or None where there are several."""
    left = [] if bias is None else bias.isfinite().nonzero().flatten().tolist()
    return left[0] if len(left) == 1 else None
