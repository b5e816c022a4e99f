"""Positions of the words and characters of a line, on the image from which the line was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .numbers import significant

if TYPE_CHECKING:  # the command's help needs this file, but no positions
    import numpy as np

Points = tuple[tuple[float, float], ...]
Mapped = Callable[["np.ndarray"], "np.ndarray"]  # points (point, 2) → the same points on another image
DECIMALS = 1  # of coordinates in files


@dataclass(frozen=True)
class Character:
    """A character of a word, with its combining marks.

    Attributes:
        text: one character, or a letter with combining marks.
        confidence: its probability, in [0, 1].
        polygon: four corners (x right, y down) in pixels of the image; with the line seen upright, they are top left,
            top right, bottom right, bottom left.
    """

    text: str
    confidence: float
    polygon: Points

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The bounding box of the polygon: left, top, right, bottom."""
        x, y = zip(*self.polygon, strict=True)
        return min(x), min(y), max(x), max(y)

    def moved(self, to_other: Mapped) -> Character:
        """Return the character with its position on another image."""
        return replace(self, polygon=_moved(self.polygon, to_other))

    def as_fields(self) -> dict[str, Any]:
        """Return the fields for output files, with rounded numbers."""
        return {
            "text": self.text,
            "confidence": float(significant(self.confidence)),
            "box": [round(side, DECIMALS) for side in self.box],
            "polygon": [[round(x, DECIMALS), round(y, DECIMALS)] for x, y in self.polygon],
        }


@dataclass(frozen=True)
class Word(Character):
    """A word: the text between two spaces.

    Attributes:
        text: the word.
        confidence: p(word | text before), the product over its characters, in [0, 1].
        polygon: as for a character.
        characters: the characters of the word, in reading order.
    """

    characters: tuple[Character, ...] = ()

    def moved(self, to_other: Mapped) -> Word:
        """Return the word and its characters with their positions on another image."""
        characters = tuple(character.moved(to_other) for character in self.characters)
        return replace(self, polygon=_moved(self.polygon, to_other), characters=characters)

    def as_fields(self) -> dict[str, Any]:
        """Return the fields for output files, including characters if there are any, with rounded numbers."""
        if not self.characters:
            return super().as_fields()
        return super().as_fields() | {"characters": [character.as_fields() for character in self.characters]}

    def without_characters(self) -> Word:
        """Return the word without its characters."""
        return replace(self, characters=())

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Word:
        """Return the word from the fields that `as_fields` returned."""
        characters = tuple(Character(*_common(each)) for each in fields.get("characters", ()))
        return cls(*_common(fields), characters)


def _common(fields: Mapping[str, Any]) -> tuple[str, float, Points]:
    return fields["text"], fields["confidence"], tuple((x, y) for x, y in fields["polygon"])


def _moved(points: Points, to_other: Mapped) -> Points:
    import numpy as np

    return tuple((x, y) for x, y in to_other(np.array(points)).tolist())
