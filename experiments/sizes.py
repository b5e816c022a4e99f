"""How large the trainings of a comparison are: reduced to two CPU cores, or full; and how they are shared out and kept.

What is unusual: the reduced size reads rows of handwritten digits, or printed ones, which a small reader learns in a
minute or two, the full one lines of books and hands. Both run the same code.
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
from experiments.small_reader import Design, Lesson

Rows = list[dict[str, Any]]
Job = Callable[[], dict[str, Any]]
DIGITS, PRINTED = "digits", "printed numbers"
TURNED = (90.0, 180.0, 270.0)
TEST_SEED = 1_000  # of the lines that readers are judged by: the same for all


@dataclass(frozen=True)
class Size:
    """Dials of a comparison.

    Attributes:
        name: "reduced" or "full".
        sets: where lines come from: `DIGITS`, `PRINTED`, or imagefolders.
        counts: numbers of training lines.
        widths: of encoders, where their size is what varies.
        height: of a line, pixels.
        test_lines: at most so many of a test split.
        design: of the readers.
        steps: of a GSA-Net's lesson.
        lines_a_step: lines in a batch.
        learning_rate: the same for all, and tuned for none.
        device: where it is to run.
    """

    name: str
    sets: tuple[str, ...]
    counts: tuple[int, ...]
    widths: tuple[int, ...]
    height: int
    test_lines: int
    design: Design
    steps: int
    lines_a_step: int
    learning_rate: float
    device: str

    def lines(self, data: Path, name: str, split: str, count: int, seed: int) -> Sequence[Line]:
        """Draw lines of a set."""
        if name == DIGITS:
            return digit_lines(data / "mnist", split, count, self.height, self.design.patch_size, seed)
        if name == PRINTED:
            return printed_lines(split, count, self.height, self.design.patch_size, seed)
        return folder_lines(data / name, split, count, self.height, self.design.patch_size, seed)

    def test(self, data: Path, name: str) -> Sequence[Line]:
        """Return the lines to be judged by."""
        return self.lines(data, name, "test", self.test_lines, TEST_SEED)

    def lesson(self, seed: int) -> Lesson:
        """Return how a GSA-Net learns; a ViT's lesson changes its turns and steps."""
        return Lesson(
            self.steps,
            seed=seed,
            lines_a_step=self.lines_a_step,
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
class Told:
    """What a script was told on its command line."""

    folder: Path
    data: Path
    size: Size
    seeds: int
    share: tuple[int, int]

    def kept(self, name: str, job: Job) -> dict[str, Any]:
        """Return what a job found: from before, if it is kept."""
        return once(self.folder / self.size.name / f"{name}.json", job)

    def costs(self, measure: Callable[["Told", str], dict[str, float]]) -> dict[str, dict[str, float]]:
        """Return what a step costs each reader, by set: measured, or from before."""
        return {name: self.kept(f"cost-{name}", partial(measure, self, name)) for name in self.size.sets}

    def jobs(self, run: Callable[..., Any], kinds: Iterable[str], cost: dict[str, dict[str, float]]) -> dict[str, Job]:
        """Return a training for each seed, set and kind of reader: run(told, set, kind, seed, cost of its set)."""
        return {
            f"{name}-{kind}-{seed}": partial(run, self, name, kind, seed, cost[name])
            for seed, name, kind in product(range(self.seeds), self.size.sets, kinds)
        }

    def compare(
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
        """Run this share of the jobs, in order; if it is the whole, publish what they say.

        Args:
            script: its `__file__`.
            jobs: by the names that their rows are kept under.
            verdict: says what the rows support.
            table: makes Markdown of them.
            draw: makes a figure of them.
            caption: of the figure.
            pages: others than that of the evidence that get verdict and table.
            beside: what else stands beside the rows.
        """
        part, parts = self.share
        rows = [self.kept(name, job) for name, job in list(jobs.items())[part - 1 :: parts]]
        if parts == 1:
            results = self.conditions | (beside or {}) | {"rows": rows}
            text = f"{verdict(rows, self.size)}\n\n{self.remark}"
            publish(script, results, text, table(rows, self.size), draw(rows, self.size), caption, pages)

    @property
    def remark(self) -> str:
        """What is to be known of the figures beside them."""
        if self.size.name == "full":
            return f"This is the full size, {self.seeds} seeds."
        lines = "rows of handwritten digits" + (", printed numbers" if PRINTED in self.size.sets else "")
        return (
            f"This is the reduced size: {lines}, small readers, lessons of {self.size.steps} steps "
            f"for the GSA-Net, {self.seeds} seeds. The full size has not been run."
        )

    @property
    def conditions(self) -> dict[str, Any]:
        """What stands beside the numbers."""
        return {"size": self.size.name, "sets": self.size.sets, "seeds": self.seeds, "test_lines": self.size.test_lines}


def read_command_line(documentation: str | None, more_sets: dict[str, tuple[str, ...]] | None = None) -> Told:
    """Read a script's command line; `more_sets` are what a comparison reads beyond a size's own sets, by its name."""
    parser = argparse.ArgumentParser(description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for the trainings: those that are done are not done again")
    parser.add_argument("data", type=Path, help="folder of mnist/ and of the line sets")
    parser.add_argument("--size", choices=SIZES, default="reduced")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", metavar="1/2", default="1/1", help="run the first of two shares, publish nothing")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.share.split("/"))
    size = SIZES[arguments.size]
    if size.device == "cpu":
        torch.set_num_threads(1)
    size = replace(size, sets=size.sets + (more_sets or {}).get(size.name, ()))
    return Told(arguments.folder, arguments.data, size, arguments.seeds, (part, parts))
