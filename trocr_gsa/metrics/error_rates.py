"""Character and word error rates with intervals, alignments, and chrF / BLEU for translation targets.

What is unusual: errors are counted a line and divided once for the corpus; an empty reference is a line without
characters, not a line read all wrong; intervals resample documents, because the lines of one page err together.
"""

import unicodedata
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import jiwer
import numpy as np


@dataclass(frozen=True)
class ErrorCount:
    """Edits between one reference and one prediction, and the reference's length, in characters or words."""

    errors: int
    length: int


@dataclass(frozen=True)
class Edit:
    """A run of characters that agree, or one that does not.

    Attributes:
        reference: what stands there; empty where something was inserted.
        prediction: what was read; empty where something was left out. As long as `reference` where letters were taken
            for others.
    """

    reference: str
    prediction: str

    @property
    def agrees(self) -> bool:
        """Whether the run was read as it stands."""
        return self.reference == self.prediction


def align_characters(reference: str, prediction: str) -> list[Edit]:
    """Align two texts by the fewest edits, the same that `count_character_errors` counts (NFC, outer spaces ignored).

    Returns: runs whose references, put together, are the reference, and whose predictions are the prediction.
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
    rates = _resampled_rates(counts, documents, draws, seed)
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_interval(
    counts: Sequence[ErrorCount],
    other_counts: Sequence[ErrorCount],
    documents: Sequence[Hashable],
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of rate(other_counts) − rate(counts), the same documents drawn for both.

    What both readers find hard leaves the difference alone: the interval is that of one being better than the other.

    Args:
        counts: one a line, of the first reader.
        other_counts: of the second reader, for the same lines in the same order.
        documents: the document of each line; where all are of one, lines are drawn.
        level: share of the draws inside the interval, in (0, 1).
        draws: number of resampled corpora.
        seed: of the draws.

    Raises:
        ValueError: if the readers have not as many lines, `documents` has not one entry a line, or there is no line.
    """
    if len(counts) != len(other_counts):
        raise ValueError(f"`other_counts` must be of the same {len(counts)} lines, got {len(other_counts)}.")
    first, second = (_resampled_rates(each, documents, draws, seed) for each in (counts, other_counts))
    low, high = np.quantile(second - first, [(1 - level) / 2, (1 + level) / 2])
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


def _resampled_rates(counts: Sequence[ErrorCount], documents: Sequence[Hashable], draws: int, seed: int) -> np.ndarray:
    """Return the error rate of each resampled corpus, (draw,); the draws depend on documents and seed alone."""
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
    return drawn[:, 0] / np.maximum(1, drawn[:, 1])


def _normalise(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _check_pairs(references: Sequence[str], predictions: Sequence[str]) -> None:
    if len(references) != len(predictions):
        raise ValueError(f"`predictions` must match `references` in number, {len(references)}, got {len(predictions)}.")
