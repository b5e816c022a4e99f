"""Compare fine-tuning steps of this package with those of a stock ViT-TrOCR of the same size.

    OMP_NUM_THREADS=1 python -m benchmarks finetuning docs/speed.md

A step is what `trocr-gsa finetune` does with a batch: forward with all losses, backward, clipping, AdamW. Both readers
have LoRA of the same rank on the same projections of encoder and decoder, decoders of the same shape and dropout, and
labels of the same length. This package's reader is measured once more with LoRA only on the layers after the choice of
a pose. A line has 3 × 48 patches in this package. The stock reader's images are square: 12 × 12 patches and the class
token. All texts and images are noise. PyTorch counts the operations of the forward and the backward pass; they show
how much of the ratio of times comes from the amount of computation.

Times are medians of interleaved steps, in processor time of one thread (on CUDA in wall-clock time). Memory is the peak
of a separate process during a step (Linux's VmHWM), less the memory that it used before it loaded a reader. The rows
are written to benchmarks/results/finetuning.json.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers.models.trocr.modeling_trocr import TrOCRDecoder, TrOCRDecoderLayer

from benchmarks.marked_tables import markdown, write_results
from benchmarks.memory import forget_peak, in_new_process, resident
from benchmarks.stock_reader import Shape, build_stock
from trocr_gsa import lora_config
from trocr_gsa.checkpoints.models import load_model
from trocr_gsa.train.optimisation import make_optimizer
from trocr_gsa.train.step import count, weighted_loss

OURS, BEHIND, STOCK = "trocr-gsa", "trocr-gsa, `targets=behind_pose`", "stock ViT-TrOCR"
READERS = (STOCK, OURS, BEHIND)
ROWS, COLUMNS, SQUARE = 3, 48, 12  # patches
LETTERS = 256
PARTS = ("forward", "backward", "optimizer")
WEIGHTS = {"decoder_loss": 1.0, "ctc_loss": 1.0, "pose_loss": 0.3}


@dataclass(frozen=True)
class Row:
    """Cost of a step with one reader.

    Attributes:
        reader: name of the reader.
        parameters: number of parameters, with the adapter's.
        trained: number of trained parameters.
        forward_seconds: time of the forward pass and the losses.
        backward_seconds: time of the backward pass.
        optimizer_seconds: time of clipping and the optimizer.
        step_seconds: time of the whole step.
        ratio: `step_seconds` divided by that of the stock reader.
        giga_operations: operations of a step, in units of 10⁹.
        peak_bytes: peak memory of a step, in bytes.
    """

    reader: str
    parameters: int
    trained: int
    forward_seconds: float
    backward_seconds: float
    optimizer_seconds: float
    step_seconds: float
    ratio: float
    giga_operations: float
    peak_bytes: int


@dataclass(frozen=True)
class Work:
    """Size of a step: lines per batch, tokens per line, rank of the adapter, and device."""

    lines: int
    letters: int
    rank: int
    device: str


class Steps:
    """Training steps of a reader with an adapter, on a batch of noise.

    Args:
        name: one of `READERS`.
        work: size of a step.
    """

    def __init__(self, name: str, work: Work) -> None:
        torch.manual_seed(0)
        self.name, self.device = name, work.device
        reader, processor = load_model(None)
        labels = torch.randint(3, LETTERS, (work.lines, work.letters), device=work.device)
        if name != STOCK:
            side = processor.image_processor.patch_size  # pyright: ignore[reportAttributeAccessIssue]
            self.batch = {
                "pixel_values": torch.randn(work.lines, ROWS * COLUMNS, side * side, device=work.device),
                "pixel_attention_mask": torch.ones(work.lines, ROWS * COLUMNS, dtype=torch.long, device=work.device),
                "spatial_shapes": torch.tensor([[ROWS, COLUMNS]] * work.lines, device=work.device),
            }
        else:
            reader = stock_like(reader)
            side = SQUARE * reader.encoder.config.patch_size
            self.batch = {"pixel_values": torch.randn(work.lines, 3, side, side, device=work.device)}
        self.batch["labels"] = labels
        self.totals = count([self.batch]).to(work.device)
        adapter = lora_config("behind_pose" if name == BEHIND else "both", rank=work.rank)
        # as in the training loop if the pose head is not trained
        self.orientation = {"orientation": "upright"} if name == BEHIND else {}
        self.model: Any = get_peft_model(reader, adapter).to(work.device).train()
        self.optimizer = make_optimizer(self.model, 1e-4, 0.0, 0.98)

    def forward(self) -> Tensor:
        """Return the loss of the step."""
        output = self.model(**self.batch, **self.orientation)
        return weighted_loss(output, self.batch, self.totals, WEIGHTS)[0] if self.name != STOCK else output.loss

    def update(self) -> None:
        """Clip the gradients and update the adapter."""
        torch.nn.utils.clip_grad_norm_([w for w in self.model.parameters() if w.requires_grad], 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def take(self) -> tuple[float, ...]:
        """Run a step, and return the times of its `PARTS` in seconds."""
        loss, forward = self._timed(self.forward)
        _, backward = self._timed(loss.backward)
        _, update = self._timed(self.update)
        return forward, backward, update

    def _timed(self, action: Callable[[], Any]) -> tuple[Any, float]:
        on_cuda = self.device.startswith("cuda")
        clock = time.perf_counter if on_cuda else time.process_time
        start = clock()
        result = action()
        if on_cuda:
            torch.cuda.synchronize()
        return result, clock() - start

    def giga_operations(self) -> float:
        """Return the operations of a step in units of 10⁹; PyTorch counts attention in its MATH backend only."""
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
            self.forward().backward()
        self.optimizer.zero_grad()
        return counted.get_total_flops() / 1e9

    def sizes(self) -> tuple[int, int]:
        """Return the number of parameters and the number of trained ones."""
        counts = [(weight.numel(), weight.requires_grad) for weight in self.model.parameters()]
        return sum(size for size, _ in counts), sum(size for size, is_trained in counts if is_trained)


def stock_like(reader: Any) -> Any:
    """Return an untrained stock TrOCR of a reader's sizes, with one more encoder layer instead of the lifting layer."""
    encoder, decoder = reader.config.encoder, reader.config.decoder
    shape = Shape(
        image_size=SQUARE * encoder.patch_size, hidden_size=encoder.hidden_size, layers=encoder.num_hidden_layers + 1,
        heads=encoder.num_attention_heads, decoder_size=decoder.d_model, decoder_layers=decoder.decoder_layers,
        decoder_heads=decoder.decoder_attention_heads, vocabulary=decoder.vocab_size,
        longest=decoder.max_position_embeddings, patch_size=encoder.patch_size,
    )  # fmt: skip
    stock, _ = build_stock(shape)
    for module in stock.decoder.modules():
        if isinstance(module, TrOCRDecoder | TrOCRDecoderLayer):
            module.dropout = decoder.dropout
    return stock


