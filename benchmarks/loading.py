"""Does training wait for its lines? The share of a step that passes before the next batch is there.

    python -m benchmarks loading fraktur-19/ docs/speed.md

The training loop itself takes steps, with nothing but its iterator timed: on lines as `trocr-gsa compile` packs them,
and on the same lines as JPEGs of the height that a scan has them in. Ways take turns within each of the rounds, so that
what else the machine does falls on all of them. The first steps of a run, in which workers start, do not count. The
rows go to benchmarks/results/loading.json, and as a table to where a Markdown file holds its two comments.
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

from benchmarks.marked_tables import markdown, write_between_markers
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
    """How long training waits for one kind of lines.

    Attributes:
        lines: compiled, or JPEGs.
        workers: processes that prepare batches; 0: the training prepares them itself.
        waiting: share of the clock that passes before a batch is there; the median of the rounds.
        step: seconds of the clock for a step, waiting included; the median of all steps.
        processor: seconds of the training's own processor time for a step, preparing included if it does that itself.
        preparing: of these, seconds within the iterator.
    """

    lines: str
    workers: int
    waiting: float
    step: float
    processor: float
    preparing: float


class Clocked:
    """Batches, and what the two clocks say before and after each: the wall's and the processor's."""

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
        """Return of every counted step (waiting, whole) by the wall and (preparing, whole) by the processor."""
        found = []
        for (wall, own), (wall_ready, own_ready), (wall_next, own_next) in zip(
            self.before, self.after, self.before[1:], strict=False
        ):
            found.append((wall_ready - wall, wall_next - wall, own_ready - own, own_next - own))
        return found[UNCOUNTED:]


def write_jpegs(source: str, split: str, count: int, height: int, folder: Path) -> None:
    """Write lines as an imagefolder of JPEGs, their short side `height` pixels, as a scan has them."""
    folder.mkdir()
    lines, rows = open_source(source, split), []
    for place in range(min(count, len(lines))):
        image, name = lines[place].image.convert("RGB"), f"{place:05}.jpg"
        scale = height / min(image.size)
        size = round(image.width * scale), round(image.height * scale)
        image.resize(size, Image.Resampling.BICUBIC).save(folder / name, quality=90)
        rows.append(to_json({"file_name": name, "text": lines[place].text}))
    (folder / "metadata.jsonl").write_text("\n".join(rows), encoding="utf-8")


def take_steps(train: Path, workers: int, options: argparse.Namespace, output: Path) -> Clocked:
    """Train some steps, without validation."""
    config = read_config(options.config) | {"train": str(train), "output": str(output), "num_workers": workers}
    wanted = {"max_steps": UNCOUNTED + options.steps + 1, "max_minutes": None, "device": options.device}
    arguments = TrainingArguments.from_dict(config | wanted | {"model": options.model, "patience": None})
    accelerator = make_accelerator(arguments)
    try:
        model, reader, processor = build(arguments)
        folder = RunFolder(arguments)
        folder.open(arguments)
        loop = TrainingLoop(arguments, accelerator, model, reader, processor, None, folder)
        batches = Clocked(training_batches(arguments, processor, reader, accelerator, 0))
        loop.run(batches)
        return batches
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)


def measure(sources: dict[str, Path], options: argparse.Namespace, place: Path) -> list[Row]:
    """Train with every kind of lines and every number of workers, in turn."""
    ways = [(name, workers) for name in sources for workers in options.workers]
    rounds: dict[tuple[str, int], list[Clocked]] = {way: [] for way in ways}
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
    """Prepare the lines, train, print a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="lines with texts")
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files that hold the table's two comments")
    parser.add_argument("--split", default="train")
    parser.add_argument("--lines", type=int, default=300)
    parser.add_argument("--height", type=int, default=150, help="pixels of a line in the JPEGs")
    parser.add_argument("--config", default="lora_packaged")
    parser.add_argument("--model", default=None, help="a checkpoint; by default the packaged one")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=12, help="that count, of each run")
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
    print(table(rows))
    measured = {
        "config": options.config, "device": options.device, "steps": options.steps, "rounds": options.rounds,
        "cores": os.cpu_count(), "threads": torch.get_num_threads(), "rows": [asdict(row) for row in rows],
    }  # fmt: skip
    options.json.write_text(to_json(measured, indent=2) + "\n", encoding="utf-8")
    for page in options.pages:
        write_between_markers(page, "loading", __file__, table(rows))
