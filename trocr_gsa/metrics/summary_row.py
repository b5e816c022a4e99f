"""One row of a table of error rates: how a reader reads one set at one angle."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SummaryRow:
    """What was measured on one set at one angle; rates are fractions, intervals hold 95 % of resampled sets.

    `normalize` says how texts were folded before they were compared.
    """

    name: str
    angle: float
    lines: int
    cer: float
    cer_low: float
    cer_high: float
    wer: float
    wer_low: float
    wer_high: float
    orientation_accuracy: float
    lines_per_second: float
    chrf: float | None = None
    bleu: float | None = None
    normalize: str = "none"
