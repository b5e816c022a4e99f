"""Sizes of a comparison, reduced (for two CPU cores) or full, and the running, sharing and storing of its trainings.

The reduced size reads rows of handwritten or printed digits, which a small reader learns in a minute or two. The full
size reads lines of books and handwriting. Both run the same code.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from experiments.line_sets import Line, digit_lines, folder_lines
from experiments.printed_numbers import printed_lines
from experiments.record import once, publish
from experiments.small_reader import Design, TrainingSettings

Rows = list[dict[str, Any]]
Job = Callable[[], dict[str, Any]]
DIGITS, PRINTED = "digits", "printed numbers"
TURNED = (90.0, 180.0, 270.0)
TEST_SEED = 1_000  # seed of the test lines, the same for all readers


@dataclass(frozen=True)
class Size:
    """Settings of a comparison.

    Attributes:
        name: "reduced" or "full".
        sets: sets of lines: `DIGITS`, `PRINTED`, or names of imagefolders.
        counts: numbers of training lines.
        widths: hidden sizes of the encoders, if the size is varied.
        height: height of a line in pixels.
        test_lines: maximum number of test lines.
        design: design of the readers.
        steps: training steps of a GSA-Net.
        lines_per_step: lines per batch.
        learning_rate: highest learning rate; the same for all readers, and tuned for none.
        device: device to run on.
    """

    name: str
    sets: tuple[str, ...]
    counts: tuple[int, ...]
    widths: tuple[int, ...]
    height: int
    test_lines: int
    design: Design
    steps: int
    lines_per_step: int
    learning_rate: float
    device: str

    def lines(self, data: Path, name: str, split: str, count: int, seed: int) -> Sequence[Line]:
        """Return random lines of a set."""
        if name == DIGITS:
            return digit_lines(data / "mnist", split, count, self.height, self.design.patch_size, seed)
        if name == PRINTED:
            return printed_lines(split, count, self.height, self.design.patch_size, seed)
        return folder_lines(data / name, split, count, self.height, self.design.patch_size, seed)

    def test(self, data: Path, name: str) -> Sequence[Line]:
        """Return the test lines of a set."""
        return self.lines(data, name, "test", self.test_lines, TEST_SEED)

    def settings(self, seed: int) -> TrainingSettings:
        """Return the training settings of a GSA-Net; a ViT has other turns and steps."""
        return TrainingSettings(
            self.steps,
            seed=seed,
            lines_per_step=self.lines_per_step,
            learning_rate=self.learning_rate,
            device=self.device,
        )


SIZES = {
    "reduced": Size(
        "reduced", (DIGITS,), (100, 300, 1000), (16, 32, 64), 24, 300, Design(), 400, 32, 3e-3, "cpu"
    ),
    "full": Size(
        "full", ("fraktur-19", "peraire"), (100, 300, 1000, 2000), (64, 128, 192, 256), 48, 1000,
        Design(hidden_size=192, layers=6, patch_size=16), 6000, 48, 1.5e-3, "cuda",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """A comparison with its command-line options: runs its trainings, and publishes the results."""

    folder: Path
    data: Path
    size: Size
    seeds: int
    share: tuple[int, int]

    def stored(self, name: str, job: Job) -> dict[str, Any]:
        """Return the result of a job; it is stored, and read from its file the next time."""
        return once(self.folder / self.size.name / f"{name}.json", job)

    def costs(self, measure: Callable[["Comparison", str], dict[str, float]]) -> dict[str, dict[str, float]]:
        """Return the time of a training step of each reader by set, measured once."""
        return {name: self.stored(f"cost-{name}", partial(measure, self, name)) for name in self.size.sets}

    def jobs(self, run: Callable[..., Any], kinds: Iterable[str], cost: dict[str, dict[str, float]]) -> dict[str, Job]:
        """Return one training per seed, set and kind of reader: run(comparison, set, kind, seed, cost of its set)."""
        return {
            f"{name}-{kind}-{seed}": partial(run, self, name, kind, seed, cost[name])
            for seed, name, kind in product(range(self.seeds), self.size.sets, kinds)
        }

    def run_and_publish(
        self,
        script: str,
        jobs: dict[str, Job],
        verdict: Callable[[Rows, Size], str],
        table: Callable[[Rows, Size], str],
        draw: Callable[[Rows, Size], Figure],
        caption: str,
        pages: Sequence[Path] = (),
        beside: dict[str, Any] | None = None,
    ) -> None:
        """Run this share of the jobs in order; if the share is the whole, publish the results.

        Args:
            script: `__file__` of the script.
            jobs: jobs by the name under which their result is stored.
            verdict: function from rows to the verdict.
            table: function from rows to a Markdown table.
            draw: function from rows to a figure.
            caption: alternative text of the figure.
            pages: other Markdown files than docs/evidence.md for verdict and table.
            beside: further entries of the results file.
        """
        part, parts = self.share
        rows = [self.stored(name, job) for name, job in list(jobs.items())[part - 1 :: parts]]
        if parts == 1:
            results = self.conditions | (beside or {}) | {"rows": rows}
            text = f"{verdict(rows, self.size)}\n\n{self.remark}"
            publish(script, results, text, table(rows, self.size), draw(rows, self.size), caption, pages)

    @property
    def remark(self) -> str:
        """Remark on the size of the comparison."""
        if self.size.name == "full":
            return f"This is the full size, {self.seeds} seeds."
        lines = "rows of handwritten digits" + (", printed numbers" if PRINTED in self.size.sets else "")
        return (
            f"This is the reduced size: {lines}, small readers, trainings of {self.size.steps} steps "
            f"for the GSA-Net, {self.seeds} seeds. The full size has not been run."
        )

    @property
    def conditions(self) -> dict[str, Any]:
        """Conditions of the measurement, for the results file."""
        return {"size": self.size.name, "sets": self.size.sets, "seeds": self.seeds, "test_lines": self.size.test_lines}


def read_command_line(documentation: str | None, more_sets: dict[str, tuple[str, ...]] | None = None) -> Comparison:
    """Parse the command line of a script; `more_sets` are further sets of the comparison, by the name of the size."""
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for the trainings; finished trainings in it are reused")
    parser.add_argument("data", type=Path, help="folder with mnist/ and the line sets")
    parser.add_argument("--size", choices=SIZES, default="reduced")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--share", metavar="1/2", default="1/1", help="run only this share of the trainings; do not publish"
    )
    arguments = parser.parse_args()
    part, parts = map(int, arguments.share.split("/"))
    size = SIZES[arguments.size]
    if size.device == "cpu":
        torch.set_num_threads(1)
    size = replace(size, sets=size.sets + (more_sets or {}).get(size.name, ()))
    return Comparison(arguments.folder, arguments.data, size, arguments.seeds, (part, parts))
