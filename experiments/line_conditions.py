"""Line pictures as other people cut, scan and store them: each condition makes the like of it from a clean line."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from trocr_gsa.data.images import paper

AS_CUT = "as cut"
AROUND = 1 / 8  # of the height: what stands above and below a line that was cut out along a polygon, or too generously


def in_room(image: Image.Image, share: float) -> Image.Image:
    """Put blank paper on every side, as a share of the line's height."""
    return ImageOps.expand(image, round(share * min(image.size)), paper(image))


def between_neighbours(image: Image.Image) -> Image.Image:
    """Show a strip of what stands above and below: the line's own other edge."""
    page = Image.new(image.mode, (image.width, image.height + 2 * _rows(image)))
    for row in (_rows(image) - image.height, _rows(image), _rows(image) + image.height):
        page.paste(image, (0, row))
    return page


def on_ground(image: Image.Image, grey: int) -> Image.Image:
    """Put a strip of black or white above and below."""
    return ImageOps.expand(image, (0, _rows(image)), (grey,) * len(image.getbands()))


def in_the_shade(image: Image.Image) -> Image.Image:
    """Let the light fall off to half from the beginning of the line to its end."""
    values = np.asarray(image, dtype=np.float32)
    light = np.linspace(1, 0.5, image.width, dtype=np.float32).reshape(1, -1, *[1] * (values.ndim - 2))
    return Image.fromarray((values * light).astype(np.uint8))


def small(image: Image.Image) -> Image.Image:
    """Make the line 24 pixels high, half of what the reader takes."""
    return image.resize((max(1, round(image.width * 24 / image.height)), 24), Image.Resampling.BICUBIC)


def _rows(image: Image.Image) -> int:
    return round(AROUND * image.height)


CONDITIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    AS_CUT: lambda image: image,
    "10 % of room on every side": lambda image: in_room(image, 0.1),
    "25 %": lambda image: in_room(image, 0.25),
    "100 %": lambda image: in_room(image, 1.0),
    "parts of its neighbours": between_neighbours,
    "black above and below": lambda image: on_ground(image, 0),
    "white above and below": lambda image: on_ground(image, 255),
    "light on dark": ImageOps.invert,
    "in the shade": in_the_shade,
    "24 pixels high": small,
}  # by the name that a table's head shows
