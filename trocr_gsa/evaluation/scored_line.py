"""A line that was read, with its reference: the one type for evaluation and report.

What is unusual: the errors are not stored. Alignment and counts are computed from the sample, the line and the
normalization when they are first used, and are then cached.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from trocr_gsa.data.line import Line
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.transcription import Normalization, normalize_text
from trocr_gsa.metrics.error_rates import Edit, ErrorCount, align_characters, count_word_errors, error_rate

ORIENTATION_TOLERANCE = 22.5  # degrees


@dataclass(frozen=True)
class ScoredLine:
    """One line, read once and compared with its reference.

    Attributes:
        sample: the line with its reference text, from the data set.
        angle: angle in degrees by which the image that was read is rotated counter-clockwise from upright, in [0, 360).
        line: the reading.
        normalize: normalization of both texts before they are compared, see `normalize_text`.

    Example:
        >>> from PIL import Image
        >>> sample = LineSample(Image.new("L", (60, 20)), "Anno 1784", "scan.png", document="letters")
        >>> scored = ScoredLine(sample, 90.0, Line("Anno 1734", 0.9, 90.0))
        >>> scored.character_errors
        ErrorCount(errors=1, length=9)
        >>> scored.is_orientation_correct
        True
    """

    sample: LineSample
    angle: float
    line: Line
    normalize: Normalization = "none"

    @property
    def document(self) -> str:
        """The document of the line; if it is unknown, the line's own name."""
        return self.sample.document or self.sample.name

    @cached_property
    def reference(self) -> str:
        """The reference text, normalized."""
        return normalize_text(self.sample.text, self.normalize)

    @cached_property
    def prediction(self) -> str:
        """The text that was read, normalized."""
        return normalize_text(self.line.text, self.normalize)

    @cached_property
    def edits(self) -> Sequence[Edit]:
        """The alignment of reference and prediction with the fewest edits."""
        return align_characters(self.reference, self.prediction)

    @cached_property
    def character_errors(self) -> ErrorCount:
        """Substituted, deleted and inserted characters, and the length of the reference."""
        errors = sum(max(len(edit.reference), len(edit.prediction)) for edit in self.edits if not edit.agrees)
        return ErrorCount(errors, sum(len(edit.reference) for edit in self.edits))

    @cached_property
    def word_errors(self) -> ErrorCount:
        """Substituted, deleted and inserted words, and the number of words of the reference."""
        return count_word_errors(self.reference, self.prediction)

    @property
    def cer(self) -> float:
        """The character error rate of this line, 0 or more."""
        return error_rate([self.character_errors])

    @property
    def is_orientation_correct(self) -> bool:
        """Whether the orientation is correct to within `ORIENTATION_TOLERANCE` degrees."""
        return abs((self.line.orientation - self.angle + 180) % 360 - 180) < ORIENTATION_TOLERANCE
