"""The preparation of a line image for the encoder.

What is unusual: every step commutes with quarter turns, so the reader stays equivariant.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from trocr_gsa.model.image_processing_square import SquareImageProcessor
from trocr_gsa.model.image_processing_trocr_gsa import TrOCRGSAImageProcessor

from .levelling import LevelledLine, level
from .placement import UNMOVED, Placement
from .polarity import dark_on_light
from .trimming import trimming_box


@dataclass(frozen=True)
class PreparedLine:
    """A line image as the encoder receives it.

    Attributes:
        image: dark on light, level up to quarter turns, with a small margin around the line.
        tilt: degrees counter-clockwise by which the line was tilted, in [-45, 45).
        num_patches: number of patches that the image processor makes of it.
        placement: maps points of this image to the given one.
    """

    image: Image.Image
    tilt: float
    num_patches: int
    placement: Placement


def prepare_line(
    image: Image.Image, image_processor: TrOCRGSAImageProcessor | SquareImageProcessor, levels: bool
) -> PreparedLine:
    """Prepare a line image.

    Args:
        image: mode "L" or "RGB".
        image_processor: the reader's image processor. A SquareImageProcessor belongs to a converted TrOCR, which
            expects images with their original background and margins.
        levels: whether to level a tilted line.
    """
    squares = isinstance(image_processor, SquareImageProcessor)
    picture = image if squares else dark_on_light(image)
    levelled = level(picture) if levels else LevelledLine(picture, 0.0)
    box = None if squares else trimming_box(levelled.image)
    cut, placement = levelled.image, levelled.placement
    if box is not None:
        cut, placement = cut.crop(box), placement.cut(box[0], box[1])
    num_patches = image_processor.num_patches(*cut.size)
    if num_patches > image_processor.max_patches:  # a level line has more patches
        return PreparedLine(picture, 0.0, image_processor.num_patches(*picture.size), UNMOVED)
    return PreparedLine(cut, levelled.tilt, num_patches, placement)
