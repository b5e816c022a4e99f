"""The orientation prior. It is the only place where invariance is given up, on purpose."""

import torch
from torch import Tensor

from .groups import PointGroup

Orientation = str | dict[float, float]
MAX_DEGREES = 3600  # at 1e30, neighbouring numbers are many turns apart


def orientation_bias(orientation: Orientation, group: PointGroup) -> Tensor | None:
    """Return the log of a prior over poses, (pose,), or None if all poses are equally likely.

    Args:
        orientation: "any", "upright", or {degrees counter-clockwise from upright: probability}; other angles have
            probability 0.
        group: the group of the poses.

    Raises:
        ValueError: if `orientation` is none of these, has an angle that is not in the group, or sums to 0.
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
            if abs(angle) > MAX_DEGREES:
                raise ValueError("far more than one turn")
            prior[group.element(angle)] += probability
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"`orientation` must name angles of {group.name} in degrees, {group.angles[: group.num_rotations]}, "
                f"each with a probability, got {angle!r}: {probability!r}."
            ) from error
    if not (prior.isfinite().all() and prior.min() >= 0 and prior.sum() > 0):
        raise ValueError(f"`orientation` must hold probabilities, at least one above 0, got {orientation!r}.")
    return (prior / prior.sum()).log()


def only_pose(bias: Tensor | None) -> int | None:
    """Return the only pose that a prior from `orientation_bias` allows, or None if it allows several."""
    left = [] if bias is None else bias.isfinite().nonzero().flatten().tolist()
    return left[0] if len(left) == 1 else None
