"""The result of reading a line: one type for the reader, pages, evaluation and reports."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from .numbers import confidence_fields, geometric_mean, significant
from .words import Mapped, Word

NO_WRITING = "no writing was found in the picture"
FIELDS = (
    "source", "text", "confidence", "character_confidence", "orientation", "adapter", "character_confidences", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Alternative:
    """A text that a line may have.

    Attributes:
        text: the text.
        probability: p(text | image), the product of the probabilities of its tokens and of its end, without T.
    """

    text: str
    probability: float

    def as_fields(self) -> dict[str, Any]:
        """Return the fields for output files, with rounded numbers."""
        return {"text": self.text, "probability": float(significant(self.probability))}


@dataclass(frozen=True)
class OtherText:
    """A further text of a line, which another adapter wrote of the same image, such as a date in digits.

    Attributes:
        adapter: the name of the adapter.
        text: its text; empty if the line has no writing.
        confidence: as of a line; NaN if the line has no writing.
    """

    adapter: str
    text: str = ""
    confidence: float = math.nan

    def as_fields(self) -> dict[str, Any]:
        """Return the fields for output files, with rounded numbers."""
        return {"adapter": self.adapter, "text": self.text, "confidence": float(significant(self.confidence))}


@dataclass(frozen=True)
class Line:
    """The text of one line that was read, with confidence and orientation.

    confidence = exp( (1/T) · mean_t log p(token_t | tokens before, image) ), with the reader's temperature T

    Attributes:
        text: text of the line; empty if the image could not be read.
        confidence: in [0, 1]; if T was fitted, the probability that the text has no error. NaN if nothing was read,
            because there was no writing in the image; 0 if the image could not be read.
        orientation: angle in degrees by which the image, or the line on its page, is rotated counter-clockwise from
            upright, in [0, 360).
        source: the file, or for example `images[3]`; empty if it has no name.
        error: why the image could not be read; None if it could.
        adapter: the adapter that read it, by its name or, if merged, by its folder; None: the base model.
        character_confidences: probability of each character (code point) of the text, in [0, 1], without T.
        note: a remark about the reading, for example which pages of the file were not read; None: no remark.
        ctc_text: text of the CTC head; None if it was not computed, or the model has no CTC head.
        words: position of each word in the image, in reading order; None if nobody asked, or it is unknown.
        alternatives: the most probable texts, the most probable first; None if nobody asked.
        also: the texts of the further adapters that were asked for, in the order of asking.

    Example:
        >>> line = Line("Anno 1784", 0.93, 90.0, "scan.png", character_confidences=(0.99,) * 9)
        >>> line.character_confidence
        0.99
        >>> line.noted("page 1 of 2").note
        'page 1 of 2'
    """

    text: str
    confidence: float
    orientation: float
    source: str = ""
    error: str | None = None
    adapter: str | None = None
    character_confidences: tuple[float, ...] = ()
    note: str | None = None
    ctc_text: str | None = None
    words: tuple[Word, ...] | None = None
    alternatives: tuple[Alternative, ...] | None = None
    also: tuple[OtherText, ...] = ()

    @classmethod
    def empty(cls, source: str, with_words: bool = False) -> Line:
        """Return the line of an image without writing: an empty text of unknown confidence, and a note that says why.

        No model has read it, so that there is no probability, and nothing from which its confidence can be computed.
        """
        words = () if with_words else None
        return cls("", math.nan, 0.0, source, note=NO_WRITING, words=words)

    @classmethod
    def failed(cls, source: str, error: Exception) -> Line:
        """Return the line of an image that could not be read."""
        return cls("", 0.0, 0.0, source, str(error))

    @property
    def confidence_for_sorting(self) -> float:
        """The confidence, or infinity if it is unknown: a line without writing has no text to correct."""
        return math.inf if math.isnan(self.confidence) else self.confidence

    def has_confidence(self, least: float) -> bool:
        """Whether the confidence is at least `least`; an unknown one is only for an empty text, and `least` = 0."""
        return self.confidence >= least or (least <= 0 and not self.text)

    def noted(self, note: str | None) -> Line:
        """Return the line with a note added; without a note, the line itself."""
        if note is None:
            return self
        return replace(self, note=note if self.note is None else f"{self.note}; {note}")

    def with_words_on(self, placement: Mapped, size: tuple[int, int]) -> Line:
        """Return the line with its words on another picture, and none beyond its edges.

        Args:
            placement: points (point, 2) of the words → the same points on the other picture.
            size: its width and height.
        """
        if self.words is None:
            return self
        words = tuple(word.moved(lambda points: placement(points).clip(0, size)) for word in self.words)
        return replace(self, words=words)

    def without_characters(self) -> Line:
        """Return the line with the places of its words alone."""
        return self if self.words is None else replace(self, words=tuple(w.without_characters() for w in self.words))

    @property
    def character_confidence(self) -> float:
        """Geometric mean of the character confidences; for an empty text, the confidence of the line."""
        return geometric_mean(self.character_confidences, self.confidence)

    def as_fields(self) -> dict[str, Any]:
        """Return the fields for output files, by the names in `FIELDS`, with rounded numbers."""
        rounded = confidence_fields(self.confidence, self.character_confidences)
        return {name: rounded[name] if name in rounded else getattr(self, name) for name in FIELDS}
