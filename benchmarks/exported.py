"""Compare reading with PyTorch and with onnxruntime: speed, and whether the texts are the same.

    OMP_NUM_THREADS=2 python -m benchmarks exported fraktur-19/ htromance-modern-fr/ --lines 50 --int8

Every line is read upright and rotated by 90°. The runtimes take turns within each round, so that other load on the
machine affects all of them; results are the medians over the rounds. Lines per second are measured in wall-clock time,
seconds per line in processor time. The rows are written to benchmarks/results/exported.json.
"""

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image

from trocr_gsa import TrOCRGSAModel
from trocr_gsa.data.numbers import to_json
from trocr_gsa.data.sources import open_source
from trocr_gsa.metrics.error_rates import cer
from trocr_gsa.onnx import export_reader, round_weights
from trocr_gsa.reader import Line, LineReader

PYTORCH, ONNX, INT8 = "PyTorch", "onnxruntime", "onnxruntime, int8"
ANGLES = (0, 90)


@dataclass(frozen=True)
class Row:
    """Results of one runtime.

    Attributes:
        way: name of the runtime.
        lines_per_second: lines per second of wall-clock time.
        ratio: `lines_per_second` divided by that of PyTorch.
        processor_seconds_per_line: processor time per line of all threads together, in seconds.
        same_text: share of lines with the same text as with PyTorch.
        same_orientation: share of lines with the same orientation as with PyTorch.
        cer: character error rate.
        megabytes: size of the weights on disk, in megabytes.
    """

    way: str
    lines_per_second: float
    ratio: float
    processor_seconds_per_line: float
    same_text: float
    same_orientation: float
    cer: float
    megabytes: float


@dataclass(frozen=True)
class Round:
    """One round of one runtime: the lines read, and the wall-clock and processor time in seconds."""

    lines: list[Line]
    clock: float
    processor: float


def choose_lines(sources: Sequence[str], split: str, count: int) -> tuple[list[Image.Image], list[str]]:
    """Return images and their texts: the same random `count` lines of each source at each call, at every angle."""
    images, texts = [], []
    for source in sources:
        lines = open_source(source, split)
        for place in random.Random(0).sample(range(len(lines)), min(count, len(lines))):
            line = lines[place]
            images += [line.image.rotate(angle, expand=True) for angle in ANGLES]
            texts += [line.text] * len(ANGLES)
    return images, texts


def read(reader: LineReader, images: list[Image.Image], batch_size: int) -> Round:
    """Read all lines and measure the time."""
    clock, processor = time.perf_counter(), time.process_time()
    lines = reader.read(images, batch_size=batch_size)
    return Round(lines, time.perf_counter() - clock, time.process_time() - processor)


def compare(
    readers: dict[str, LineReader], sizes: dict[str, float], images: list[Image.Image], texts: list[str], options: Any
) -> list[Row]:
    """Read with every reader in turn, in every round, and return their rows."""
    rounds: dict[str, list[Round]] = {way: [] for way in readers}
    for reader in readers.values():
        reader.read(images[:4])
    for _ in range(options.rounds):
        for way, reader in readers.items():
            rounds[way].append(read(reader, images, options.batch_size))
    expected = rounds[PYTORCH][0].lines
    clocks = {way: statistics.median(each.clock for each in done) for way, done in rounds.items()}
    rows = []
    for way, done in rounds.items():
        pairs = list(zip(done[0].lines, expected, strict=True))
        rows.append(
            Row(
                way,
                len(images) / clocks[way],
                clocks[PYTORCH] / clocks[way],
                statistics.median(each.processor for each in done) / len(images),
                sum(a.text == b.text for a, b in pairs) / len(pairs),
                sum(a.orientation == b.orientation for a, b in pairs) / len(pairs),
                cer(texts, [line.text for line in done[0].lines]),
                sizes[way],
            )
        )
    return rows


def megabytes(folder: Path) -> float:
    """Return the size of the weights in a folder, in megabytes."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix != ".json") / 1e6


def show(rows: Sequence[Row]) -> None:
    """Print the rows as a Markdown table."""
    print("| read with | lines/s | to PyTorch | processor s/line | same text | same way up | CER | MB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row.way} | {row.lines_per_second:.1f} | {row.ratio:.2f} | {row.processor_seconds_per_line:.3f} "
            f"| {row.same_text:.1%} | {row.same_orientation:.1%} | {row.cer:.2%} | {row.megabytes:.1f} |"
        )


def main() -> None:
    """Export the reader, read with every runtime, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", help="sources of labelled lines")
    parser.add_argument("--split", default="test")
    parser.add_argument("--lines", type=int, default=50, help="lines per source; each is read at every angle")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--int8", action="store_true", help="measure weights rounded to 8 bits, too")
    parser.add_argument("--model", default=None, help="checkpoint; by default the packaged one")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/exported.json"))
    options = parser.parse_args()
    images, texts = choose_lines(options.sources, options.split, options.lines)
    readers = {PYTORCH: LineReader.from_pretrained(options.model, device="cpu")}
    sizes = {
        PYTORCH: sum(
            weight.numel() * weight.element_size()
            for weight in cast(TrOCRGSAModel, readers[PYTORCH].model).parameters()
        )
        / 1e6
    }
    with tempfile.TemporaryDirectory() as place:
        export_reader(readers[PYTORCH], Path(place) / ONNX)
        if options.int8:
            round_weights(Path(shutil.copytree(Path(place) / ONNX, Path(place) / INT8)))
        for folder in sorted(Path(place).iterdir()):
            readers[folder.name], sizes[folder.name] = LineReader.from_pretrained(folder), megabytes(folder)
        rows = compare(readers, sizes, images, texts, options)
    show(rows)
    measured = {
        "pictures": len(images), "angles": ANGLES, "rounds": options.rounds, "batch_size": options.batch_size,
        "threads": torch.get_num_threads(), "rows": [asdict(row) for row in rows],
    }  # fmt: skip
    options.json.write_text(to_json(measured, indent=2) + "\n", encoding="utf-8")
