"""The output of an experiment: its numbers, one figure, and a section of docs/evidence.md.

The sentence that says whether a claim is supported is computed from the numbers, as the table is. A run that was
stopped continues: the result of each finished training is stored, and not computed again.
"""

import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from benchmarks.marked_tables import ROOT, write_between_markers
from trocr_gsa.atomic import write_json
from trocr_gsa.data.numbers import to_json

PAGE = ROOT / "docs" / "evidence.md"
FIGURES = PAGE.with_suffix("")  # beside the page
RESULTS = Path(__file__).parent / "results"
# 97.5 % points of Student's t with n − 1 degrees of freedom, by the number n of seeds
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}

matplotlib.use("agg")


@dataclass(frozen=True)
class Mean:
    """The mean over seeds, and half the width of its 95 % interval; NaN for a single seed."""

    value: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        """Return mean ± t₀.₉₇₅ s/√n of n values, one per seed.

        Raises:
            ValueError: if there is no value, or there are more than ten.
        """
        if not 1 <= len(values) <= max(STUDENT):
            raise ValueError(f"`values` must have 1 to {max(STUDENT)} values, one per seed, got {len(values)}.")
        if len(values) == 1:
            return cls(values[0], math.nan)
        half = STUDENT[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
        return cls(statistics.mean(values), half)

    @classmethod
    def difference(cls, first: Sequence[float], second: Sequence[float]) -> "Mean":
        """Return the mean of first − second, paired by seed."""
        return cls.of([a - b for a, b in zip(first, second, strict=True)])

    @property
    def is_positive(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.value - self.half > 0

    @property
    def is_negative(self) -> bool:
        """Whether the whole interval is below 0."""
        return self.value + self.half < 0

    def percent(self, digits: int = 1) -> str:
        """Return the mean as a percentage, ± half the interval."""
        half = "" if math.isnan(self.half) else f" ± {100 * self.half:.{digits}f}"
        return f"{100 * self.value:.{digits}f}{half} %"


def verdict_word(wins: int, losses: int, cases: int) -> str:
    """Return the verdict on a claim in a word or two.

    Args:
        wins: number of comparisons whose interval supports the claim.
        losses: number of comparisons whose interval contradicts it.
        cases: number of all comparisons.
    """
    if wins == cases:
        return "Supported"
    if losses == cases:
        return "Refuted"
    return "Supported in part" if wins else "Not supported"


def once(row: Path, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the content of a JSON file; if the file is missing, compute and write it first."""
    if not row.is_file():
        found = compute()
        write_json(row, found, indent=1)
        print(row.stem, to_json(found)[:300], flush=True)
    return json.loads(row.read_text(encoding="utf-8"))


def publish(
    script: str,
    results: dict[str, Any],
    verdict: str,
    table: str,
    figure: Figure,
    caption: str,
    pages: Sequence[Path] = (),
) -> None:
    """Write the numbers, the figure and the section, which is between comments with the name of the script.

    Args:
        script: `__file__` of the script.
        results: measured values, and the conditions of the measurement.
        verdict: sentences computed from the results.
        table: Markdown table.
        figure: figure to save.
        caption: alternative text of the figure.
        pages: other Markdown files for verdict and table.
    """
    name = Path(script).stem
    write_json(RESULTS / f"{name}.json", results, indent=1)
    FIGURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURES / f"{name}.png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    text = f"{verdict}\n\n{table}\n\n![{caption}]({FIGURES.name}/{name}.png)"
    write_between_markers(PAGE, name, script, text)
    for page in pages:
        write_between_markers(page, name, script, f"{verdict}\n\n{table}")
    print(text)
