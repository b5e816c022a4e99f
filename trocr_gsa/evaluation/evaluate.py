"""Reading labelled lines at several angles, and the table that sums it up.

What is unusual: the same lines are turned and read again at every angle, by exact pixel moves at multiples of 90°; and
intervals resample documents.
"""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
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
    """Turn an image counter-clockwise by `angle` degrees; the page grows and is filled with its own paper."""
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
) -> list[ScoredLine]:
    """Turn every line by `angle` degrees and read it.

    Args:
        model: the reader, in evaluation mode, with or without an adapter inside.
        processor: its processor.
        lines: upright lines with their text.
        angle: degrees counter-clockwise, on top of the line's own.
        batch_patches: patches in a batch, padding included.
        num_beams: 1 reads greedily.
        with_ctc_text: have the CTC head read the lines too, for `Line.ctc_text`.

    Returns: one scored line for each, in their order; their angles are the lines' own and `angle` together.
    """
    images = [rotate_image(line.image, angle) for line in lines]
    read = read_images(
        model, processor, images, num_beams=num_beams, with_ctc_text=with_ctc_text, batch_patches=batch_patches
    )
    return [
        ScoredLine(sample, (sample.angle + angle) % 360, replace(line, source=sample.name))
        for sample, line in zip(lines, read, strict=True)
    ]


def summarise(name: str, lines: Sequence[ScoredLine], seconds: float, translation: bool = False) -> SummaryRow:
    """Sum up one set, read at one angle.

    Args:
        name: of the set.
        lines: at least one, all at the same angle.
        seconds: that reading them took.
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
        orientation_accuracy=float(np.mean([line.is_way_up_right for line in lines])),
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
) -> Iterator[tuple[SummaryRow, list[ScoredLine]]]:
    """Read one set at each angle; yield the summary and the scored lines of each as soon as they are there.

    Args:
        model: the reader, in evaluation mode, with or without an adapter inside.
        processor: its processor.
        name: of the set.
        lines: at least one, with text.
        angles: degrees counter-clockwise.
        num_beams: 1 reads greedily.
        translation: add chrF and BLEU.
        normalize: how texts are folded before they are compared, as `normalize_text` does it.

    Raises:
        ValueError: if there is no line, or a line for which the model computes no finite number.
    """
    for angle in angles:
        start = time.perf_counter()
        read = read_lines(model, processor, lines, angle, num_beams=num_beams)
        seconds = time.perf_counter() - start
        unread = [each.line.source for each in read if not math.isfinite(each.line.confidence)]
        if unread:
            raise ValueError(
                f"`model`: it computes no finite number for {len(unread)} of {len(lines)} lines of {name}, first for "
                f"{unread[0]}: its weights or its adapter's are damaged. Evaluate another."
            )
        scored = [replace(line, normalize=normalize) for line in read]
        yield replace(summarise(name, scored, seconds, translation), normalize=normalize), scored
