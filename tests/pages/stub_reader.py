"""A stub of a reader that returns the same text for every line."""

from collections.abc import Sequence
from typing import Any

from PIL import Image

from trocr_gsa.reader import Line


class StubReader:
    """Replaces a `LineReader`, and records the image sizes of each call."""

    can_place_words = False

    def __init__(self, text: str = "read anew", confidence: float = 0.5) -> None:
        self.text, self.confidence = text, confidence
        self.handed: list[list[tuple[int, int]]] = []

    def read(self, images: Sequence[Any], *_: Any, **__: Any) -> list[Line]:
        self.handed.append([image.size for image in images if isinstance(image, Image.Image)])
        return [Line(text=self.text, confidence=self.confidence, orientation=0.0, source="") for _ in images]
