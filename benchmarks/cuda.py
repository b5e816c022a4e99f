"""Measure training and reading on a GPU: lines per second, share of its peak in matrix products, memory and kernels.

    python -m benchmarks cuda docs/speed.md

Two readers with random weights are measured: one of the packaged reader's size, and a base size with hidden size 768
and 12 layers. They train on and read noise in bf16, with and without torch.compile, each for `--seconds` after a
warm-up. The peak is measured, too: it is the best of several square matrix products. PyTorch counts the operations of
one forward and one backward pass, without the savings of a compiler. Attention kernels are the kernels in the profile
whose names say so; "flash" is the desired one. If a row fails, it reports the error, and the other rows are measured.
The rows are written to benchmarks/results/cuda.json.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from transformers import TrOCRConfig

from benchmarks.marked_tables import markdown, write_results
from trocr_gsa import GSANetConfig, TrOCRGSAConfig, TrOCRGSAModel
from trocr_gsa.train.optimisation import make_optimizer

VOCABULARY, PAD, END = 259, 0, 1
ROWS, PATCH = 3, 16
TRAIN, READ = "training", "reading"
WARM_UP = 3
ATTENTION_WORDS = ("flash", "fmha", "attention", "attn")


@dataclass(frozen=True)
class Size:
    """Sizes of a reader: name, hidden size, encoder layers after the lifting layer, heads, and decoder layers."""

    name: str
    width: int
    layers: int
    heads: int
    decoder_layers: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `NAME:WIDTH:LAYERS:HEADS:DECODER_LAYERS`, such as `base:768:12:12:6`."""
        name, *numbers = text.split(":")
        return cls(name, *map(int, numbers))

    def build(self) -> Any:
        """Return an untrained reader."""
        encoder = GSANetConfig(
            group="C4", hidden_size=self.width, num_hidden_layers=self.layers, num_attention_heads=self.heads,
            intermediate_size=4 * self.width, patch_size=PATCH, num_channels=1, pose_layers=1, num_frequencies=6,
            absolute_position="centred",
        )  # fmt: skip
        marks: dict[str, Any] = {"pad_token_id": PAD, "eos_token_id": END, "decoder_start_token_id": PAD}
        decoder = TrOCRConfig(
            vocab_size=VOCABULARY, d_model=self.width, decoder_layers=self.decoder_layers, bos_token_id=PAD,
            decoder_attention_heads=self.heads, decoder_ffn_dim=4 * self.width, cross_attention_hidden_size=self.width,
            max_position_embeddings=256, dropout=0.0, **marks,
        )  # fmt: skip
        model = TrOCRGSAModel(TrOCRGSAConfig.from_encoder_decoder_configs(encoder, decoder, **marks))  # pyright: ignore
        return model


PACKAGED = Size("packaged", width=192, layers=6, heads=4, decoder_layers=2)
BASE = Size("base", width=768, layers=12, heads=12, decoder_layers=6)


@dataclass(frozen=True)
class Work:
    """Batch shape, duration and device of the measurements.

    Attributes:
        lines: lines per batch.
        columns: width of a line in patches.
        letters: tokens per line.
        seconds: duration of the measurement of a row, in seconds.
        device: device to measure on.
    """

    lines: int
    columns: int
    letters: int
    seconds: float
    device: str

    def batch(self) -> dict[str, torch.Tensor]:
        """Return a batch of noise."""
        patches = ROWS * self.columns
        return {
            "pixel_values": torch.randn(self.lines, patches, PATCH**2, device=self.device),
            "pixel_attention_mask": torch.ones(self.lines, patches, dtype=torch.long, device=self.device),
            "spatial_shapes": torch.tensor([[ROWS, self.columns]] * self.lines, device=self.device),
        }

    def half(self) -> AbstractContextManager[Any]:
        """Return a context manager that computes in bf16."""
        return torch.autocast(self.device.partition(":")[0], torch.bfloat16)


@dataclass(frozen=True)
class Row:
    """Results of one measurement.

    Attributes:
        work: `TRAIN` or `READ`.
        size: name of the reader's size.
        compiled: whether torch.compile was used.
        parameters: number of parameters of the reader.
        lines_per_second: lines per second of wall-clock time.
        tera_operations_per_second: counted operations of a batch divided by its time; None for reading.
        share_of_peak: `tera_operations_per_second` divided by the peak of the GPU's matrix products; None for reading.
        peak_bytes: peak memory allocated on the GPU, in bytes; None on a CPU.
        attention_kernels: names of the attention kernels in the profile.
        error: error message if the measurement failed; None otherwise.
    """

    work: str
    size: str
    compiled: bool
    parameters: int
    lines_per_second: float = 0.0
    tera_operations_per_second: float | None = None
    share_of_peak: float | None = None
    peak_bytes: int | None = None
    attention_kernels: tuple[str, ...] = ()
    error: str | None = None


