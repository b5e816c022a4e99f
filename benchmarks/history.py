"""Record how a change affected the results of a benchmark, from its results file before and after the change.

    cp benchmarks/results/reading.json before.json
    python -m benchmarks reading … --page docs/speed.md
    python -m benchmarks history before.json benchmarks/results/reading.json docs/speed.md --note "Draft lines with …"

Measure both files on the same machine, one soon after the other. For reading.py the recorded figures are lines per
second; for finetuning.py and attention.py they are the ratio of our time to the peer's. The record is written to
benchmarks/results/history.json.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.marked_tables import markdown, write_results

OURS = "trocr-gsa"
PER_SECOND, TO_PEER = "lines/s", "times the peer's"


def figures(found: dict[str, Any]) -> tuple[dict[str, float], str]:
    """Return this package's figures from a results file, by name, and their unit.

    Raises:
        ValueError: if the file belongs to another benchmark.
    """
    rows = found["rows"]
    if all("lines_per_second" in row for row in rows):
        return {row["reader"]: row["lines_per_second"] for row in rows if row["reader"].startswith(OURS)}, PER_SECOND
    if all("step_seconds" in row for row in rows):
        return {f"step, {row['reader']}": row["ratio"] for row in rows if row["reader"].startswith(OURS)}, TO_PEER
    if all("seconds" in row for row in rows):
        return {row["name"]: row["seconds"][0] / row["seconds"][1] for row in rows if row["seconds"]}, TO_PEER
    raise ValueError("`rows` must be those of the programs reading, finetuning or attention. Give one of their files.")


def change(before: dict[str, Any], after: dict[str, Any], note: str) -> dict[str, Any]:
    """Return the figures that two results files of a benchmark have in common, with the note.

    Raises:
        ValueError: if they have no row in common.
    """
    (old, unit), (new, _) = figures(before), figures(after)
    both = {name: (old[name], new[name]) for name in old if name in new}
    if not both:
        raise ValueError(
            f"`before` and `after` must be of one benchmark, got rows {', '.join(old)} and {', '.join(new)}."
        )
    return {"note": note, "unit": unit, "rows": both}


def table(history: Sequence[dict[str, Any]]) -> str:
    """Return the recorded changes as Markdown."""
    rows = []
    for each in history:
        for name, (before, after) in each["rows"].items():
            gain = after / before if each["unit"] == PER_SECOND else before / after
            rows.append([each["note"], name, each["unit"], f"{before:.2f}", f"{after:.2f}", f"× {gain:.2f}"])
    return markdown(["what changed", "measured", "in", "before", "after", "gain"], rows)


def main() -> None:
    """Compare the files, and write the record and the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files with the table's two marker comments")
    parser.add_argument("--note", required=True, help="what changed")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/history.json"))
    options = parser.parse_args()
    before, after = (json.loads(path.read_text(encoding="utf-8")) for path in (options.before, options.after))
    history = json.loads(options.json.read_text(encoding="utf-8")) if options.json.exists() else []
    history.append(change(before, after, options.note))
    write_results(history, options.json, table(history), options.pages, "history", __file__)
