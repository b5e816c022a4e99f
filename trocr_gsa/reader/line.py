"""What is told of a line that was read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from trocr_gsa.data.numbers import confidence_fields, geometric_mean

FIELDS = (
    "source", "text", "confidence", "character_confidence", "orientation", "adapter", "character_confidences", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """What was read in one picture.

    Attributes:
        text: the line's; empty if the picture could not be read.
        confidence: in [0, 1]; how likely the text is without an error, where the reader's temperature was fitted.
        orientation: degrees by which the picture is turned counter-clockwise from upright, in [0, 360).
        source: the file, or `images[3]`.
        error: why the picture could not be read; None if it could.
        adapter: the adapter that read it, by its name or, if merged, by its folder; None: the model alone.
        character_confidences: the probability of each character (code point) of the text, in [0, 1]; as the reader
            gives it, without a temperature.
        note: what else to know of the reading, such as what of the file was not read; None if there is nothing.
    """

    text: str
    confidence: float
    orientation: float
    source: str
    error: str | None = None
    adapter: str | None = None
    character_confidences: tuple[float, ...] = ()
    note: str | None = None

    @classmethod
    def failed(cls, source: str, error: Exception) -> Line:
        """Return what there is of a picture that could not be read."""
        return cls("", 0.0, 0.0, source, str(error))

    def noted(self, note: str | None) -> Line:
        """Return the line with one more note, if there is one."""
        if note is None:
            return self
        return replace(self, note=note if self.note is None else f"{self.note}; {note}")

    @property
    def character_confidence(self) -> float:
        """Geometric mean of the characters' confidences; of an empty text, the line's confidence."""
        return geometric_mean(self.character_confidences, self.confidence)

    def as_fields(self) -> dict[str, Any]:
        """Return what is told of the line by the names of `FIELDS`, numbers rounded."""
        told = {"source": self.source, "text": self.text, "orientation": self.orientation, "adapter": self.adapter}
        told["note"] = self.note
        told |= confidence_fields(self.confidence, self.character_confidences)
        return {name: told[name] for name in FIELDS}
