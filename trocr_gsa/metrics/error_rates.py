"""Character and word error rates with intervals, alignments, and chrF / BLEU for translation targets.

What is unusual: errors are counted per line and divided once for the corpus. An empty reference is a line of length 0,
not an error rate of 1. Intervals resample documents, because the errors of lines of one document are correlated.
"""

import unicodedata
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import jiwer
import numpy as np


@dataclass(frozen=True)
class ErrorCount:
    """Number of edits between a reference and a prediction, and the reference's length, in characters or words."""

    errors: int
    length: int


@dataclass(frozen=True)
class Edit:
    """A part of an alignment: equal characters, a substitution, an insertion or a deletion.

    Attributes:
        reference: part of the reference; empty for an insertion.
        prediction: part of the prediction; empty for a deletion, as long as `reference` for a substitution.
    """

    reference: str
    prediction: str

    @property
    def agrees(self) -> bool:
        """Whether both parts are equal."""
        return self.reference == self.prediction


def align_characters(reference: str, prediction: str) -> list[Edit]:
    """Align two texts with the fewest edits, as counted by `count_character_errors` (NFC, outer spaces ignored).

    Returns: the parts of the alignment; joined, their references and predictions are the two texts.
    """
    reference, prediction = _normalise(reference), _normalise(prediction)
    if not reference:
        return [Edit("", prediction)] if prediction else []
    chunks = jiwer.process_characters(reference, prediction).alignments[0]
    return [
        Edit(reference[chunk.ref_start_idx : chunk.ref_end_idx], prediction[chunk.hyp_start_idx : chunk.hyp_end_idx])
        for chunk in chunks
    ]


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
    """Return Σ errors / Σ length; a total length of 0 counts as 1."""
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


INTERVAL = (0.025, 0.975)  # quantiles of the resampled corpora
DRAWS = 1000  # resampled corpora


def bootstrap_interval(counts: Sequence[ErrorCount], documents: Sequence[Hashable]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval (percentiles) of the error rate, with documents drawn with replacement.

    If all lines belong to one document, lines are drawn instead; the interval then holds for this document only.

    Args:
        counts: error counts of each line.
        documents: document of each line; lines of the same document are drawn together.

    Raises:
        ValueError: if there is no line, or `documents` does not have one entry per line.
    """
    low, high = np.quantile(_resampled_rates(counts, documents), INTERVAL)
    return float(low), float(high)


def paired_interval(
    counts: Sequence[ErrorCount],
    other_counts: Sequence[ErrorCount],
    documents: Sequence[Hashable],
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of rate(other_counts) − rate(counts), with the same documents drawn for both.

    Because the draws are paired, lines that are difficult for both readers do not widen the interval.

    Args:
        counts: error counts of each line, of the first reader.
        other_counts: error counts of the second reader, for the same lines in the same order.
        documents: document of each line; if all lines belong to one document, lines are drawn.

    Raises:
        ValueError: if there is no line, or the numbers of counts and documents differ.
    """
    if len(counts) != len(other_counts):
        raise ValueError(f"`other_counts` must be of the same {len(counts)} lines, got {len(other_counts)}.")
    first, second = (_resampled_rates(each, documents) for each in (counts, other_counts))
    low, high = np.quantile(second - first, INTERVAL)
    return float(low), float(high)


def chrf(references: Sequence[str], predictions: Sequence[str]) -> float:
    """Return corpus chrF, 0 to 100 (sacrebleu's defaults)."""
    _check_pairs(references, predictions)
    import sacrebleu

    return sacrebleu.corpus_chrf(list(predictions), [list(references)]).score


def bleu(references: Sequence[str], predictions: Sequence[str]) -> float:
    """Return corpus BLEU, 0 to 100 (sacrebleu's defaults)."""
    _check_pairs(references, predictions)
    import sacrebleu

    return sacrebleu.corpus_bleu(list(predictions), [list(references)]).score


def _resampled_rates(counts: Sequence[ErrorCount], documents: Sequence[Hashable]) -> np.ndarray:
    """Return the error rate of each resampled corpus, (draw,); the draws depend only on the documents."""
    if len(counts) != len(documents) or not counts:
        raise ValueError(f"`documents` must name one document per line, got {len(documents)} for {len(counts)} lines.")
    if len(set(documents)) == 1:
        documents = range(len(counts))
    index = {document: position for position, document in enumerate(dict.fromkeys(documents))}
    totals = np.zeros((len(index), 2))
    for count, document in zip(counts, documents, strict=True):
        totals[index[document]] += (count.errors, count.length)
    share = np.full(len(index), 1 / len(index))
    drawn = np.random.default_rng(0).multinomial(len(index), share, size=DRAWS) @ totals  # (draw, errors | length)
    return drawn[:, 0] / np.maximum(1, drawn[:, 1])


def _normalise(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _check_pairs(references: Sequence[str], predictions: Sequence[str]) -> None:
    if len(references) != len(predictions):
        raise ValueError(f"`predictions` must match `references` in number, {len(references)}, got {len(predictions)}.")
