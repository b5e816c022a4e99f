"""A line that was read, beside what stands there: the one type of evaluation and report.

What is unusual: nothing about the errors is stored. Alignment and counts follow from the sample, the line and the
normalization when they are first asked for, and are then kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from trocr_gsa.data.line import Line
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.transcription import Normalization, normalize_text
from trocr_gsa.metrics.error_rates import Edit, ErrorCount, align_characters, count_word_errors, error_rate

WAY_UP_WITHIN = 22.5  # degrees by which an orientation may be off and still be right


@dataclass(frozen=True)
class ScoredLine:
    """One line, read once and compared with its reference.

    Attributes:
        sample: the line with its reference text, as the data set gives it.
        angle: degrees by which the picture that was read is turned counter-clockwise from upright, in [0, 360).
        line: what was read.
        normalize: how both texts are folded before they are compared, as `normalize_text` does it.

    Example:
        >>> from PIL import Image
        >>> sample = LineSample(Image.new("L", (60, 20)), "Anno 1784", "scan.png", document="letters")
        >>> scored = ScoredLine(sample, 90.0, Line("Anno 1734", 0.9, 90.0))
        >>> scored.character_errors
        ErrorCount(errors=1, length=9)
        >>> scored.is_way_up_right
        True
    """

    sample: LineSample
    angle: float
    line: Line
    normalize: Normalization = "none"

    @property
    def document(self) -> str:
        """The book or hand that the line is from; the line's own name where none is known."""
        return self.sample.document or self.sample.name

    @cached_property
    def reference(self) -> str:
        """What stands there, normalized."""
        return normalize_text(self.sample.text, self.normalize)

    @cached_property
    def prediction(self) -> str:
        """What was read, normalized."""
        return normalize_text(self.line.text, self.normalize)

    @cached_property
    def edits(self) -> Sequence[Edit]:
        """The fewest edits from the reference to the prediction."""
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
        """The line's own character error rate, 0 or more."""
        return error_rate([self.character_errors])

    @property
    def is_way_up_right(self) -> bool:
        """Whether the orientation is right to within `WAY_UP_WITHIN` degrees."""
        return abs((self.line.orientation - self.angle + 180) % 360 - 180) < WAY_UP_WITHIN
