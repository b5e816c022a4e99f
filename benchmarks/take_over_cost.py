"""Measure the time and memory of a converted stock TrOCR, as ratios to the stock reader.

    python -m benchmarks take_over_cost runs/stock_trocr docs/from_trocr.md

Besides the given reader, readers with the shapes of trocr-small and trocr-base are measured. Their weights are random,
which does not affect speed. Times are medians of interleaved repeats, in processor time of one thread, so that other
load on the machine hardly matters. Memory is the peak of a separate process while it reads (Linux's VmHWM), less the
memory that it used before it loaded the reader. Every reader generates the same number of tokens. The rows are also
written to benchmarks/results/take_over_cost.json.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import VisionEncoderDecoderModel

from benchmarks.marked_tables import markdown, write_results
from benchmarks.memory import forget_peak, in_new_process, resident
from benchmarks.stock_reader import Shape, build_stock
from trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.attention import HeadGate
from trocr_gsa.model.orientation import only_pose, orientation_bias

SMALL = Shape(
    image_size=384, hidden_size=384, layers=12, heads=6, decoder_size=256, decoder_layers=6, decoder_heads=8,
    vocabulary=64044, longest=512, distilled=True,
)  # fmt: skip
BASE = Shape(
    image_size=384, hidden_size=768, layers=12, heads=12, decoder_size=1024, decoder_layers=12, decoder_heads=16,
    vocabulary=50265, longest=512,
)  # fmt: skip
TOKENS = 16  # generated per image by every reader
STOCK = "stock"


@dataclass(frozen=True)
class Variant:
    """A reader to measure.

    Attributes:
        folder: folder of the checkpoint.
        orientation: orientation prior of a converted reader, "upright" or "any"; `STOCK` for a stock reader.
        gate: γ of every head: 0 as after conversion; otherwise with attention across poses, as after fine-tuning.
    """

    folder: str
    orientation: str
    gate: float = 0.0


@dataclass(frozen=True)
class Row:
    """Results of one variant.

    Attributes:
        size: name of the reader's size.
        name: name of the variant.
        tokens: number of encoder tokens per image that the decoder attends to.
        encoder_seconds: time of the encoder per batch.
        reading_seconds: time of reading per batch, with the encoder.
        peak_bytes: peak memory of reading a batch in bytes, with the weights.
        batch_size: images per batch.
    """

    size: str
    name: str
    tokens: int
    encoder_seconds: float
    reading_seconds: float
    peak_bytes: int
    batch_size: int


class Reader:
    """The model of a variant, with a batch of noise images to read."""

    def __init__(self, variant: Variant, model: Any, batch_size: int) -> None:
        self.variant, self.model = variant, model
        self.options, self.encoder_options = {}, {}
        if variant.orientation != STOCK:
            self.options = {"orientation": variant.orientation}
            self.encoder_options = {"only_pose": only_pose(orientation_bias(variant.orientation, model.encoder.group))}
        side = model.config.encoder.image_size  # both kinds of encoder have it
        self.pixels = torch.randn(batch_size, 3, side, side, generator=torch.Generator().manual_seed(0))

    @property
    def name(self) -> str:
        """Name of the variant in the table."""
        if self.variant.orientation == STOCK:
            return STOCK
        config = self.model.encoder.config
        gates = ", gates open" if self.variant.gate else ""
        return f'K = {config.pose_layers} of {config.num_hidden_layers}, "{self.variant.orientation}"{gates}'

    @torch.inference_mode()
    def encode(self) -> int:
        """Run the encoder, and return the number of tokens per image."""
        self._set_gates()
        return self.model.encoder(self.pixels, **self.encoder_options).last_hidden_state.shape[1]

    @torch.inference_mode()
    def read(self) -> None:
        """Generate `TOKENS` tokens per image, greedily."""
        self._set_gates()
        self.model.generate(
            self.pixels, num_beams=1, max_length=None, min_new_tokens=TOKENS, max_new_tokens=TOKENS, **self.options
        )

    def _set_gates(self) -> None:
        """Set the gates before each run, because variants may share a model."""
        for module in self.model.modules():
            if isinstance(module, HeadGate):
                module.weight.fill_(self.variant.gate)


def load(variant: Variant) -> Any:
    """Load a variant's model."""
    kind: Any = VisionEncoderDecoderModel if variant.orientation == STOCK else TrOCRGSAModel
    return kind.from_pretrained(variant.folder).eval()


def seconds(action: Callable[[], object]) -> float:
    """Return the processor time of an action in seconds."""
    start = time.process_time()
    action()
    return time.process_time() - start


