"""Measure how long training waits for its lines: the share of a step's time spent on waiting for the next batch.

    python -m benchmarks loading fraktur-19/ docs/speed.md

The training loop itself runs, and only its batch iterator is timed. It trains on lines that `trocr-gsa compile` has
packed, and on the same lines as JPEGs of the height that they have in a scan. The variants take turns within each
round, so that other load on the machine affects all of them. The first steps of a run, in which workers start, do not
count. The rows are written to benchmarks/results/loading.json, and the table to the marked place in Markdown files.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState
from PIL import Image

from benchmarks.marked_tables import markdown, write_results
from trocr_gsa.cli.messages import silence_libraries
from trocr_gsa.data.compile import compile_lines
from trocr_gsa.data.numbers import to_json
from trocr_gsa.data.sources import open_source
from trocr_gsa.train.arguments import TrainingArguments, read_config
from trocr_gsa.train.build import build
from trocr_gsa.train.finetune import make_accelerator
from trocr_gsa.train.loop import TrainingLoop
from trocr_gsa.train.run_folder import RunFolder
from trocr_gsa.train.training_data import training_batches

UNCOUNTED = 2  # steps at the start of a run


@dataclass(frozen=True)
class Row:
    """Results for one format of the lines and one number of workers.

    Attributes:
        lines: format of the lines: compiled, or JPEGs.
        workers: number of processes that prepare batches; 0: the training process prepares them.
        waiting: share of the wall-clock time spent on waiting for batches; median over the rounds.
        step: wall-clock time per step in seconds, with waiting; median over all steps.
        processor: processor time per step of the training process in seconds, with preparation if `workers` is 0.
        preparing: part of `processor` spent in the batch iterator, in seconds.
    """

    lines: str
    workers: int
    waiting: float
    step: float
    processor: float
    preparing: float


class TimedBatches:
    """An iterator of batches that records wall-clock and processor time before and after each batch."""

    def __init__(self, batches: Iterator[dict[str, Any]]) -> None:
        self.batches, self.before, self.after = batches, [], []

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Return itself."""
        return self

    def __next__(self) -> dict[str, Any]:
        """Return the next batch."""
        self.before.append((time.perf_counter(), time.process_time()))
        batch = next(self.batches)
        self.after.append((time.perf_counter(), time.process_time()))
        return batch

    def steps(self) -> list[tuple[float, float, float, float]]:
        """Return (waiting, step, preparing, processor) of every counted step, as in `Row`, in seconds."""
        found = []
        for (wall, own), (wall_ready, own_ready), (wall_next, own_next) in zip(
            self.before, self.after, self.before[1:], strict=False
        ):
            found.append((wall_ready - wall, wall_next - wall, own_ready - own, own_next - own))
        return found[UNCOUNTED:]


def write_jpegs(source: str, split: str, count: int, height: int, folder: Path) -> None:
    """Write lines as an imagefolder of JPEGs whose short side has `height` pixels."""
    folder.mkdir()
    lines, rows = open_source(source, split), []
    for place in range(min(count, len(lines))):
        image, name = lines[place].image.convert("RGB"), f"{place:05}.jpg"
        scale = height / min(image.size)
        size = round(image.width * scale), round(image.height * scale)
        image.resize(size, Image.Resampling.BICUBIC).save(folder / name, quality=90)
        rows.append(to_json({"file_name": name, "text": lines[place].text}))
    (folder / "metadata.jsonl").write_text("\n".join(rows), encoding="utf-8")


def take_steps(train: Path, workers: int, options: argparse.Namespace, output: Path) -> TimedBatches:
    """Run some training steps without validation, and return their times."""
    config = read_config(options.config) | {"train": str(train), "output": str(output), "num_workers": workers}
    wanted = {"max_steps": UNCOUNTED + options.steps + 1, "max_minutes": None, "device": options.device}
    arguments = TrainingArguments.from_dict(config | wanted | {"model": options.model, "patience": None})
    accelerator = make_accelerator(arguments)
    try:
        model, reader, processor = build(arguments)
        folder = RunFolder(arguments)
        folder.open(arguments)
        loop = TrainingLoop(arguments, accelerator, model, reader, processor, None, folder)
        batches = TimedBatches(training_batches(arguments, processor, reader, accelerator, 0))
        loop.run(batches)
        return batches
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)


def measure(sources: dict[str, Path], options: argparse.Namespace, place: Path) -> list[Row]:
    """Train with every format of the lines and every number of workers in turn, and return their rows."""
    ways = [(name, workers) for name in sources for workers in options.workers]
    rounds: dict[tuple[str, int], list[TimedBatches]] = {way: [] for way in ways}
    for number in range(options.rounds):
        for name, workers in ways:
            output = place / f"run-{number}-{name}-{workers}"
            rounds[name, workers].append(take_steps(sources[name], workers, options, output))
    rows = []
    for (name, workers), done in rounds.items():
        shares = [sum(step[0] for step in run.steps()) / sum(step[1] for step in run.steps()) for run in done]
        steps = [step for run in done for step in run.steps()]
        medians = [statistics.median(step[column] for step in steps) for column in (1, 3, 2)]
        rows.append(Row(name, workers, statistics.median(shares), *medians))
    return rows


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown."""
    head = ["lines", "workers", "waiting", "s/step", "processor s/step", "of these preparing"]
    return markdown(
        head,
        [
            [
                row.lines,
                row.workers,
                f"{row.waiting:.1%}",
                f"{row.step:.2f}",
                f"{row.processor:.2f}",
                f"{row.preparing:.3f}",
            ]
            for row in rows
        ],
    )


def main() -> None:
    """Prepare the lines, train, print the table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="source of labelled lines")
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files with the table's two marker comments")
    parser.add_argument("--split", default="train")
    parser.add_argument("--lines", type=int, default=300)
    parser.add_argument("--height", type=int, default=150, help="height of a line in the JPEGs, in pixels")
    parser.add_argument("--config", default="lora_packaged")
    parser.add_argument("--model", default=None, help="checkpoint; by default the packaged one")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=12, help="counted steps per run")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/loading.json"))
    options = parser.parse_args()
    silence_libraries()
    with tempfile.TemporaryDirectory() as place:
        jpegs, compiled = Path(place) / "jpegs", Path(place) / "compiled.parquet"
        write_jpegs(options.source, options.split, options.lines, options.height, jpegs)
        compile_lines(open_source(str(jpegs), "train"), compiled)
        sources = {"compiled": compiled, f"JPEGs, {options.height} px high": jpegs}
        rows = measure(sources, options, Path(place))
    measured = {
        "config": options.config, "device": options.device, "steps": options.steps, "rounds": options.rounds,
        "cores": os.cpu_count(), "threads": torch.get_num_threads(), "rows": [asdict(row) for row in rows],
    }  # fmt: skip
    write_results(measured, options.json, table(rows), options.pages, "loading", __file__)
