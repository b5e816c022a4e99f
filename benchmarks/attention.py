"""Compare group attention with plain attention and with the literal sums, and the encoder with a ViT.

    python -m benchmarks attention docs/speed.md
    python -m benchmarks attention --parts layer encoder

kernel    the attention of a line, by the kernel that "sdpa" chooses by size, and by each of the two it chooses from.
layer     GroupSelfAttention (C4, `pose_sum` none) and plain attention with q, k, v and o projections over the same
          |H|·N tokens; both with PyTorch's fused kernel (sdpa), and both with two products and a softmax (eager).
literal   GroupSelfAttention and literal_attention.py: the same sum, and `none` against the published double sum.
memory    peak memory of one layer's forward pass over squares of patches.
encoder   GSANetModel as packaged and transformers' ViTModel with the same width, layers, heads and MLP, both with sdpa.

Times are medians of interleaved repeats. On a CPU they are processor time of one thread, so that other load on the
machine hardly matters. Memory is the peak of a separate process (Linux's VmHWM) beyond its weights and inputs; on a
GPU, the peak that PyTorch allocated. Operations are the multiplications of the matrix products. They are counted for
contests with a backward pass, and as the equations need them: PyTorch's CPU kernel multiplies more, because its values
must be as wide as its keys. The rows are written to benchmarks/results/attention.json.
"""

import argparse
import ctypes
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.attention_contests import PARTS, TRAINING, Contest, group_layer
from benchmarks.literal_attention import LiteralGroupAttention
from benchmarks.marked_tables import markdown, write_between_markers
from benchmarks.memory import forget_peak, resident
from trocr_gsa.data.numbers import to_json
from trocr_gsa.model.encoding import grid_positions


@dataclass(frozen=True)
class Row:
    """Results of one contest, each a pair (ours, the peer's); None where nothing was measured.

    Attributes:
        measured: name of our side.
        peer: name of the peer.
        size: patches, hidden size and batch size, in words.
        passes: `FORWARD` or `TRAINING`.
        seconds: time of one run, in seconds.
        peak_bytes: peak memory of one run, in bytes.
        operations: multiplications of the matrix products.
        target: target for the ratio of the times.
    """

    measured: str
    peer: str
    size: str
    passes: str
    seconds: tuple[float, float] | None
    peak_bytes: tuple[int, int | None]
    operations: tuple[int, int] | None
    target: str

    @property
    def name(self) -> str:
        """Name of the row in history.json."""
        against = f", against {self.peer}" if self.measured == "kernel by size" else ""  # it has two peers
        return f"{self.measured}, {self.size}, {self.passes}{against}"


def check_literals() -> float:
    """Return the largest relative difference to the literal sums in float64, at 5×7 patches.

    Raises:
        ValueError: if it is above 1e-10.
    """
    worst, positions = 0.0, grid_positions(5, 7).double()
    for pose_sum in ("none", "query", "encoding"):
        layer, features = group_layer(192, 4, pose_sum=pose_sum).double(), torch.randn(1, 4, 35, 192).double()
        with torch.inference_mode():
            expected = LiteralGroupAttention(layer, positions)(features)
            worst = max(worst, float((layer(features, positions) - expected).abs().max() / expected.abs().max()))
    if worst > 1e-10:
        raise ValueError(f"`difference` to the literal sums must stay below 1e-10 in float64, got {worst:.1e}.")
    return worst


def peak_bytes(contest: Contest, which: int, device: str) -> int:
    """Return the peak memory of action 0 or 1 of a contest in bytes, beyond its weights and inputs."""
    if device != "cpu":
        action = contest.build(contest.kernel)[which]
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        action()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def child() -> None:
        action = contest.build(contest.kernel)[which]
        ctypes.CDLL(None).malloc_trim(0)  # otherwise memory freed earlier is reused, and not measured
        forget_peak()
        before = resident("VmRSS")
        action()
        sender.send(resident("VmHWM") - before)

    process = context.Process(target=child)
    process.start()
    sender.close()
    measured = receiver.recv()
    process.join()
    return measured


def seconds(action: Callable[[], object], device: str) -> float:
    """Return the seconds that an action takes: processor time on a CPU, wall-clock time on a GPU."""
    if device == "cpu":
        start = time.process_time()
        action()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    action()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def count(action: Callable[[], object]) -> int:
    """Return the number of multiplications in an action's matrix products."""
    with FlopCounterMode(display=False) as counter:
        action()
    return counter.get_total_flops() // 2


def peaks_of(contest: Contest, device: str) -> tuple[int, int | None]:
    """Return the peak memory of both actions in bytes; None for a peer that does not fit into memory."""
    return peak_bytes(contest, 0, device), peak_bytes(contest, 1, device) if contest.peer_fits else None


def measure(contest: Contest, peaks: tuple[int, int | None], repeats: int, device: str) -> Row:
    """Run a contest, and return its row; `peaks` have been measured before."""
    times = operations = None
    if contest.timed:
        actions = contest.build(contest.kernel)
        for action in actions:
            action()
        rounds = [[seconds(action, device) for action in actions] for _ in range(repeats)]
        ours, peers = (statistics.median(part) for part in zip(*rounds, strict=True))
        times = (ours, peers)
    if contest.passes == TRAINING:  # PyTorch's counter needs gradients
        ours, peers = (count(action) for action in contest.build("eager"))
        operations = (ours, peers)
    return Row(
        contest.measured, contest.peer, contest.size, contest.passes, times, peaks,
        operations, contest.target,
    )  # fmt: skip


def ratio(pair: tuple[float, float | None] | None) -> str:
    """Return the ratio of a pair as text."""
    return f"{pair[0] / pair[1]:.2f}" if pair and pair[1] else "–"


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown: ratios to the peer, and the peak memory of one run."""
    head = ["measured", "against", "size", "passes", "time", "target", "peak memory", "MB", "operations"]
    return markdown(
        head,
        (
            [row.measured, row.peer, row.size, row.passes, ratio(row.seconds), row.target or "–", ratio(row.peak_bytes),
             f"{row.peak_bytes[0] / 1e6:.1f}", ratio(row.operations)]
            for row in rows
        ),
    )  # fmt: skip


def main() -> None:
    """Measure, print the table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files with the table's two marker comments")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/attention.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = json.loads(options.json.read_text(encoding="utf-8")) if options.json.exists() else {"rows": []}
    difference = check_literals()
    contests = [contest for part in options.parts for contest in PARTS[part](options.device)]
    peaks = [peaks_of(contest, options.device) for contest in contests]  # first, while this process is small
    rows = [measure(*pair, options.repeats, options.device) for pair in zip(contests, peaks, strict=True)]
    print(table(rows))
    named = [{"name": row.name, **asdict(row)} for row in rows]
    measured = {
        "device": options.device, "threads": 1, "torch": torch.__version__, "repeats": options.repeats,
        "difference_to_literal": difference,
        "rows": [row for row in found["rows"] if row["name"] not in {new["name"] for new in named}] + named,
    }  # fmt: skip
    options.json.write_text(to_json(measured, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    every = [Row(**{key: value for key, value in row.items() if key != "name"}) for row in measured["rows"]]
    for page in options.pages:
        write_between_markers(page, "attention", __file__, table(every))