def peak_bytes(variant: Variant, batch_size: int) -> int:
    """Return the peak memory of this process during one batch, less its memory before loading the reader, in bytes."""
    torch.set_num_threads(1)
    before = resident("VmRSS")
    reader = Reader(variant, load(variant), batch_size)
    forget_peak()  # otherwise the peak of loading the reader counts
    reader.read()
    return resident("VmHWM") - before


def measure(size: str, variants: Sequence[Variant], batch_size: int, repeats: int) -> list[Row]:
    """Measure variants in turn; those of one folder share a model, except for the measurement of memory."""
    peaks = [in_new_process(peak_bytes, variant, batch_size) for variant in variants]
    models = {variant.folder: load(variant) for variant in variants}
    readers = [Reader(variant, models[variant.folder], batch_size) for variant in variants]
    tokens = [reader.encode() for reader in readers]
    rounds = [[(seconds(reader.encode), seconds(reader.read)) for reader in readers] for _ in range(repeats)]
    rows = []
    for reader, token, peak, times in zip(readers, tokens, peaks, zip(*rounds, strict=True), strict=True):
        encoding, reading = (statistics.median(part) for part in zip(*times, strict=True))
        rows.append(Row(size, reader.name, token, encoding, reading, peak, batch_size))
    return rows


def convert(stock: str, folder: Path, every: bool) -> list[Variant]:
    """Convert a stock reader, save the results under `folder`, and return all variants.

    K, the number of layers on all poses, is the converter's default and the number of encoder layers (the literal
    GSA-Net); if `every`, also 1 and half of the layers.
    """
    chosen = TrOCRGSAModel.from_trocr(stock, group="C4")
    last = chosen.encoder.config.num_hidden_layers
    counts = ({1, last // 2, last} if every else {last}) - {chosen.encoder.config.pose_layers}
    models = [chosen, *(TrOCRGSAModel.from_trocr(stock, group="C4", pose_layers=count) for count in sorted(counts))]
    folders = [str(folder / str(index)) for index in range(len(models))]
    for model, path in zip(models, folders, strict=True):
        model.save_pretrained(path)
    closed = [Variant(folders[0], "upright"), *(Variant(path, "any") for path in folders)]
    opened = [Variant(path, "any", gate=1.0) for path in (folders[0], folders[-1])]
    return [Variant(stock, STOCK), *closed, *opened]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown: absolute figures for the stock reader, ratios to it for the others."""
    head = ["size", "reader", "tokens", "encoder", "reading", "peak memory"]
    lines, stock = [], rows[0]
    for row in rows:
        ratios = [
            f"× {row.encoder_seconds / stock.encoder_seconds:.2f}",
            f"× {row.reading_seconds / stock.reading_seconds:.2f}",
            f"× {row.peak_bytes / stock.peak_bytes:.2f}",
        ]
        if row.name == STOCK:
            stock = row
            times = [f"{batch / row.batch_size * 1000:.0f} ms" for batch in (row.encoder_seconds, row.reading_seconds)]
            ratios = [*times, f"{row.peak_bytes / 1e6:.0f} MB"]
        lines.append([row.size, row.name, row.tokens, *ratios])
    return markdown(head, lines)


def save_random(shape: Shape, folder: Path) -> str:
    """Save a stock TrOCR with random weights."""
    model, processor = build_stock(shape)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def bench(stock: str, batch_size: int, repeats: int, shapes: bool = True) -> list[Row]:
    """Measure the reader in the folder `stock` and, if `shapes`, readers of the published shapes, too."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sizes = [(Path(stock).name, lambda: stock, batch_size, True)]
        if shapes:
            sizes.append(("trocr-small", lambda: save_random(SMALL, folder / "small"), batch_size, True))
            sizes.append(("trocr-base", lambda: save_random(BASE, folder / "base"), max(1, batch_size // 4), False))
        for size, source, images, every in sizes:
            variants = convert(source(), folder / f"{size}-converted", every)
            rows += measure(size, variants, images, repeats)
            print(table(rows), flush=True)
    return rows


def main() -> None:
    """Measure, print the table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stock", help="checkpoint folder of a stock TrOCR")
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files with the table's two marker comments")
    parser.add_argument("--batch-size", type=int, default=4, help="images per batch; a quarter for trocr-base")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/take_over_cost.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = bench(arguments.stock, arguments.batch_size, arguments.repeats)
    found = {"threads": 1, "repeats": arguments.repeats, "rows": [asdict(row) for row in rows]}
    write_results(found, arguments.json, table(rows), arguments.pages, "cost", __file__)
