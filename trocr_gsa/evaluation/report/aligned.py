"""A set of lines as it was read at each angle, every reading aligned with what stands there."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from trocr_gsa.data.samples import LineSample
from trocr_gsa.evaluation.evaluate import LineRecord
from trocr_gsa.metrics.error_rates import Edit, ErrorCount, align_characters, count_word_errors, error_rate
from trocr_gsa.metrics.summary_row import SummaryRow


@dataclass(frozen=True)
class ReadLine:
    """One line, read once.

    Attributes:
        sample: the line.
        record: how it was read.
        edits: from what stands there to what was read.
        letters: errors in characters.
        words: errors in words.
    """

    sample: LineSample
    record: LineRecord
    edits: Sequence[Edit]
    letters: ErrorCount
    words: ErrorCount

    @classmethod
    def align(cls, sample: LineSample, record: LineRecord) -> "ReadLine":
        """Align a reading with what stands there."""
        edits = align_characters(record.text, record.prediction)
        errors = sum(max(len(edit.reference), len(edit.prediction)) for edit in edits if not edit.agrees)
        letters = ErrorCount(errors, sum(len(edit.reference) for edit in edits))
        return cls(sample, record, edits, letters, count_word_errors(record.text, record.prediction))

    @property
    def cer(self) -> float:
        """The line's own character error rate."""
        return error_rate([self.letters])


@dataclass(frozen=True)
class SetReading:
    """One set as one reader read it.

    Attributes:
        name: of the set.
        samples: its lines, at least one.
        runs: for each angle the summary and the records, these in the order of `samples`.
    """

    name: str
    samples: Sequence[LineSample]
    runs: Sequence[tuple[SummaryRow, Sequence[LineRecord]]]

    @cached_property
    def by_angle(self) -> list[list[ReadLine]]:
        """The lines as read, a list for each angle."""
        return [[ReadLine.align(*pair) for pair in zip(self.samples, records, strict=True)] for _, records in self.runs]

    @property
    def readings(self) -> list[ReadLine]:
        """The lines as read, angle after angle."""
        return [line for lines in self.by_angle for line in lines]

    @property
    def documents(self) -> list[str]:
        """The document of each line; the line's own name where none is known."""
        return [record.document for record in self.runs[0][1]]

    @property
    def names_documents(self) -> bool:
        """Whether any line says which document it is of."""
        return any(sample.document for sample in self.samples)
