"""The lines that cost most, as small pictures inside the page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from trocr_gsa.data.samples import LineSample
from trocr_gsa.evaluation.evaluate import rotate_image
from trocr_gsa.evaluation.scored_line import ScoredLine

from .aligned import SetReading

MOST_LINES = 30  # of a reader
LARGEST = (1200, 96)  # pixels: what is larger is made smaller
QUALITY = 70  # of JPEG


@dataclass(frozen=True)
class WorstLine:
    """A line that was read badly.

    Attributes:
        line: at the angle at which it was read worst.
        set_name: of its set.
        angles: at which it was read just so.
        picture: the line upright, as a data URI; None where the page has no room for more.
        size: (width, height) of the picture in pixels.
    """

    line: ScoredLine
    set_name: str
    angles: Sequence[float]
    picture: str | None
    size: tuple[int, int]


class PictureBudget:
    """Room for pictures in a page.

    Args:
        size: bytes of all data URIs together.
    """

    def __init__(self, size: int = 4_000_000) -> None:
        self.left = size

    def embed(self, sample: LineSample) -> tuple[str | None, tuple[int, int]]:
        """Return the line upright and small as a data URI, or None where there is no room, and its size in pixels."""
        image = rotate_image(sample.image, -sample.angle).convert("L" if sample.image.mode == "L" else "RGB")
        image.thumbnail(LARGEST, Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=QUALITY)
        uri = "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
        if len(uri) > self.left:
            return None, image.size
        self.left -= len(uri)
        return uri, image.size


def worst_lines(readings: Sequence[SetReading], budget: PictureBudget, most: int = MOST_LINES) -> list[WorstLine]:
    """Return the lines with most errors, each once, at the angle at which it has most.

    Args:
        readings: the sets of one reader.
        budget: for their pictures.
        most: at most so many lines.
    """
    found: list[tuple[ScoredLine, str, list[float]]] = []
    for reading in readings:
        for line in zip(*reading.by_angle, strict=True):
            worst = max(line, key=lambda each: each.character_errors.errors)
            if worst.character_errors.errors:
                same = [each.angle for each in line if each.prediction == worst.prediction]
                found.append((worst, reading.name, same))
    found.sort(key=lambda each: -each[0].character_errors.errors)
    return [WorstLine(line, name, angles, *budget.embed(line.sample)) for line, name, angles in found[:most]]
