"""Measure the error rates of every validation set, and of held-out documents, for the longest table of the model card.

    python -m experiments every_set prepared/validation/*.parquet --held-out prepared/held_out/*.parquet \
        --lines 40 --page trocr_gsa/checkpoint/README.md
    python -m experiments every_set … --share 1/2 & python -m experiments every_set … --share 2/2

The packaged reader reads every line at four angles. Readings are stored in `--cache`, so that a stopped run continues.
Error rates are given twice: by the transcription policy, and with ſ, quotes and dashes folded, too. All numbers are
written to experiments/results/every_set.json. 47 sets of 40 lines take about eight minutes of one CPU core.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.marked_tables import markdown, write_results
from experiments.accuracy_readings import Contestant, Readings
from experiments.accuracy_tables import QUARTERS, percent, same_text, summary, way_up, with_interval

COLUMNS = ("kind", "century", "language")
OLD_SETS = {
    "fraktur-19": ("print", "19", "deu"),
    "htromance-modern-fr": ("hand", "16–19", "fra"),
    "peraire": ("hand", "20", "fra"),
}  # sets whose files do not have these columns
HELD_OUT = ", held out"


@dataclass(frozen=True)
class Row:
    """Results of a set.

    Attributes:
        name: name of the set.
        kind: print, typescript or hand.
        century: century in the file of the set.
        language: language in the file of the set.
        lines: number of lines.
        cer: character error rate by the transcription policy with its interval, as text.
        letters: character error rate with ſ, quotes and dashes folded.
        same: share of lines with the same text at four angles.
        way_up: share of readings with a correct orientation.
    """

    name: str
    kind: str
    century: str
    language: str
    lines: int
    cer: str
    letters: float
    same: float
    way_up: float


def describe(name: str, path: Path) -> tuple[str, str, str]:
    """Return kind, century and language of a set: the distinct values in its file."""
    if not set(COLUMNS) <= set(pq.read_schema(path).names):
        return OLD_SETS.get(name, ("–", "–", "–"))
    table = pq.read_table(path, columns=list(COLUMNS))
    kind, century, language = (
        "/".join(sorted({str(value) for value in table[column].to_pylist()})) for column in COLUMNS
    )
    return kind, century, language


def measure(readings: Readings, reader: Contestant, name: str) -> Row:
    """Return the results of a set at four angles; stored readings are reused."""
    at_angles = [readings.of(reader, name, angle) for angle in QUARTERS]
    found = summary(readings, reader, name)
    letters = summary(replace(readings, normalize="letters"), reader, name)
    kind, century, language = describe(name, Path(readings.sources[name]))
    turned = [record for records in at_angles for record in records]
    return Row(
        name, kind, century, language, found.lines, with_interval(found), letters.cer, same_text(at_angles),
        way_up(turned),
    )  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown, sorted by kind and century."""
    head = ["set", *COLUMNS, "lines", "CER", "ſ, quotes, dashes folded", "same text at 4 angles", "way up right"]
    ordered = sorted(rows, key=lambda row: (row.kind, row.century.zfill(2), row.name))
    return markdown(
        head,
        (
            [row.name, row.kind, row.century, row.language, row.lines, row.cer,
             *map(percent, (row.letters, row.same, row.way_up))]
            for row in ordered
        ),
    )  # fmt: skip


def main() -> None:
    """Read the lines, and write the results; with `--share`, only read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+", help="validation lines, one compiled file per set")
    parser.add_argument(
        "--held-out", type=Path, nargs="*", default=[], help="lines of held-out documents, one compiled file per set"
    )
    parser.add_argument("--lines", type=int, default=40, help="maximum number of lines per set")
    parser.add_argument("--cache", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--share", metavar="1/2", help="make only this share of the readings; write no results")
    parser.add_argument("--page", type=Path, help="Markdown file with the table's two marker comments")
    parser.add_argument("--json", type=Path, default=Path("experiments/results/every_set.json"))
    options = parser.parse_args()
    sources = {path.stem: str(path) for path in options.sets}
    sources |= {path.stem + HELD_OUT: str(path) for path in options.held_out}
    readings = Readings(options.cache, sources, "validation", options.lines, normalize="policy")
    reader = Contestant.of_model("packaged")
    part, parts = map(int, (options.share or "1/1").split("/"))
    for name in list(sources)[part - 1 :: parts]:
        for angle in QUARTERS:
            readings.of(reader, name, angle)
    if options.share:
        return
    rows = [measure(readings, reader, name) for name in sources]
    numbers = {"rows": [asdict(row) for row in rows]}
    write_results(numbers, options.json, table(rows), [options.page], "every-set", __file__)


if __name__ == "__main__":
    main()
