"""All that is done to the picture of a line before the encoder sees it.

What is unusual: every step commutes with quarter turns, so that a reader is as equivariant with them as without.
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
    """The picture of a line as the encoder sees it.

    Attributes:
        image: dark on light, level but for quarter turns, without much room around the line.
        tilt: degrees counter-clockwise by which the line was tilted before, in [-45, 45).
        num_patches: that the image processor makes of it.
        placement: of this picture on the one that was given.
    """

    image: Image.Image
    tilt: float
    num_patches: int
    placement: Placement


def prepare_line(
    image: Image.Image, image_processor: TrOCRGSAImageProcessor | SquareImageProcessor, levels: bool
) -> PreparedLine:
    """Prepare the picture of a line.

    Args:
        image: mode "L" or "RGB".
        image_processor: of the reader. A SquareImageProcessor is that of a taken-over TrOCR, which sees pictures with
            their paper and their room, as it always has.
        levels: whether a tilted line is levelled.
    """
    squares = isinstance(image_processor, SquareImageProcessor)
    picture = image if squares else dark_on_light(image)
    levelled = level(picture) if levels else LevelledLine(picture, 0.0)
    box = None if squares else trimming_box(levelled.image)
    cut, placement = levelled.image, levelled.placement
    if box is not None:
        cut, placement = cut.crop(box), placement.cut(box[0], box[1])
    num_patches = image_processor.num_patches(*cut.size)
    if num_patches > image_processor.max_patches:  # flatter lines have more patches
        return PreparedLine(picture, 0.0, image_processor.num_patches(*picture.size), UNMOVED)
    return PreparedLine(cut, levelled.tilt, num_patches, placement)
