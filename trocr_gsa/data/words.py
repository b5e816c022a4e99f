"""Where words and characters of a line are, on the picture that the line was read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .numbers import significant

Points = tuple[tuple[float, float], ...]
Mapped = Callable[[np.ndarray], np.ndarray]  # points (point, 2) → the same points on another picture
DECIMALS = 1  # of a pixel, in files


@dataclass(frozen=True)
class Character:
    """A character of a word, with the accents that are drawn over it.

    Attributes:
        text: one character, or a letter and its combining marks.
        confidence: its probability, in [0, 1].
        polygon: four corners (x right, y down) in pixels of the picture, as seen by who reads the line: where it begins
            at the top, where it ends at the top, where it ends at the bottom, where it begins at the bottom.
    """

    text: str
    confidence: float
    polygon: Points

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The box around the polygon: left, top, right, bottom."""
        x, y = zip(*self.polygon, strict=True)
        return min(x), min(y), max(x), max(y)

    def moved(self, to_other: Mapped) -> Character:
        """Return it on another picture."""
        return replace(self, polygon=_as_points(to_other(np.array(self.polygon))))

    def as_fields(self) -> dict[str, Any]:
        """Return what files hold of it, with rounded numbers."""
        return {
            "text": self.text,
            "confidence": float(significant(self.confidence)),
            "box": [round(side, DECIMALS) for side in self.box],
            "polygon": [[round(x, DECIMALS), round(y, DECIMALS)] for x, y in self.polygon],
        }


@dataclass(frozen=True)
class Word(Character):
    """A word: what stands between two spaces.

    Attributes:
        text: of the word.
        confidence: p(word | text before), the product of its characters', in [0, 1].
        polygon: as that of a character.
        characters: of the word, in the order of reading.
    """

    characters: tuple[Character, ...] = ()

    def moved(self, to_other: Mapped) -> Word:
        """Return the word, with its characters, on another picture."""
        characters = tuple(character.moved(to_other) for character in self.characters)
        return replace(self, polygon=_as_points(to_other(np.array(self.polygon))), characters=characters)

    def as_fields(self) -> dict[str, Any]:
        """Return what files hold of the word, and of its characters where they are there, with rounded numbers."""
        if not self.characters:
            return super().as_fields()
        return super().as_fields() | {"characters": [character.as_fields() for character in self.characters]}

    def without_characters(self) -> Word:
        """Return the word alone."""
        return replace(self, characters=())

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Word:
        """Return the word that `as_fields` described."""
        characters = tuple(Character(*_common(each)) for each in fields.get("characters", ()))
        return cls(*_common(fields), characters)


def _common(fields: Mapping[str, Any]) -> tuple[str, float, Points]:
    return fields["text"], fields["confidence"], tuple((x, y) for x, y in fields["polygon"])


def _as_points(values: np.ndarray) -> Points:
    return tuple((x, y) for x, y in values.tolist())
