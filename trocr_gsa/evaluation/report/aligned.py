"""A set of lines as one reader read it at each angle."""

from collections.abc import Sequence
from dataclasses import dataclass

from trocr_gsa.data.samples import LineSample
from trocr_gsa.evaluation.scored_line import ScoredLine
from trocr_gsa.metrics.summary_row import SummaryRow


@dataclass(frozen=True)
class SetReading:
    """One set as one reader read it.

    Attributes:
        name: of the set.
        runs: for each angle the summary and the scored lines, at least one and the same at every angle.
    """

    name: str
    runs: Sequence[tuple[SummaryRow, Sequence[ScoredLine]]]

    @property
    def samples(self) -> list[LineSample]:
        """The lines of the set."""
        return [line.sample for line in self.by_angle[0]]

    @property
    def by_angle(self) -> list[Sequence[ScoredLine]]:
        """The lines as read, a list for each angle."""
        return [lines for _, lines in self.runs]

    @property
    def readings(self) -> list[ScoredLine]:
        """The lines as read, angle after angle."""
        return [line for lines in self.by_angle for line in lines]

    @property
    def documents(self) -> list[str]:
        """The document of each line; the line's own name where none is known."""
        return [line.document for line in self.by_angle[0]]

    @property
    def names_documents(self) -> bool:
        """Whether any line says which document it is of."""
        return any(sample.document for sample in self.samples)
