"""Measure the packaged checkpoint and write the accuracy table into the README and the model card.

    python scripts/report_accuracy.py fraktur=lines/fraktur.parquet hand=lines/hand README.md

Sets are `name=source`, where a source is whatever `trocr-gsa evaluate` takes (its test split); the other words are
Markdown files that hold the two markers between which the table goes. The rows also go to docs/accuracy.json.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from marked_tables import markdown, write_between_markers

from trocr_gsa.data.sources import open_source
from trocr_gsa.reader import LineReader
from trocr_gsa.train.evaluation import SummaryRow, evaluate

ANGLES = (0.0, 90.0, 180.0, 270.0)


@dataclass(frozen=True)
class SetReport:
    """One set, read at every angle.

    Attributes:
        rows: what was measured, one row an angle.
        same_text: share of lines whose text is the same at all angles.
    """

    rows: list[SummaryRow]
    same_text: float


def measure(reader: LineReader, name: str, source: str) -> SetReport:
    """Read the test split of `source` at every angle."""
    dataset = open_source(source, "test")
    lines = [dataset[index] for index in range(len(dataset))]
    results = list(evaluate(reader.model, reader.processor, name, lines, ANGLES))
    texts = zip(*([record.prediction for record in records] for _, records in results), strict=True)
    return SetReport([row for row, _ in results], sum(len(set(line)) == 1 for line in texts) / len(lines))


def table(reports: Sequence[SetReport]) -> str:
    """Return the reports as Markdown: one line a set, one column an angle."""
    head = ["set", "lines", *(f"CER at {angle:g}°" for angle in ANGLES), "WER", "same text at all", "way up right"]
    rows = []
    for report in reports:
        upright = report.rows[0]
        cers = [f"{row.cer:.1%} ({row.cer_low:.1%}–{row.cer_high:.1%})" for row in report.rows]
        way_up = min(row.orientation_accuracy for row in report.rows)
        cells = [upright.name, upright.lines, *cers, f"{upright.wer:.1%}", f"{report.same_text:.1%}", f"{way_up:.1%}"]
        rows.append(cells)
    return markdown(head, rows)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="+", help="name=source, or a Markdown file")
    parser.add_argument("--model", help="checkpoint; by default the packaged one")
    parser.add_argument("--json", type=Path, default=Path("docs/accuracy.json"))
    arguments = parser.parse_args()
    reader = LineReader.from_pretrained(arguments.model)
    reports = [measure(reader, *word.split("=", 1)) for word in arguments.words if "=" in word]
    arguments.json.write_text(json.dumps([asdict(report) for report in reports], indent=1) + "\n", encoding="utf-8")
    for word in arguments.words:
        if "=" not in word:
            write_between_markers(Path(word), "accuracy", __file__, table(reports))
    print(table(reports))


if __name__ == "__main__":
    main()
