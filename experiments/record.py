"""What a piece of evidence leaves: its numbers, one figure, and a section of docs/evidence.md that follows from them.

What is unusual: the sentence that says whether a claim is supported is computed from the numbers, as the table is. A
run that was stopped goes on where it was: each of its trainings is kept when it ends, and not done again.
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
    """The mean over seeds, and half the width of its 95 % interval; NaN where there was one seed."""

    value: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        """Return mean ± t₀.₉₇₅ s/√n of one number for each seed.

        Raises:
            ValueError: if there are no values, or more than ten.
        """
        if not 1 <= len(values) <= max(STUDENT):
            raise ValueError(f"`values` must be of 1 to {max(STUDENT)} seeds, got {len(values)}.")
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
        """Whether the whole interval lies above 0."""
        return self.value - self.half > 0

    @property
    def is_negative(self) -> bool:
        """Whether the whole interval lies below 0."""
        return self.value + self.half < 0

    def percent(self, digits: int = 1) -> str:
        """Return it as a percentage, ± its interval."""
        half = "" if math.isnan(self.half) else f" ± {100 * self.half:.{digits}f}"
        return f"{100 * self.value:.{digits}f}{half} %"


def in_a_word(wins: int, losses: int, cases: int) -> str:
    """Return what comparisons say of a claim: those whose interval is on its side, against it, and all there are."""
    if wins == cases:
        return "Supported"
    if losses == cases:
        return "Refuted"
    return "Supported in part" if wins else "Not supported"


def once(row: Path, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what is kept in a JSON file; where there is none, compute and keep it."""
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
    """Write numbers, figure and section; the section stands between comments that bear the script's name.

    Args:
        script: its `__file__`.
        results: what was measured, and under what conditions.
        verdict: sentences that follow from the results.
        table: in Markdown.
        figure: closed by nobody else.
        caption: of the figure, for who cannot see it.
        pages: others that get verdict and table.
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
