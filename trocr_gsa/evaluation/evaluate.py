"""Reading labelled lines at several angles, and the table that sums it up.

What is unusual: the same lines are turned and read again at every angle, by exact pixel moves at multiples of 90°;
lines are read in batches of like length; intervals resample documents.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from PIL import Image

from trocr_gsa.data.buckets import cut_batches
from trocr_gsa.data.images import paper
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.transcription import Normalization, normalize_text
from trocr_gsa.metrics import error_rates as metrics
from trocr_gsa.metrics.summary_row import SummaryRow
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.reader.decoding import Reading, read_images

WAY_UP_WITHIN = 22.5  # degrees by which an orientation may be off and still be right
QUARTER_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class LineRecord:
    """One line as it is and as it was read.

    Attributes:
        name: of the line.
        document: the line's book or hand; its own name where none is known.
        text: what stands there.
        prediction: what was read.
        angle: degrees counter-clockwise by which the line was turned before reading.
        orientation: degrees that the reader says.
        confidence: in [0, 1], by the temperature of the model's configuration, as `LineReader` says it.
        column_prediction: what the CTC head read, where it was asked.
    """

    name: str
    document: str
    text: str
    prediction: str
    angle: float
    orientation: float
    confidence: float
    column_prediction: str | None = None

    def normalized(self, how: Normalization) -> Self:
        """Return the record with its texts folded, as `normalize_text` does it."""
        columns = self.column_prediction
        return replace(
            self,
            text=normalize_text(self.text, how),
            prediction=normalize_text(self.prediction, how),
            column_prediction=None if columns is None else normalize_text(columns, how),
        )

    @property
    def is_way_up_right(self) -> bool:
        """Whether the orientation is right to within `WAY_UP_WITHIN`."""
        return abs((self.orientation - self.angle + 180) % 360 - 180) < WAY_UP_WITHIN




def rotate_image(image: Image.Image, angle: float) -> Image.Image:
    """Turn an image counter-clockwise by `angle` degrees; the page grows and is filled with its own paper."""
    turn = angle % 360
    if turn == 0:
        return image
    if turn in QUARTER_TURNS:
        return image.transpose(QUARTER_TURNS[int(turn)])
    return image.rotate(turn, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=paper(image))


def read_lines(
    model: TrOCRGSAModel,
    processor: Any,
    lines: Sequence[LineSample],
    angle: float,
    batch_patches: int = 8192,
    num_beams: int = 1,
    columns: bool = False,
) -> list[LineRecord]:
    """Turn every line by `angle` degrees and read it.

    Args:
        model: the reader, in evaluation mode, with or without an adapter inside.
        processor: its processor.
        lines: upright lines with their text.
        angle: degrees counter-clockwise, on top of the line's own.
        batch_patches: patches in a batch, padding included.
        num_beams: 1 reads greedily.
        columns: read by the CTC head too.

    Returns: one record a line, in the lines' order.
    """
    records: dict[int, LineRecord] = {}
    images = [rotate_image(line.image, angle) for line in lines]
    sizes = np.array([processor.image_processor.num_patches(*image.size) for image in images])
    for batch in cut_batches(np.argsort(sizes, kind="stable"), sizes, batch_patches, len(lines)):
        readings = read_images(
            model, processor, [images[index] for index in batch], num_beams=num_beams, columns=columns
        )
        for index, reading in zip(batch, readings, strict=True):
            records[index] = _record(lines[index], angle, reading, model.config.confidence_temperature)
    return [records[index] for index in range(len(lines))]


def summarise(name: str, records: Sequence[LineRecord], seconds: float, translation: bool = False) -> SummaryRow:
    """Sum up the records of one set at one angle.

    Args:
        name: of the set.
        records: at least one, all at the same angle.
        seconds: that reading them took.
        translation: add chrF and BLEU, for targets that are translations.

    Raises:
        ValueError: if there is no record.
    """
    if not records:
        raise ValueError(f"`records` of {name} are empty: there is no line to evaluate.")
    texts, predictions = [record.text for record in records], [record.prediction for record in records]
    documents = [record.document for record in records]
    characters = [metrics.count_character_errors(*pair) for pair in zip(texts, predictions, strict=True)]
    words = [metrics.count_word_errors(*pair) for pair in zip(texts, predictions, strict=True)]
    cer_low, cer_high = metrics.bootstrap_interval(characters, documents)
    wer_low, wer_high = metrics.bootstrap_interval(words, documents)
    return SummaryRow(
        name=name,
        angle=records[0].angle,
        lines=len(records),
        cer=metrics.error_rate(characters),
        cer_low=cer_low,
        cer_high=cer_high,
        wer=metrics.error_rate(words),
        wer_low=wer_low,
        wer_high=wer_high,
        orientation_accuracy=float(np.mean([record.is_way_up_right for record in records])),
        lines_per_second=len(records) / max(seconds, 1e-9),
        chrf=metrics.chrf(texts, predictions) if translation else None,
        bleu=metrics.bleu(texts, predictions) if translation else None,
    )


def evaluate(
    model: TrOCRGSAModel,
    processor: Any,
    name: str,
    lines: Sequence[LineSample],
    angles: Iterable[float],
    num_beams: int = 1,
    translation: bool = False,
    normalize: Normalization = "none",
) -> Iterator[tuple[SummaryRow, list[LineRecord]]]:
    """Read one set at each angle; yields the row and the records of each as soon as they are there.

    Args:
        model: the reader, in evaluation mode, with or without an adapter inside.
        processor: its processor.
        name: of the set.
        lines: at least one, with text.
        angles: degrees counter-clockwise.
        num_beams: 1 reads greedily.
        translation: add chrF and BLEU.
        normalize: fold texts before they are compared, as `normalize_text` does it; the records are then folded too.
    """
    for angle in angles:
        start = time.perf_counter()
        records = read_lines(model, processor, lines, angle, num_beams=num_beams)
        seconds = time.perf_counter() - start
        records = [record.normalized(normalize) for record in records]
        yield replace(summarise(name, records, seconds, translation), normalize=normalize), records


def _record(line: LineSample, angle: float, reading: Reading, temperature: float) -> LineRecord:
    return LineRecord(
        name=line.name,
        document=line.document or line.name,
        text=line.text,
        prediction=reading.text,
        angle=(line.angle + angle) % 360,
        orientation=reading.orientation,
        confidence=reading.confidence ** (1 / temperature),
        column_prediction=reading.column_text,
    )
