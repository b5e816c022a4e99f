"""Character and word error rates with intervals, and chrF / BLEU for translation targets.

What is unusual: errors are counted a line and divided once for the corpus; an empty reference is a line without
characters, not a line read all wrong; intervals resample documents, because the lines of one page err together.
"""

import unicodedata
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import jiwer
import numpy as np
import sacrebleu


@dataclass(frozen=True)
class ErrorCount:
    """Edits between one reference and one prediction, and the reference's length, in characters or words."""

    errors: int
    length: int


def count_character_errors(reference: str, prediction: str) -> ErrorCount:
    """Count substituted, deleted and inserted characters (Unicode NFC, outer spaces ignored)."""
    reference, prediction = _normalise(reference), _normalise(prediction)
    if not reference:
        return ErrorCount(len(prediction), 0)
    found = jiwer.process_characters(reference, prediction)
    return ErrorCount(found.substitutions + found.deletions + found.insertions, len(reference))


def count_word_errors(reference: str, prediction: str) -> ErrorCount:
    """Count substituted, deleted and inserted words (Unicode NFC, split at white space)."""
    reference, prediction = _normalise(reference), _normalise(prediction)
    if not reference:
        return ErrorCount(len(prediction.split()), 0)
    found = jiwer.process_words(reference, prediction)
    return ErrorCount(found.substitutions + found.deletions + found.insertions, len(reference.split()))


def error_rate(counts: Sequence[ErrorCount]) -> float:
    """Return Σ errors / Σ length; references without any length count as one character or word."""
    return sum(count.errors for count in counts) / max(1, sum(count.length for count in counts))


def cer(references: Sequence[str], predictions: Sequence[str]) -> float:
    """Return the character error rate of a corpus.

    Raises:
        ValueError: if there are not as many predictions as references.
    """
    _check_pairs(references, predictions)
    return error_rate([count_character_errors(*pair) for pair in zip(references, predictions, strict=True)])


def wer(references: Sequence[str], predictions: Sequence[str]) -> float:
    """Return the word error rate of a corpus.

    Raises:
        ValueError: if there are not as many predictions as references.
    """
    _check_pairs(references, predictions)
    return error_rate([count_word_errors(*pair) for pair in zip(references, predictions, strict=True)])


def bootstrap_interval(
    counts: Sequence[ErrorCount], documents: Sequence[Hashable], level: float = 0.95, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of the error rate when whole documents are drawn with replacement.

    Where all lines are of one document, lines are drawn: the interval then speaks of that document alone.

    Args:
        counts: one a line.
        documents: the document of each line; lines of the same document are drawn together.
        level: share of the draws inside the interval, in (0, 1).
        draws: number of resampled corpora.
        seed: of the draws; the same seed gives the same interval.

    Raises:
        ValueError: if `documents` has not one entry a line, or there is no line.
    """
    if len(counts) != len(documents) or not counts:
        raise ValueError(f"`documents` must name one document a line, got {len(documents)} for {len(counts)} lines.")
    if len(set(documents)) == 1:
        documents = range(len(counts))
    index = {document: position for position, document in enumerate(dict.fromkeys(documents))}
    totals = np.zeros((len(index), 2))
    for count, document in zip(counts, documents, strict=True):
        totals[index[document]] += (count.errors, count.length)
    share = np.full(len(index), 1 / len(index))
    drawn = np.random.default_rng(seed).multinomial(len(index), share, size=draws) @ totals  # (draw, errors | length)
    rates = drawn[:, 0] / np.maximum(1, drawn[:, 1])
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def chrf(references: Sequence[str], predictions: Sequence[str]) -> float:
    """Return corpus chrF, 0 to 100 (sacrebleu's defaults)."""
    _check_pairs(references, predictions)
    return sacrebleu.corpus_chrf(list(predictions), [list(references)]).score


def bleu(references: Sequence[str], predictions: Sequence[str]) -> float:
    """Return corpus BLEU, 0 to 100 (sacrebleu's defaults)."""
    _check_pairs(references, predictions)
    return sacrebleu.corpus_bleu(list(predictions), [list(references)]).score


def _normalise(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _check_pairs(references: Sequence[str], predictions: Sequence[str]) -> None:
    if len(references) != len(predictions):
        raise ValueError(f"`predictions` must match `references` in number, {len(references)}, got {len(predictions)}.")