def synchronise(device: str) -> None:
    """Wait until the GPU has finished its work."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def seconds_of(action: Callable[[], Any], device: str, seconds: float) -> float:
    """Return the mean time of an action in seconds, repeated for `seconds` after a warm-up."""
    for _ in range(WARM_UP):
        action()
    synchronise(device)
    start, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - start < seconds:
        action()
        synchronise(device)
        count += 1
    return (time.perf_counter() - start) / count


def matrix_peak(device: str, side: int, seconds: float) -> float:
    """Return the operations per second of the fastest of several bf16 products of square matrices."""
    best = 0.0
    for n in (side, side // 2):
        a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
        best = max(best, 2 * n**3 / seconds_of(lambda a=a, b=b: a @ b, device, seconds))
    return best


def attention_kernels(action: Callable[[], Any], device: str) -> tuple[str, ...]:
    """Return the names of the attention kernels that an action runs."""
    on_gpu = device.startswith("cuda")
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as profiled:
        action()
        synchronise(device)
    names = {event.key for event in profiled.key_averages()}
    return tuple(sorted(name[:80] for name in names if any(word in name.lower() for word in ATTENTION_WORDS)))


def training(size: Size, work: Work, compiled: bool, peak: float) -> Row:
    """Measure training steps of all weights."""
    model = size.build().to(work.device).train()
    optimizer = make_optimizer(model, 1e-4, 0.01, 0.98)
    labels = torch.randint(3, VOCABULARY, (work.lines, work.letters), device=work.device)
    batch = work.batch() | {"labels": labels}
    loss = lambda run: run(**batch).loss  # noqa: E731
    on_gpu = work.device.startswith("cuda")
    # the counter does not know a CPU's fused attention
    with work.half(), nullcontext() if on_gpu else sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as ops:
        loss(model).backward()
    run = torch.compile(model) if compiled else model

    def step() -> None:
        with work.half():
            value = loss(run)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()

    return measured(Row(TRAIN, size.name, compiled, parameters(model)), step, work, ops.get_total_flops(), peak)


def reading(size: Size, work: Work, compiled: bool, peak: float) -> Row:
    """Measure greedy decoding; every line gets the same number of tokens."""
    model = size.build().to(work.device).eval()
    batch = work.batch()
    if compiled:
        model.encoder.forward = torch.compile(model.encoder.forward)
        model.decoder.forward = torch.compile(model.decoder.forward, dynamic=True)  # its cache grows

    @torch.inference_mode()
    def read() -> None:
        with work.half():
            model.generate(
                **batch, num_beams=1, max_length=None, min_new_tokens=work.letters, max_new_tokens=work.letters
            )

    return measured(Row(READ, size.name, compiled, parameters(model)), read, work, None, peak)


def parameters(model: torch.nn.Module) -> int:
    """Return the number of parameters."""
    return sum(weight.numel() for weight in model.parameters())


def measured(row: Row, action: Callable[[], Any], work: Work, operations: int | None, peak: float) -> Row:
    """Run an action repeatedly, and return the row with the results."""
    on_gpu = work.device.startswith("cuda")
    try:
        action()
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        seconds = seconds_of(action, work.device, work.seconds)
        memory = torch.cuda.max_memory_allocated() if on_gpu else None
        kernels = attention_kernels(action, work.device)
    except Exception as error:  # compilers and GPUs raise errors of many types
        return replace(row, error=f"{type(error).__name__}: {error}".splitlines()[0][:200])
    speed = None if operations is None else operations / seconds
    return replace(
        row, lines_per_second=work.lines / seconds, peak_bytes=memory, attention_kernels=kernels,
        tera_operations_per_second=None if speed is None else speed / 1e12,
        share_of_peak=None if speed is None else speed / peak,
    )  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    head = ["work", "size", "compiled", "parameters", "lines/s", "Top/s", "of the peak", "memory", "attention kernels"]
    return markdown(
        head,
        (
            [row.work, row.size, "yes" if row.compiled else "no", f"{row.parameters / 1e6:.1f} M",
             row.error or f"{row.lines_per_second:.1f}",
             "–" if row.tera_operations_per_second is None else f"{row.tera_operations_per_second:.2f}",
             "–" if row.share_of_peak is None else f"{row.share_of_peak:.0%}",
             "–" if row.peak_bytes is None else f"{row.peak_bytes / 1e9:.1f} GB",
             ", ".join(f"`{name}`" for name in row.attention_kernels)]
            for row in rows
        ),
    )  # fmt: skip


def main() -> None:
    """Measure, print the table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files with the table's two marker comments")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", nargs="+", type=Size.parse, default=[PACKAGED, BASE],
                        metavar="NAME:WIDTH:LAYERS:HEADS:DECODER_LAYERS")  # fmt: skip
    parser.add_argument("--ways", nargs="+", choices=("eager", "compiled"), default=["eager", "compiled"])
    parser.add_argument("--lines", type=int, default=128, help="lines per batch")
    parser.add_argument("--columns", type=int, default=48, help="width of a line in patches")
    parser.add_argument("--letters", type=int, default=48, help="tokens per line")
    parser.add_argument("--matrix", type=int, default=8192, help="side of the largest matrix for the peak")
    parser.add_argument("--seconds", type=float, default=10.0, help="duration of the measurement of a row")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/cuda.json"))
    options = parser.parse_args()
    work = Work(options.lines, options.columns, options.letters, options.seconds, options.device)
    peak = matrix_peak(work.device, options.matrix, work.seconds)
    rows = []
    for size in options.sizes:
        for way in options.ways:
            rows += [task(size, work, way == "compiled", peak) for task in (training, reading)]
            print(table(rows[-2:]), flush=True)
    card = torch.cuda.get_device_name() if work.device.startswith("cuda") else "CPU"
    found = {"device": card, "matrix_peak": peak, "work": asdict(work), "rows": [asdict(row) for row in rows]}
    write_results(found, options.json, table(rows), options.pages, "cuda", __file__)
