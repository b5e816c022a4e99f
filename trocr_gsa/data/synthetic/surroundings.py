"""Augmentation of the area around a line, as it differs between ways of cutting lines: margins, neighbours, polygons.

Because images are scaled to one height, a larger margin also makes the letters smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from trocr_gsa.data.images import paper

CORNERS = 6  # of a polygon, above and below a line each


@dataclass(frozen=True)
class Surroundings:
    """Random surroundings of a line.

    Args:
        margin: maximum margin as a share of the line's height: above and below together, and on the left and right
            each; about 40 % of the lines get no margin.
        neighbours: probability that parts of other lines reach into the margin.
        cut_out: probability that the line is cut out along a polygon and the rest is black or white.
    """

    margin: float = 0.6
    neighbours: float = 0.3
    cut_out: float = 0.25

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Put the line into a larger image; an image that is higher than wide is not changed."""
        width, height = image.size
        if height > width:
            return image
        room = max(0.0, rng.uniform(-0.7, 1)) * self.margin
        above = rng.uniform(0, room)
        left, right, top, bottom = (round(share * height) for share in (*rng.uniform(0, room, 2), above, room - above))
        page = Image.new(image.mode, (left + width + right, top + height + bottom), paper(image))
        near = rng.random() < self.neighbours
        for row in (top - height, top, top + height) if near else (top,):
            page.paste(image, (left, row))
        if rng.random() < self.cut_out:
            inner = (left, top, left + width, top + height)
            ground = Image.new(page.mode, page.size, (int(rng.choice((0, 255))),) * len(page.getbands()))
            page = Image.composite(page, ground, _polygon(page.size, inner, rng))
        return page


def _polygon(size: tuple[int, int], inner: tuple[int, int, int, int], rng: np.random.Generator) -> Image.Image:
    """Return a mask that is white inside of a polygon between the inner box and the edges of the image."""
    left, top, right, bottom = inner
    along = np.linspace(left * rng.random(), right + (size[0] - right) * rng.random(), CORNERS)
    upper = [(x, top * rng.random()) for x in along]
    lower = [(x, bottom + (size[1] - bottom) * rng.random()) for x in along[::-1]]
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon(upper + lower, fill=255)
    return mask
