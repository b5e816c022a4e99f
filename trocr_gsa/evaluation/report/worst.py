"""The lines with the most errors, with small images inside the page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from trocr_gsa.data.samples import LineSample
from trocr_gsa.evaluation.evaluate import rotate_image
from trocr_gsa.evaluation.scored_line import ScoredLine

from .aligned import SetReading

MAX_LINES = 30  # for each reader
MAX_SIZE = (1200, 96)  # pixels; larger images are scaled down
QUALITY = 70  # of JPEG


@dataclass(frozen=True)
class WorstLine:
    """A line with many errors.

    Attributes:
        line: its reading at the angle with the most errors.
        set_name: name of its set.
        angles: all angles with the same reading.
        picture: image of the upright line, as a data URI; None if the page has reached its size limit.
        size: (width, height) of the image in pixels.
    """

    line: ScoredLine
    set_name: str
    angles: Sequence[float]
    picture: str | None
    size: tuple[int, int]


class PictureBudget:
    """Limits the size of all images in a page.

    Args:
        size: maximum number of bytes of all data URIs together.
    """

    def __init__(self, size: int = 4_000_000) -> None:
        self.left = size

    def embed(self, sample: LineSample) -> tuple[str | None, tuple[int, int]]:
        """Return a small image of the upright line as a data URI, or None if the limit is reached, and its size."""
        image = rotate_image(sample.image, -sample.angle).convert("L" if sample.image.mode == "L" else "RGB")
        image.thumbnail(MAX_SIZE, Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=QUALITY)
        uri = "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
        if len(uri) > self.left:
            return None, image.size
        self.left -= len(uri)
        return uri, image.size


def worst_lines(readings: Sequence[SetReading], budget: PictureBudget) -> list[WorstLine]:
    """Return the lines with the most errors, each once, at the angle at which it has the most.

    Args:
        readings: the sets of one reader.
        budget: limit of the images' size.
    """
    found: list[tuple[ScoredLine, str, list[float]]] = []
    for reading in readings:
        for line in zip(*reading.by_angle, strict=True):
            worst = max(line, key=lambda each: each.character_errors.errors)
            if worst.character_errors.errors:
                same = [each.angle for each in line if each.prediction == worst.prediction]
                found.append((worst, reading.name, same))
    found.sort(key=lambda each: -each[0].character_errors.errors)
    return [WorstLine(line, name, angles, *budget.embed(line.sample)) for line, name, angles in found[:MAX_LINES]]
