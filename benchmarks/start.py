"""Measure how long it takes from the call of the command to its end, beside what importing transformers takes.

    OMP_NUM_THREADS=1 python -m benchmarks start docs/speed.md

Each row is a process of its own, from its start to its end; processes take turns within each round, so that what else
the machine does falls on all of them, and the median round counts. One round before them warms the disk's cache. Any
reader in PyTorch and transformers pays for the import of a model's class, `VisionEncoderDecoderModel` as for the stock
TrOCR; `import transformers` by itself imports neither torch nor a model. The rows go to benchmarks/results/start.json.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.marked_tables import markdown, write_between_markers
from trocr_gsa.data.numbers import to_json

LINE = Path(__file__).parents[1] / "docs" / "line.png"
COMMAND = "from trocr_gsa.cli.app import app; app()"
ALONE, CLASS = "import transformers", "from transformers import VisionEncoderDecoderModel"
PROCESSES = {
    ALONE: [ALONE],
    "import torch": ["import torch"],
    CLASS: [CLASS],
    "trocr-gsa --help": [COMMAND, "--help"],
    "trocr-gsa read line.png": [COMMAND, "read", str(LINE)],
}


@dataclass(frozen=True)
class Row:
    """What one process takes.

    Attributes:
        process: what it does.
        clock_seconds: from its start to its end.
        processor_seconds: of all its threads together.
        to_alone: its processor seconds to those of `import transformers`.
        to_class: the same to those of importing a model's class.
    """

    process: str
    clock_seconds: float
    processor_seconds: float
    to_alone: float
    to_class: float


def run(words: Sequence[str]) -> tuple[float, float]:
    """Run Python with some words and return the seconds of clock and processor.

    Raises:
        RuntimeError: if it fails.
    """
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    clock = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"python -c {' '.join(words)} ended with {process.returncode}.")
    return clock, used.ru_utime + used.ru_stime


def measure(rounds: int) -> list[Row]:
    """Run all processes in turn, round after round."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in PROCESSES}
    for number in range(rounds + 1):
        for name, words in PROCESSES.items():
            took = run(words)
            if number:
                times[name].append(took)
    clocks = {name: statistics.median(clock for clock, _ in each) for name, each in times.items()}
    used = {name: statistics.median(processor for _, processor in each) for name, each in times.items()}
    return [Row(name, clocks[name], used[name], used[name] / used[ALONE], used[name] / used[CLASS]) for name in times]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    head = ["process", "clock, s", "processor, s", "to `import transformers`", "to importing the class"]
    return markdown(
        head,
        (
            [row.process, f"{row.clock_seconds:.2f}", f"{row.processor_seconds:.2f}", f"× {row.to_alone:.2f}",
             f"× {row.to_class:.2f}"]
            for row in rows
        ),
    )  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files that hold the table's two comments")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/start.json"))
    options = parser.parse_args()
    rows = measure(options.rounds)
    print(table(rows))
    found = {"rounds": options.rounds, "threads": os.environ.get("OMP_NUM_THREADS"), "rows": [asdict(r) for r in rows]}
    options.json.write_text(to_json(found, indent=1) + "\n", encoding="utf-8")
    for page in options.pages:
        write_between_markers(page, "start", __file__, table(rows))
