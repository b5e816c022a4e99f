"""Read the same lines with the packaged reader and with other readers, upright and turned, by kind of lines.

    pip install rapidocr==3.10.0                (PP-OCRv6 small; Tesseract is a program of the system)
    python -m experiments rivals prepared/validation/*.parquet --lines 20 --page trocr_gsa/checkpoint/README.md

The error rate of a kind is the mean over its sets, with ſ, quotes and dashes folded. A reader that is not installed has
no column. Tesseract reads print only, with its language for each set: upright lines as raw lines (`--psm 13`), turned
ones as pages whose orientation it detects (`--psm 1`). A reader without a set of a kind has no rate for the kind.
Readings are stored in `--cache`, so that a stopped run continues. All numbers are written to
experiments/results/rivals.json.
"""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.marked_tables import markdown, write_results
from experiments.accuracy_readings import Contestant, Readings
from experiments.accuracy_tables import percent, summary
from experiments.learning_curve import KINDS
from experiments.rapidocr_peer import pp_ocr
from experiments.tesseract_peer import tesseract

ANGLES = (0.0, 180.0, 90.0)
LANGUAGES = {
    "fraktur-19": "frk", "vd-sbb": "frk", "argus": "deu", "fondue-en-20": "eng", "gallicorpora-gothic-16": "fra",
    "kovalewsky": "fra",
}  # of Tesseract, for the sets of print  # fmt: skip


@dataclass(frozen=True)
class Rate:
    """The error rate of a reader on a set.

    Attributes:
        reader: name of the reader.
        set: name of the set.
        lines: number of lines.
        cer: character error rates at 0, 180 and 90 degrees.
    """

    reader: str
    set: str
    lines: int
    cer: tuple[float, ...]


def present(*readers: Contestant | None) -> list[Contestant]:
    """Return the readers that are installed."""
    return [reader for reader in readers if reader is not None]


def column(reader: str) -> str:
    """Return the name of a reader's column: Tesseract's without its language."""
    return reader.split(" `")[0]


def table(rates: Sequence[Rate]) -> str:
    """Return the rates as Markdown: the mean of each kind, at 0, 180 and 90 degrees."""
    readers = list(dict.fromkeys(column(rate.reader) for rate in rates))
    rows = []
    for kind, sets in KINDS.items():
        lines = {rate.set: rate.lines for rate in rates if rate.set in sets}
        if not lines:
            continue
        cells = []
        for reader in readers:
            found = [rate for rate in rates if rate.set in sets and column(rate.reader) == reader]
            means = [statistics.mean(angle) for angle in zip(*(rate.cer for rate in found), strict=True)]
            cells.append(" / ".join(map(percent, means)) if len(found) == len(lines) else "–")
        rows.append([kind, str(sum(lines.values())), *cells])
    return markdown(["kind", "lines", *(f"{reader}, at 0 / 180 / 90°" for reader in readers)], rows)


def main() -> None:
    """Read the lines, print the table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+", help="validation lines, one compiled file per set")
    parser.add_argument("--lines", type=int, default=20, help="maximum number of lines per set")
    parser.add_argument("--cache", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--page", type=Path, help="Markdown file with the table's two marker comments")
    parser.add_argument("--json", type=Path, default=Path("experiments/results/rivals.json"))
    options = parser.parse_args()
    known = {name for sets in KINDS.values() for name in sets}
    sources = {path.stem: str(path) for path in options.sets if path.stem in known}
    if not sources:
        raise SystemExit(f"None of the files has the name of a set: {', '.join(sorted(known))}.")
    readings = Readings(options.cache, sources, "validation", options.lines, normalize="letters")
    on_every_set = present(Contestant.of_model("packaged"), pp_ocr())  # each is loaded once
    rates = []
    for name in sources:
        for reader in [*on_every_set, *present(tesseract(LANGUAGES[name]) if name in LANGUAGES else None)]:
            found = [summary(readings, reader, name, angle) for angle in ANGLES]
            rates.append(Rate(reader.name, name, found[0].lines, tuple(each.cer for each in found)))
    numbers = {"rows": [asdict(rate) for rate in rates]}
    write_results(numbers, options.json, table(rates), [options.page], "rivals", __file__)


if __name__ == "__main__":
    main()
