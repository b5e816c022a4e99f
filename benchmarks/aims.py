"""Set what was aimed at beside what was measured, from the files that the benchmarks have written.

    python -m benchmarks aims docs/speed.md

Reads attention.json, reading.json, finetuning.json and start.json in benchmarks/results/; measures nothing. Of several
sizes the best and the worst are told, and all must reach the aim.
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
    """A figure that was aimed at.

    Attributes:
        what: is measured.
        peer: against what.
        reach: the figure.
        is_least: whether it is to be at least that: so many times faster; otherwise at most so many times as much.
        measured: figures of all sizes; none where nothing has been measured.
    """

    what: str
    peer: str
    reach: float
    is_least: bool
    measured: Sequence[float]

    def row(self) -> list[str]:
        """Return the cells of its row."""
        aim = f"{'≥' if self.is_least else '≤'} {self.reach:g} ×"
        if not self.measured:
            return [self.what, self.peer, aim, "not measured", "–"]
        low, high = min(self.measured), max(self.measured)
        told = f"{low:.2f} ×" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f} ×"
        reached = low >= self.reach if self.is_least else high <= self.reach
        return [self.what, self.peer, aim, told, "yes" if reached else "no"]


def of_attention(rows: Sequence[dict[str, Any]]) -> Iterator[Aim]:
    """What attention.py measured."""
    fused = [row for row in rows if row["measured"] == "layer, sdpa"]
    yield Aim("attention layer, time", "plain attention, both fused", 1.2, False, _times(fused))
    memory = [row["peak_bytes"][0] / row["peak_bytes"][1] for row in fused]
    yield Aim("attention layer, memory", "plain attention, both fused", 1.2, False, memory)
    literal = [row for row in rows if row["measured"] == "layer, none" and row["peer"] == "literal none"]
    yield Aim("attention layer, speed", "the literal sums", 50, True, [1 / time for time in _times(literal)])
    encoder = [row for row in rows if row["measured"].startswith("encoder")]
    yield Aim("encoder, time", "a ViT, one orientation", 1.5, False, _times(encoder))


def of_reading(rows: Sequence[dict[str, Any]]) -> Iterator[Aim]:
    """What reading.py measured."""
    names = ("Tesseract" if row["reader"].startswith("Tesseract") else row["reader"] for row in rows)  # of any version
    speed = {name: row["lines_per_second"] for name, row in zip(names, rows, strict=True)}
    for ways, peer, reach in (
        (("", ", upright", ", upright, without decoder"), "Tesseract", 1),
        (("",), "stock, one orientation", 1.5),
        (("",), "stock, four orientations", 4),
    ):
        for way in ways:
            measured = [speed[OURS + way] / speed[peer]] if peer in speed else []
            yield Aim(f"reading{way}, speed", peer, reach, True, measured)


def of_others(finetuning: Sequence[dict[str, Any]], start: Sequence[dict[str, Any]]) -> Iterator[Aim]:
    """What finetuning.py and start.py measured."""
    for row in finetuning:
        if row["reader"].startswith(OURS):
            what = f"fine-tuning step{row['reader'].removeprefix(OURS)}, time"
            yield Aim(what, "stock ViT-TrOCR with LoRA", 1.3, False, [row["ratio"]])
    read = [row["to_alone"] for row in start if row["process"].startswith("trocr-gsa read")]
    yield Aim("start of `trocr-gsa read`, time", "`import transformers`", 1.5, False, read)


def _times(rows: Sequence[dict[str, Any]]) -> list[float]:
    return [row["seconds"][0] / row["seconds"][1] for row in rows]


def main() -> None:
    """Read, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files that hold the table's two comments")
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/results"), help="of the benchmarks' files")
    options = parser.parse_args()
    rows = {
        name: json.loads((options.folder / f"{name}.json").read_text(encoding="utf-8"))["rows"]
        for name in ("attention", "reading", "finetuning", "start")
    }
    aims = [*of_attention(rows["attention"]), *of_reading(rows["reading"])]
    aims += of_others(rows["finetuning"], rows["start"])
    table = markdown(["what", "against", "aim", "measured", "reached"], [aim.row() for aim in aims])
    print(table)
    for page in options.pages:
        write_between_markers(page, "aims", __file__, table)
