"""Where the points of a picture that was turned, or cut out, are on the picture that it was made from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Placement:
    """An affine map of points (x right, y down) in pixels, edges being whole numbers: p ↦ M p + offset.

    Attributes:
        matrix: M, row by row.
        offset: where the corner (0, 0) is.

    Example:
        >>> Placement().cut(10, 2)(np.array([[1.0, 1.0]])).tolist()
        [[11.0, 3.0]]
    """

    matrix: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0))
    offset: tuple[float, float] = (0.0, 0.0)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return points (point, 2) on the picture that this one was made from."""
        return points @ np.array(self.matrix).T + self.offset

    def cut(self, left: float, top: float) -> Placement:
        """Return the placement of a part of this picture that begins at (left, top)."""
        x, y = self(np.array([[left, top]]))[0].tolist()
        return Placement(self.matrix, (x, y))

    @classmethod
    def turned(cls, degrees: float, before: tuple[int, int], after: tuple[int, int]) -> Placement:
        """Return the placement of a picture that was turned counter-clockwise about its centre.

        Args:
            degrees: by which it was turned.
            before: its width and height until then.
            after: and since.
        """
        sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        matrix = ((cosine, -sine), (sine, cosine))  # turned back, y pointing down
        x, y = (np.array(before) - np.array(matrix) @ np.array(after)) / 2
        return cls(matrix, (float(x), float(y)))


UNMOVED = Placement()
