"""The readings of a set of lines by one reader at each angle."""

from collections.abc import Sequence
from dataclasses import dataclass

from trocr_gsa.data.samples import LineSample
from trocr_gsa.evaluation.scored_line import ScoredLine
from trocr_gsa.metrics.summary_row import SummaryRow


@dataclass(frozen=True)
class SetReading:
    """The readings of one set by one reader.

    Attributes:
        name: name of the set.
        runs: summary and scored lines for each angle; the lines are the same at every angle, at least one.
    """

    name: str
    runs: Sequence[tuple[SummaryRow, Sequence[ScoredLine]]]

    @property
    def samples(self) -> list[LineSample]:
        """The lines of the set."""
        return [line.sample for line in self.by_angle[0]]

    @property
    def by_angle(self) -> list[Sequence[ScoredLine]]:
        """The scored lines, one list per angle."""
        return [lines for _, lines in self.runs]

    @property
    def readings(self) -> list[ScoredLine]:
        """The scored lines of all angles, one angle after the other."""
        return [line for lines in self.by_angle for line in lines]

    @property
    def documents(self) -> list[str]:
        """The document of each line; if it is unknown, the line's own name."""
        return [line.document for line in self.by_angle[0]]

    @property
    def names_documents(self) -> bool:
        """Whether the document of any line is known."""
        return any(sample.document for sample in self.samples)