def peak_bytes(name: str, work: Work) -> int:
    """Return the peak memory of this process, or of its CUDA device, during two steps, in bytes."""
    torch.set_num_threads(1)
    before = resident("VmRSS")
    steps = Steps(name, work)
    if work.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    else:
        forget_peak()  # otherwise the peak of loading the reader counts
    for _ in range(2):
        steps.take()
    return torch.cuda.max_memory_allocated() if work.device.startswith("cuda") else resident("VmHWM") - before


def measure(work: Work, repeats: int) -> list[Row]:
    """Run steps with all readers in turn, and return their rows; the first step of each is a warm-up."""
    peaks = {name: in_new_process(peak_bytes, name, work) for name in READERS}
    readers = [Steps(name, work) for name in READERS]
    rounds = [[reader.take() for reader in readers] for _ in range(repeats + 1)][1:]
    rows: list[Row] = []
    for reader, times in zip(readers, zip(*rounds, strict=True), strict=True):
        parts = [statistics.median(part) for part in zip(*times, strict=True)]
        whole = statistics.median(map(sum, times))
        first = rows[0].step_seconds if rows else whole
        parameters, trained = reader.sizes()
        forward, backward, update = parts
        operations, peak = reader.giga_operations(), peaks[reader.name]
        rows.append(Row(reader.name, parameters, trained, forward, backward, update, whole, whole / first, operations,
                        peak))  # fmt: skip
    return rows


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    head = [
        "reader",
        "parameters",
        "trained",
        *(f"{part}, ms" for part in (*PARTS, "step")),
        "ratio",
        "Gop",
        "peak memory",
    ]
    return markdown(
        head,
        (
            [row.reader, f"{row.parameters / 1e6:.1f} M", f"{row.trained / 1e6:.2f} M",
             *(f"{1000 * each:.0f}" for each in (row.forward_seconds, row.backward_seconds, row.optimizer_seconds,
                                                 row.step_seconds)),
             f"× {row.ratio:.2f}", f"{row.giga_operations:.0f}", f"{row.peak_bytes / 1e6:.0f} MB"]
            for row in rows
        ),
    )  # fmt: skip


def main() -> None:
    """Measure, print the table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files with the table's two marker comments")
    parser.add_argument("--lines", type=int, default=28, help="lines per step")
    parser.add_argument("--letters", type=int, default=48, help="tokens per line")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/finetuning.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    work = Work(options.lines, options.letters, options.rank, options.device)
    rows = measure(work, options.repeats)
    found = {"threads": 1, "repeats": options.repeats, "work": asdict(work), "rows": [asdict(row) for row in rows]}
    write_results(found, options.json, table(rows), options.pages, "finetuning", __file__)
