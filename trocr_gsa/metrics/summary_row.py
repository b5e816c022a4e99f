"""A row of a table of error rates: one reader on one set at one angle."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SummaryRow:
    """Results on one set at one angle. Rates are fractions; intervals are 95 % bootstrap intervals.

    `normalize` is the normalization of the texts before they were compared.
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
