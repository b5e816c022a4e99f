"""The kinds of images that a reader accepts, their names in messages, and their decoding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from trocr_gsa.data.frames import PicturePage
from trocr_gsa.data.images import ImageError, load_image

from .preparation.grey import in_few_blocks
from .preparation.levelling import level
from .preparation.several import count_each_way, count_lines
from .preparation.writing import Writing, find_writing

MOST_PIXELS = 4_000_000  # larger line images are scaled down; this is still far more than the encoder needs
Picture = Image.Image | PicturePage | str | Path | bytes | dict | np.ndarray


@dataclass(frozen=True, eq=False)
class LinePicture:
    """A decoded line image.

    Attributes:
        image: mode "L" or "RGB".
        is_doubtful: whether it may contain no writing.
    """

    image: Image.Image
    is_doubtful: bool


def picture_name(image: Picture, index: int) -> str:
    """Return the name of the file, or the index in the list."""
    files = str | Path | PicturePage
    name = image.get("path") if isinstance(image, dict) else image
    name = name if isinstance(name, files) or isinstance(image, dict) else getattr(image, "filename", "")
    return str(name) if isinstance(name, files) and str(name) else f"images[{index}]"


def load_line(image: Picture, name: str, is_cut: bool) -> LinePicture | None:
    """Decode a line image; None if there is no writing in it.

    Args:
        image: the image.
        name: its name in messages.
        is_cut: whether it was cut out of a page along a line. If so, it is not checked for several lines.

    Raises:
        ImageError: if it cannot be decoded, or looks like several lines.
    """
    picture = load_image(image, name)
    count = 1 if is_cut else count_lines(picture)
    if count > 1:  # the letters of one line, tilted far, look like several
        count = count_lines(level(picture).image)
    writing = find_writing(picture, count)
    if writing is Writing.NONE and count > 1:  # the columns of a table may look like fewer, larger lines
        writing = find_writing(picture, max(count_each_way(picture)))
    if writing is Writing.NONE:
        return None
    if count > 1:
        raise ImageError(
            f"{name}: looks like {count} lines of text, expected one. Find its lines with `trocr-gsa read --segment`, "
            "in Python with `trocr_gsa.data.pages.segmented_pages`, or cut it into images of one line."
        )
    return LinePicture(in_few_blocks(picture, MOST_PIXELS)[0], writing is Writing.DOUBTFUL)
