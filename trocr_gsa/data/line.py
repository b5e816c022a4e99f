"""A line of text as it was read: the one type from the reader to pages, evaluation and reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .numbers import confidence_fields, geometric_mean

FIELDS = (
    "source", "text", "confidence", "character_confidence", "orientation", "adapter", "character_confidences", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """The text of one line, as it was read, and what is known of the reading.

    confidence = exp( (1/T) · mean_t log p(token_t | tokens before, picture) ), T the reader's temperature

    Attributes:
        text: of the line; empty if the picture could not be read.
        confidence: in [0, 1]; where T was fitted, the probability that the text has no error.
        orientation: degrees by which the picture, or the line on its page, is turned counter-clockwise from upright, in
            [0, 360).
        source: the file, or `images[3]`; empty where nobody gave a name.
        error: why the picture could not be read; None if it could.
        adapter: the adapter that read it, by its name or, if merged, by its folder; None: the model alone.
        character_confidences: the probability of each character (code point) of the text, in [0, 1], without T.
        note: what else to know of the reading, such as what of the file was not read; None if there is nothing.
        ctc_text: what the CTC head read; None if it was not asked, or the model has none.

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

    @classmethod
    def empty(cls, source: str) -> Line:
        """Return what there is of a picture without writing: no text, and a note that says why."""
        return cls("", 1.0, 0.0, source, note="no writing was found in the picture")

    @classmethod
    def failed(cls, source: str, error: Exception) -> Line:
        """Return the line of a picture that could not be read."""
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
        """Return what output files hold of the line, by the names in `FIELDS`, with rounded numbers."""
        rounded = confidence_fields(self.confidence, self.character_confidences)
        return {name: rounded[name] if name in rounded else getattr(self, name) for name in FIELDS}
