"""Write the learning curve of a reader from the logs of its runs: error rates by kind of lines and hours of training.

    python -m experiments learning_curve runs/reader_hands_* --page trocr_gsa/checkpoint/README.md
    python -m experiments learning_curve runs/reader_hands_7 --after earlier.json --page trocr_gsa/checkpoint/README.md

Give the runs in their order. Each run started from the weights of the previous one, so hours and steps add up. With
`--after`, they follow the runs of an earlier result, whose logs are not needed. The error rates are those on the
validation lines of the runs; the rate of a kind is the mean over its sets. The results are also written to
experiments/results/learning_curve.json.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.marked_tables import markdown, write_results

KINDS = {
    "German print, 19th c.": ("fraktur-19",),
    "other print": ("argus", "fondue-en-20", "gallicorpora-gothic-16", "kovalewsky", "vd-sbb"),
    "typescript": ("ehri", "tapus"),
    "writers of today": ("copiste",),
    "French hands": ("cremma-mss-17", "cremma-mss-18", "htromance-modern-fr", "peraire", "timeus"),
    "a German hand": ("fondue-de-mss-18",),
    "an English hand": ("stanford-memorials",),
    "medieval hands": ("deeds", "fondue-la-mss-ma", "htromance-medieval-la"),
}
PREFIX = "cer/"  # prefix of the keys with the error rate of one set


@dataclass(frozen=True)
class Point:
    """Error rates at one time of the training.

    Attributes:
        hours: hours of training of all runs so far.
        steps: training steps of all runs so far.
        rates: character error rate by set.
    """

    hours: float
    steps: int
    rates: dict[str, float]

    def of_kind(self, kind: str) -> float | None:
        """Return the mean error rate of the sets of a kind; None if none was measured."""
        rates = [self.rates[name] for name in KINDS[kind] if name in self.rates]
        return statistics.mean(rates) if rates else None


@dataclass(frozen=True)
class Curve:
    """The evaluations of consecutive runs.

    Attributes:
        points: in their order.
        hours: hours of training of all runs, which may end after the last evaluation.
        steps: training steps of all runs.
    """

    points: list[Point]
    hours: float = 0.0
    steps: int = 0

    @classmethod
    def read(cls, path: Path) -> "Curve":
        """Return an earlier result."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls([Point(**point) for point in found["points"]], found["hours"], found["steps"])


def read_runs(folders: Sequence[Path], earlier: Curve | None = None) -> Curve:
    """Return the evaluations of consecutive runs, after those of earlier ones.

    Raises:
        ValueError: if the runs have none.
    """
    earlier = earlier or Curve([])
    points, minutes, steps = list[Point](), 60 * earlier.hours, earlier.steps
    for folder in folders:
        rows = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        for row in rows:
            rates = {Path(key[len(PREFIX) :]).stem: rate for key, rate in row.items() if key.startswith(PREFIX)}
            if rates:
                points.append(Point((minutes + row["minutes"]) / 60, steps + row["step"], rates))
        minutes, steps = minutes + max(row["minutes"] for row in rows), steps + max(row["step"] for row in rows)
    if not points:
        raise ValueError(
            "`runs`: their logs contain no error rate of a set. Give runs with several sets for validation."
        )
    return Curve([*earlier.points, *points], minutes / 60, steps)


def table(points: Sequence[Point]) -> str:
    """Return the points as Markdown."""
    return markdown(
        ["hours", "steps", *KINDS],
        (
            [f"{point.hours:.1f}", f"{point.steps:,}", *(_percent(point.of_kind(kind)) for kind in KINDS)]
            for point in points
        ),
    )


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{rate:.1%}"


def main() -> None:
    """Read the logs, and write the table and the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs, each with a log.jsonl")
    parser.add_argument("--after", type=Path, help="the results of the runs before them, as --json has them")
    parser.add_argument("--page", type=Path, help="Markdown file with the table's two marker comments")
    parser.add_argument("--json", type=Path, default=Path("experiments/results/learning_curve.json"))
    options = parser.parse_args()
    if options.after and options.after.resolve() == options.json.resolve():
        parser.error("`--after` is the file that is written: called again, the runs would count twice. Copy it.")
    curve = read_runs(options.runs, Curve.read(options.after) if options.after else None)
    write_results(asdict(curve), options.json, table(curve.points), [options.page], "learning-curve", __file__)


if __name__ == "__main__":
    main()
