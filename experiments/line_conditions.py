"""Conditions of line images, such as a wide margin or bad light: each function applies one to a clean line image."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from trocr_gsa.data.images import paper

AS_CUT = "as cut"
AROUND = 1 / 8  # height of the strips above and below the line, as a share of its height


def add_margin(image: Image.Image, share: float) -> Image.Image:
    """Add a blank margin on every side; `share` is its width as a share of the line's height."""
    return ImageOps.expand(image, round(share * min(image.size)), paper(image))


def between_neighbours(image: Image.Image) -> Image.Image:
    """Add strips of neighbouring lines above and below; they are copies of the line itself."""
    page = Image.new(image.mode, (image.width, image.height + 2 * _rows(image)))
    for row in (_rows(image) - image.height, _rows(image), _rows(image) + image.height):
        page.paste(image, (0, row))
    return page


def add_strips(image: Image.Image, grey: int) -> Image.Image:
    """Add strips of one grey value above and below."""
    return ImageOps.expand(image, (0, _rows(image)), (grey,) * len(image.getbands()))


def add_shade(image: Image.Image) -> Image.Image:
    """Darken the line from its beginning to its end, down to half of the brightness."""
    values = np.asarray(image, dtype=np.float32)
    light = np.linspace(1, 0.5, image.width, dtype=np.float32).reshape(1, -1, *[1] * (values.ndim - 2))
    return Image.fromarray((values * light).astype(np.uint8))


def small(image: Image.Image) -> Image.Image:
    """Scale the line to a height of 24 pixels, half of the reader's height."""
    return image.resize((max(1, round(image.width * 24 / image.height)), 24), Image.Resampling.BICUBIC)


def _rows(image: Image.Image) -> int:
    return round(AROUND * image.height)


CONDITIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    AS_CUT: lambda image: image,
    "10 % of room on every side": lambda image: add_margin(image, 0.1),
    "25 %": lambda image: add_margin(image, 0.25),
    "100 %": lambda image: add_margin(image, 1.0),
    "parts of its neighbours": between_neighbours,
    "black above and below": lambda image: add_strips(image, 0),
    "white above and below": lambda image: add_strips(image, 255),
    "light on dark": ImageOps.invert,
    "in the shade": add_shade,
    "24 pixels high": small,
}  # by the name in the head of the table
