"""Calibrate a model's confidence on lines outside of its training: about 80 % of lines at 80 % are then correct.

    python -m experiments calibrate_confidence my_model my_lines/ --split validation
    python -m experiments calibrate_confidence trocr_gsa/checkpoint prepared/validation/*.parquet --lines 30

Reads the upright lines of all sources, and fits the temperature by maximum likelihood. Prints the calibration error
before and after, and writes the temperature as `confidence_temperature` to the model's config.json (not with
`--dry-run`). The texts do not change.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trocr_gsa.atomic import write_text
from trocr_gsa.data.numbers import to_json
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.sources import open_source
from trocr_gsa.evaluation.evaluate import read_lines
from trocr_gsa.metrics.confidence import confidence_bins, expected_calibration_error, fit_temperature
from trocr_gsa.reader import LineReader


@dataclass(frozen=True)
class Fit:
    """A fitted temperature, and the calibration errors on the lines of the fit.

    Attributes:
        temperature: T.
        lines: number of lines.
        right: share of lines read without an error.
        error_before: expected calibration error with the model's previous temperature.
        error_after: expected calibration error with T.
    """

    temperature: float
    lines: int
    right: float
    error_before: float
    error_after: float


def choose_lines(sources: Sequence[str], split: str, most: int | None) -> list[LineSample]:
    """Return the lines of all sources, at most `most` per source, spread evenly over the source."""
    chosen = []
    for source in sources:
        lines = open_source(source, split)
        count = min(len(lines), most or len(lines))
        chosen += [lines[place * len(lines) // count] for place in range(count)]
    return chosen


def fit(reader: LineReader, samples: Sequence[LineSample]) -> Fit:
    """Read lines and fit the temperature; afterwards the reader has T = 1.

    Raises:
        ValueError: if all lines are read correctly, or none.
    """
    before, reader.model.config.confidence_temperature = reader.model.config.confidence_temperature, 1.0
    lines = read_lines(reader.model, reader.processor, samples, 0.0)
    counts = [line.character_errors for line in lines]
    right = [count.errors == 0 for count in counts]
    confidences = [line.line.confidence for line in lines]
    temperature = fit_temperature(confidences, right)

    def error(by: float) -> float:
        return expected_calibration_error(confidence_bins([each ** (1 / by) for each in confidences], counts))

    return Fit(temperature, len(lines), sum(right) / len(right), error(before), error(temperature))


def write(folder: Path, **settings: float) -> None:
    """Write settings to a model's config.json; the file is replaced atomically."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | settings
    text = to_json(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_text(path, text)


def main() -> None:
    """Fit the temperature, print the calibration errors, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="checkpoint folder; adapters have the temperature of their base")
    parser.add_argument(
        "sources", nargs="+", help="labelled lines that the model was not trained on, as for `trocr-gsa evaluate`"
    )
    parser.add_argument("--split", default="validation")
    parser.add_argument("--lines", type=int, help="maximum number of lines per source; by default all")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    try:
        if not (arguments.model / "config.json").is_file():
            raise ValueError(f"`model`: {arguments.model} is not a checkpoint folder: it has no config.json.")
        samples = choose_lines(arguments.sources, arguments.split, arguments.lines)
        found = fit(LineReader.from_pretrained(arguments.model), samples)
        print(f"{found.lines} lines, {found.right:.1%} read without an error: T = {found.temperature:.4g}")
        print(f"expected calibration error {found.error_before:.3f} before, {found.error_after:.3f} after")
        if not arguments.dry_run:
            write(arguments.model, confidence_temperature=round(found.temperature, 6))
            print(f"written to {arguments.model / 'config.json'}")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
