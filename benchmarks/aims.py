"""Compare the measured results with the targets, from the files that the benchmarks have written.

    python -m benchmarks aims docs/speed.md

Reads attention.json, reading.json, finetuning.json and start.json in benchmarks/results/. Nothing is measured. Where a
benchmark has several sizes, the table shows the best and the worst, and all sizes must reach the target.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.marked_tables import markdown, write_between_markers

OURS = "trocr-gsa"


@dataclass(frozen=True)
class Aim:
    """A target for a ratio to a peer.

    Attributes:
        what: name of the measured quantity.
        peer: name of the peer it is compared with.
        reach: target ratio.
        is_least: True if the ratio must be at least `reach` (a speed-up), False if at most (a cost).
        measured: ratios of all sizes; empty if nothing has been measured.
    """

    what: str
    peer: str
    reach: float
    is_least: bool
    measured: Sequence[float]

    def row(self) -> list[str]:
        """Return the cells of its row in the table."""
        aim = f"{'≥' if self.is_least else '≤'} {self.reach:g} ×"
        if not self.measured:
            return [self.what, self.peer, aim, "not measured", "–"]
        low, high = min(self.measured), max(self.measured)
        shown = f"{low:.2f} ×" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f} ×"
        reached = low >= self.reach if self.is_least else high <= self.reach
        return [self.what, self.peer, aim, shown, "yes" if reached else "no"]


def attention_aims(rows: Sequence[dict[str, Any]]) -> Iterator[Aim]:
    """Yield the targets for the rows of attention.py."""
    fused = [row for row in rows if row["measured"] == "layer, sdpa"]
    yield Aim("attention layer, time", "plain attention, both fused", 1.2, False, _times(fused))
    memory = [row["peak_bytes"][0] / row["peak_bytes"][1] for row in fused]
    yield Aim("attention layer, memory", "plain attention, both fused", 1.2, False, memory)
    literal = [row for row in rows if row["measured"] == "layer, none" and row["peer"] == "literal none"]
    yield Aim("attention layer, speed", "the literal sums", 50, True, [1 / time for time in _times(literal)])
    encoder = [row for row in rows if row["measured"].startswith("encoder")]
    yield Aim("encoder, time", "a ViT, one orientation", 1.5, False, _times(encoder))


def reading_aims(rows: Sequence[dict[str, Any]]) -> Iterator[Aim]:
    """Yield the targets for the rows of reading.py."""
    # without Tesseract's version
    names = ("Tesseract" if row["reader"].startswith("Tesseract") else row["reader"] for row in rows)
    speed = {name: row["lines_per_second"] for name, row in zip(names, rows, strict=True)}
    for ways, peer, reach in (
        (("", ", upright"), "Tesseract", 1),
        ((", without decoder",), "Tesseract", 1.5),
        (("",), "stock, one orientation", 1.5),
        (("",), "stock, four orientations", 4),
    ):
        for way in ways:
            measured = [speed[OURS + way] / speed[peer]] if peer in speed else []
            yield Aim(f"reading{way}, speed", peer, reach, True, measured)


def other_aims(finetuning: Sequence[dict[str, Any]], start: Sequence[dict[str, Any]]) -> Iterator[Aim]:
    """Yield the targets for the rows of finetuning.py and start.py."""
    for row in finetuning:
        if row["reader"].startswith(OURS):
            layers = row["reader"].removeprefix(OURS)  # without a name: all
            what = f"fine-tuning step{layers}, time"
            yield Aim(what, "stock ViT-TrOCR with LoRA", 1.1 if layers else 1.5, False, [row["ratio"]])
    used = {row["process"]: row["processor_seconds"] for row in start}
    read = [seconds / used["import torch"] for name, seconds in used.items() if name.startswith("trocr-gsa read")]
    yield Aim("start of `trocr-gsa read`, time", "`import torch`", 2, False, read)


def _times(rows: Sequence[dict[str, Any]]) -> list[float]:
    return [row["seconds"][0] / row["seconds"][1] for row in rows]


def main() -> None:
    """Read the results, compare them with the targets, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files with the table's two marker comments")
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/results"), help="folder of the JSON files")
    options = parser.parse_args()
    rows = {
        name: json.loads((options.folder / f"{name}.json").read_text(encoding="utf-8"))["rows"]
        for name in ("attention", "reading", "finetuning", "start")
    }
    aims = [*attention_aims(rows["attention"]), *reading_aims(rows["reading"])]
    aims += other_aims(rows["finetuning"], rows["start"])
    table = markdown(["what", "against", "aim", "measured", "reached"], [aim.row() for aim in aims])
    print(table)
    for page in options.pages:
        write_between_markers(page, "aims", __file__, table)
