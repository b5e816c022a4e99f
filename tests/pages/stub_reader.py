"""A reader that reads the same in every line, for tests of what is around it."""

from collections.abc import Sequence
from typing import Any

from PIL import Image

from trocr_gsa.reader import Line


class StubReader:
    """Stands in for a `LineReader`, and remembers which sizes of pictures it was handed together."""

    def __init__(self, text: str = "read anew", confidence: float = 0.5) -> None:
        self.text, self.confidence = text, confidence
        self.handed: list[list[tuple[int, int]]] = []

    def read(self, images: Sequence[Any], *_: Any, **__: Any) -> list[Line]:
        self.handed.append([image.size for image in images if isinstance(image, Image.Image)])
        return [Line(text=self.text, confidence=self.confidence, orientation=0.0, source="") for _ in images]
