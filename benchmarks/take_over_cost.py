"""Measure what taking a stock TrOCR over costs, as ratios to the stock reader.

    python -m benchmarks take_over_cost runs/stock_trocr docs/from_trocr.md

Weights do not matter to the clock: beside the folder named, readers of the shapes of trocr-small and trocr-base are
measured with random weights. Times are medians of interleaved repeats, in processor time of one thread, so that what
else the machine does hardly counts. Memory is the peak (Linux's VmHWM) of a process of its own while it reads, less
what it held before it loaded the reader. Every reader writes the same number of tokens. The rows also go to
benchmarks/results/take_over_cost.json.
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

from benchmarks.marked_tables import markdown, write_between_markers
from benchmarks.memory import forget_peak, in_new_process, resident
from benchmarks.stock_reader import Shape, build_stock
from trocr_gsa import TrOCRGSAModel
from trocr_gsa.data.numbers import to_json
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
TOKENS = 16  # written by every reader
STOCK = "stock"


@dataclass(frozen=True)
class Variant:
    """A reader to measure.

    Attributes:
        folder: the checkpoint's.
        told: `STOCK` where it is one; what a converted reader is told of the orientation, "upright" or "any".
        gate: γ of every head: 0 as converted; anything else as fine-tuning leaves it, with attention across poses.
    """

    folder: str
    told: str
    gate: float = 0.0


@dataclass(frozen=True)
class Row:
    """What one variant costs.

    Attributes:
        size: of the reader, in words.
        name: of the variant.
        tokens: a picture, handed to the decoder.
        encoder_seconds: a batch.
        reading_seconds: a batch, encoder included.
        peak_bytes: of reading a batch, weights included.
        batch_size: pictures.
    """

    size: str
    name: str
    tokens: int
    encoder_seconds: float
    reading_seconds: float
    peak_bytes: int
    batch_size: int


class Reader:
    """A variant's model, with pictures of noise to read."""

    def __init__(self, variant: Variant, model: Any, batch_size: int) -> None:
        self.variant, self.model = variant, model
        self.told, self.encoder_told = {}, {}
        if variant.told != STOCK:
            self.told = {"orientation": variant.told}
            self.encoder_told = {"only_pose": only_pose(orientation_bias(variant.told, model.encoder.group))}
        side = model.config.encoder.image_size  # of both kinds of encoder
        self.pixels = torch.randn(batch_size, 3, side, side, generator=torch.Generator().manual_seed(0))

    @property
    def name(self) -> str:
        """What the table calls it."""
        if self.variant.told == STOCK:
            return STOCK
        config = self.model.encoder.config
        gates = ", gates open" if self.variant.gate else ""
        return f'K = {config.pose_layers} of {config.num_hidden_layers}, "{self.variant.told}"{gates}'

    @torch.inference_mode()
    def encode(self) -> int:
        """Run the encoder and return the tokens of a picture."""
        self._set_gates()
        return self.model.encoder(self.pixels, **self.encoder_told).last_hidden_state.shape[1]

    @torch.inference_mode()
    def read(self) -> None:
        """Write `TOKENS` tokens a picture, greedily."""
        self._set_gates()
        self.model.generate(
            self.pixels, num_beams=1, max_length=None, min_new_tokens=TOKENS, max_new_tokens=TOKENS, **self.told
        )

    def _set_gates(self) -> None:
        """Set the gates of a model that readers may share."""
        for module in self.model.modules():
            if isinstance(module, HeadGate):
                module.weight.fill_(self.variant.gate)


def load(variant: Variant) -> Any:
    """Load a variant's model."""
    kind: Any = VisionEncoderDecoderModel if variant.told == STOCK else TrOCRGSAModel
    return kind.from_pretrained(variant.folder).eval()


def seconds(action: Callable[[], object]) -> float:
    """Return the processor time that an action takes."""
    start = time.process_time()
    action()
    return time.process_time() - start


def peak_bytes(variant: Variant, batch_size: int) -> int:
    """Return the most memory that this process holds while it reads one batch, less what it held without a reader."""
    torch.set_num_threads(1)
    before = resident("VmRSS")
    reader = Reader(variant, load(variant), batch_size)
    forget_peak()  # of loading
    reader.read()
    return resident("VmHWM") - before


def measure(size: str, variants: Sequence[Variant], batch_size: int, repeats: int) -> list[Row]:
    """Measure variants side by side; those of one folder share their weights, but for memory."""
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
    """Return the variants of a stock reader, the converted ones saved under `folder`.

    K is the converter's choice and the encoder's last layer (the literal GSA-Net); if `every`, also 1 and half.
    """
    chosen = TrOCRGSAModel.from_trocr(stock, group="C4")
    last = chosen.encoder.config.num_hidden_layers
    counts = ({1, last // 2, last} if every else {last}) - {chosen.encoder.config.pose_layers}
    models = [chosen, *(TrOCRGSAModel.from_trocr(stock, group="C4", pose_layers=count) for count in sorted(counts))]
    folders = [str(folder / str(index)) for index in range(len(models))]
    for model, path in zip(models, folders, strict=True):
        model.save_pretrained(path)
    told = [Variant(folders[0], "upright"), *(Variant(path, "any") for path in folders)]
    opened = [Variant(path, "any", gate=1.0) for path in (folders[0], folders[-1])]
    return [Variant(stock, STOCK), *told, *opened]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown; all but tokens and the stock reader's own figures are ratios to the stock reader."""
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
    """Measure the reader in the folder `stock` and, if `shapes`, readers of published shapes."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sizes = [(Path(stock).name, lambda: stock, batch_size, True)]
        if shapes:
            sizes.append(("trocr-small", lambda: save_random(SMALL, folder / "small"), batch_size, True))
            sizes.append(("trocr-base", lambda: save_random(BASE, folder / "base"), max(1, batch_size // 4), False))
        for size, source, pictures, every in sizes:
            variants = convert(source(), folder / f"{size}-converted", every)
            rows += measure(size, variants, pictures, repeats)
            print(table(rows), flush=True)
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stock", help="folder of a stock TrOCR")
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files that hold the table's two comments")
    parser.add_argument("--batch-size", type=int, default=4, help="pictures; a quarter of them for trocr-base's shape")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/take_over_cost.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = bench(arguments.stock, arguments.batch_size, arguments.repeats)
    found = {"threads": 1, "repeats": arguments.repeats, "rows": [asdict(row) for row in rows]}
    arguments.json.write_text(to_json(found, indent=1) + "\n", encoding="utf-8")
    for page in arguments.pages:
        write_between_markers(page, "cost", __file__, table(rows))
