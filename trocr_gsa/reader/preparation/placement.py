"""Maps points of a rotated or cropped image back to the original image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Placement:
    """An affine map of points (x right, y down) in pixels, with pixel edges at integers: p ↦ M p + offset.

    Attributes:
        matrix: M, row by row.
        offset: the image of the corner (0, 0).

    Example:
        >>> Placement().cut(10, 2)(np.array([[1.0, 1.0]])).tolist()
        [[11.0, 3.0]]
    """

    matrix: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0))
    offset: tuple[float, float] = (0.0, 0.0)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Map points (point, 2) to the original image."""
        return points @ np.array(self.matrix).T + self.offset

    def cut(self, left: float, top: float) -> Placement:
        """Return the placement of a crop of this image that begins at (left, top)."""
        x, y = self(np.array([[left, top]]))[0].tolist()
        return Placement(self.matrix, (x, y))

    @classmethod
    def turned(cls, degrees: float, before: tuple[int, int], after: tuple[int, int]) -> Placement:
        """Return the placement of an image that was rotated counter-clockwise about its centre.

        Args:
            degrees: the angle of the rotation.
            before: width and height before the rotation.
            after: width and height after the rotation.
        """
        sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        matrix = ((cosine, -sine), (sine, cosine))  # the inverse rotation, with y pointing down
        x, y = (np.array(before) - np.array(matrix) @ np.array(after)) / 2
        return cls(matrix, (float(x), float(y)))


UNMOVED = Placement()
