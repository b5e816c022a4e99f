"""Measure the run time of short commands from start to exit, compared with importing transformers.

    OMP_NUM_THREADS=1 python -m benchmarks start docs/speed.md

Each row is a separate process, measured from its start to its exit. Processes take turns within each round, so that
other load on the machine affects all of them; results are the medians over the rounds. One round before them fills the
disk cache. Every reader with PyTorch and transformers pays for importing the class of a model, as the stock TrOCR does
for `VisionEncoderDecoderModel`; `import transformers` alone imports neither torch nor a model. The rows are written to
benchmarks/results/start.json.
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

from benchmarks.marked_tables import markdown, write_results

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
    """Results of one process.

    Attributes:
        process: what the process does.
        clock_seconds: wall-clock time from its start to its exit.
        processor_seconds: processor time of all its threads together.
        to_alone: `processor_seconds` divided by those of `import transformers`.
        to_class: `processor_seconds` divided by those of importing the class of a model.
    """

    process: str
    clock_seconds: float
    processor_seconds: float
    to_alone: float
    to_class: float


def run(words: Sequence[str]) -> tuple[float, float]:
    """Run `python -c` with some arguments, and return its wall-clock and processor time in seconds.

    Raises:
        RuntimeError: if the process fails.
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
    """Run all processes in turn, in every round, and return their rows."""
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
    """Measure, print the table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files with the table's two marker comments")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/start.json"))
    options = parser.parse_args()
    rows = measure(options.rounds)
    found = {"rounds": options.rounds, "threads": os.environ.get("OMP_NUM_THREADS"), "rows": [asdict(r) for r in rows]}
    write_results(found, options.json, table(rows), options.pages, "start", __file__)
