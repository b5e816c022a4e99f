"""Measure the accuracy of a stock TrOCR at four angles, before and after its conversion.

    python -m experiments take_over runs/stock_trocr docs/from_trocr.md

The stock reader comes from experiments/train_stock_trocr.py, which trains on upright images. The test words were not in
its training; some are in font families of its training, and some in others. The orientation is trained on upright lines
without their texts. The rows are also written to experiments/results/take_over.json.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoProcessor, VisionEncoderDecoderModel

from benchmarks.marked_tables import markdown, write_results
from benchmarks.stock_reader import read_stock, squashed
from experiments.rendered_words import SEEN_FAMILIES, UNSEEN_FAMILIES, rendered_words
from trocr_gsa import TrOCRGSAModel, TrOCRGSAProcessor
from trocr_gsa.data import LineSample
from trocr_gsa.data.line import Line
from trocr_gsa.evaluation.evaluate import rotate_image, summarise
from trocr_gsa.evaluation.scored_line import ScoredLine
from trocr_gsa.metrics.summary_row import SummaryRow
from trocr_gsa.reader.decoding import read_images
from trocr_gsa.train.teach_orientation import teach_orientation

ANGLES = (0.0, 90.0, 180.0, 270.0)
TEST_SEED, TEACHING_SEED = 1_000_000, 2_000_000  # far from the seeds of the stock reader's training
FONTS = {"seen": SEEN_FAMILIES, "unseen": UNSEEN_FAMILIES}
BATCH = 50

Read = Callable[[list[Image.Image]], list[Line]]


@dataclass(frozen=True)
class Variant:
    """Results of one reader on one set of lines.

    Attributes:
        name: name of the reader.
        fonts: "seen" or "unseen" in training.
        orientation_lines: number of lines without text that the orientation was trained on; 0: not trained.
        orientation_minutes: time of this training in minutes.
        rows: results, one row per angle.
        same_text: share of lines with the same text at all angles.
    """

    name: str
    fonts: str
    orientation_lines: int
    orientation_minutes: float
    rows: list[SummaryRow]
    same_text: float


def stock_reading(folder: str) -> Read:
    """Return a function that reads with the stock reader, which assumes upright lines."""
    model: Any = VisionEncoderDecoderModel.from_pretrained(folder).eval()
    processor: Any = AutoProcessor.from_pretrained(folder)
    return lambda images: [
        Line(text, confidence=1.0, orientation=0.0)
        for text in read_stock(model, processor.tokenizer, squashed(processor, images))
    ]


def converted_reading(model: TrOCRGSAModel, processor: TrOCRGSAProcessor, orientation: str) -> Read:
    """Return a function that reads with a converted reader and the given orientation prior."""
    return lambda images: read_images(model, processor, images, orientation)


def measure(read: Read, lines: Sequence[LineSample], name: str, fonts: str, taught: tuple[int, float]) -> Variant:
    """Read the lines at every angle, and return the results."""
    rows, texts = [], []
    for angle in ANGLES:
        images = [rotate_image(line.image, angle) for line in lines]
        start = time.perf_counter()
        readings = [
            reading for first in range(0, len(images), BATCH) for reading in read(images[first : first + BATCH])
        ]
        scored = [ScoredLine(line, angle, found) for line, found in zip(lines, readings, strict=True)]
        rows.append(summarise(f"{name}, {fonts}", scored, time.perf_counter() - start))
        texts.append([reading.text for reading in readings])
    same = sum(len(set(line)) == 1 for line in zip(*texts, strict=True)) / len(lines)
    return Variant(name, fonts, *taught, rows, same)


def report(folder: str, lines: int, sizes: Sequence[int]) -> list[Variant]:
    """Measure the stock reader and the converted readers, on `lines` lines of each kind of font."""
    test = {kind: render_lines(families, lines, TEST_SEED) for kind, families in FONTS.items()}
    unlabelled = render_lines(SEEN_FAMILIES, max(sizes), TEACHING_SEED)
    found = []

    def add(name: str, read: Read, taught: tuple[int, float] = (0, 0.0)) -> None:
        for kind, held_out in test.items():
            found.append(measure(read, held_out, name, kind, taught))
            print(table(found[-1:]), flush=True)

    add("stock", stock_reading(folder))
    processor = TrOCRGSAProcessor.from_trocr(folder)
    model = TrOCRGSAModel.from_trocr(folder, group="C4")
    add("taken over, told upright", converted_reading(model, processor, "upright"))
    add("taken over, told nothing", converted_reading(model, processor, "any"))
    last = model.encoder.config.num_hidden_layers
    deeper = sorted(
        {last // 2, last - 1} - {model.encoder.config.pose_layers}
    )  # with K = L the decoder attends to all poses
    for size, layers in [*((size, None) for size in sizes), *((max(sizes), k) for k in deeper)]:
        model = TrOCRGSAModel.from_trocr(folder, group="C4", pose_layers=layers)
        result = teach_orientation(model, processor, [line.image for line in unlabelled[:size]])
        name = f"orientation taught on {size} lines, K = {model.encoder.config.pose_layers} of {last}"
        add(name, converted_reading(model, processor, "any"), (size, result.minutes))
    return found


def render_lines(families: Sequence[str], size: int, seed: int) -> list[LineSample]:
    """Render `size` lines with consecutive seeds, beginning with `seed`."""
    rendered = rendered_words(families, size, seed)
    return [rendered[index] for index in range(size)]


def table(variants: Sequence[Variant]) -> str:
    """Return the variants as Markdown: one row per variant, one column per angle."""
    head = ["reader", "fonts", *(f"CER at {angle:g}°" for angle in ANGLES), "same text at all", "way up right", "took"]
    rows = []
    for variant in variants:
        cers = [f"{row.cer:.1%} ({row.cer_low:.1%}–{row.cer_high:.1%})" for row in variant.rows]
        way_up = sum(row.orientation_accuracy for row in variant.rows) / len(ANGLES)
        minutes = f"{variant.orientation_minutes:.1f} min" if variant.orientation_lines else ""
        cells = [variant.name, variant.fonts, *cers, f"{variant.same_text:.1%}", f"{way_up:.1%}", minutes]
        rows.append(cells)
    return markdown(head, rows)


def main() -> None:
    """Measure, print the table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stock", help="checkpoint folder of a stock TrOCR")
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files with the table's two marker comments")
    parser.add_argument("--lines", type=int, default=150, help="test lines per kind of font")
    parser.add_argument("--orientation-lines", "--calibration-lines", type=int, nargs="+", default=[16, 256])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("experiments/results/take_over.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    variants = report(arguments.stock, arguments.lines, arguments.orientation_lines)
    numbers = [asdict(variant) for variant in variants]
    write_results(numbers, arguments.json, table(variants), arguments.pages, "reading", __file__)
