"""Reads labelled lines at several angles, and summarises the results in a table.

What is unusual: the same lines are rotated and read at every angle; rotations by multiples of 90° are exact
permutations of pixels. Intervals resample documents.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from trocr_gsa.data.images import paper
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.transcription import Normalization
from trocr_gsa.metrics import error_rates as metrics
from trocr_gsa.metrics.summary_row import SummaryRow
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor
from trocr_gsa.reader.backend import Backend
from trocr_gsa.reader.decoding import read_images

from .scored_line import ScoredLine

QUARTER_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


def rotate_image(image: Image.Image, angle: float) -> Image.Image:
    """Rotate an image counter-clockwise by `angle` degrees; the image is enlarged and filled with its paper colour."""
    turn = angle % 360
    if turn == 0:
        return image
    if turn in QUARTER_TURNS:
        return image.transpose(QUARTER_TURNS[int(turn)])
    return image.rotate(turn, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=paper(image))


def read_lines(
    model: Backend,
    processor: TrOCRGSAProcessor,
    lines: Sequence[LineSample],
    angle: float,
    batch_patches: int = 8192,
    num_beams: int = 1,
    with_ctc_text: bool = False,
    advance: Callable[[int], object] = lambda count: None,
) -> list[ScoredLine]:
    """Rotate every line by `angle` degrees and read it.

    Args:
        model: the reader, in evaluation mode, with or without an adapter.
        processor: its processor.
        lines: lines with their texts.
        angle: degrees counter-clockwise, in addition to each line's own angle.
        batch_patches: number of patches in a batch, padding included.
        num_beams: number of beams; 1 is greedy decoding.
        with_ctc_text: also read the lines with the CTC head, for `Line.ctc_text`.
        advance: called after each batch with its number of lines, to show progress.

    Returns: one scored line per line, in the same order; its angle is the sum of the line's own and `angle`.
    """
    images = [rotate_image(line.image, angle) for line in lines]
    read = read_images(
        model,
        processor,
        images,
        num_beams=num_beams,
        with_ctc_text=with_ctc_text,
        batch_patches=batch_patches,
        advance=advance,
    )
    return [
        ScoredLine(sample, (sample.angle + angle) % 360, replace(line, source=sample.name))
        for sample, line in zip(lines, read, strict=True)
    ]


def summarise(name: str, lines: Sequence[ScoredLine], seconds: float, translation: bool = False) -> SummaryRow:
    """Summarise one set, read at one angle.

    Args:
        name: name of the set.
        lines: at least one line, all at the same angle.
        seconds: time for reading them.
        translation: add chrF and BLEU, for targets that are translations.

    Raises:
        ValueError: if there is no line.
    """
    if not lines:
        raise ValueError(f"`lines` of {name} are empty: there is nothing to evaluate.")
    references, predictions = [line.reference for line in lines], [line.prediction for line in lines]
    documents = [line.document for line in lines]
    characters, words = [line.character_errors for line in lines], [line.word_errors for line in lines]
    cer_low, cer_high = metrics.bootstrap_interval(characters, documents)
    wer_low, wer_high = metrics.bootstrap_interval(words, documents)
    return SummaryRow(
        name=name,
        angle=lines[0].angle,
        lines=len(lines),
        cer=metrics.error_rate(characters),
        cer_low=cer_low,
        cer_high=cer_high,
        wer=metrics.error_rate(words),
        wer_low=wer_low,
        wer_high=wer_high,
        orientation_accuracy=float(np.mean([line.is_orientation_correct for line in lines])),
        lines_per_second=len(lines) / max(seconds, 1e-9),
        chrf=metrics.chrf(references, predictions) if translation else None,
        bleu=metrics.bleu(references, predictions) if translation else None,
    )


def evaluate(
    model: Backend,
    processor: TrOCRGSAProcessor,
    name: str,
    lines: Sequence[LineSample],
    angles: Iterable[float],
    num_beams: int = 1,
    translation: bool = False,
    normalize: Normalization = "none",
    advance: Callable[[int], object] = lambda count: None,
) -> Iterator[tuple[SummaryRow, list[ScoredLine]]]:
    """Read one set at each angle; yield the summary and the scored lines of each angle as soon as it is finished.

    Args:
        model: the reader, in evaluation mode, with or without an adapter.
        processor: its processor.
        name: name of the set.
        lines: at least one line, with text.
        angles: degrees counter-clockwise.
        num_beams: number of beams; 1 is greedy decoding.
        translation: add chrF and BLEU.
        normalize: normalization of the texts before they are compared, see `normalize_text`.
        advance: as in `read_lines`.

    Raises:
        ValueError: if there is no line, or the model's output for a line is not finite.
    """
    for angle in angles:
        start = time.perf_counter()
        read = read_lines(model, processor, lines, angle, num_beams=num_beams, advance=advance)
        seconds = time.perf_counter() - start
        unread = [each.line.source for each in read if not math.isfinite(each.line.confidence)]
        if unread:
            raise ValueError(
                f"`model`: its output is not finite for {len(unread)} of {len(lines)} lines of {name}, first for "
                f"{unread[0]}: its weights or those of its adapter are damaged. Evaluate another model."
            )
        scored = [replace(line, normalize=normalize) for line in read]
        yield replace(summarise(name, scored, seconds, translation), normalize=normalize), scored
