"""Fit a model's confidence to lines that it was not trained on: afterwards, of lines 80 % sure, some 80 % are right.

    python -m experiments calibrate_confidence my_model my_lines/ --split validation
    python -m experiments calibrate_confidence trocr_gsa/checkpoint prepared/validation/*.parquet --lines 30

Reads the lines of all sources upright, fits one number by maximum likelihood, says what it changes, and writes it as
`confidence_temperature` into the model's config.json (`--dry-run` does not). What is read does not change.
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
    """A temperature, and what it does to the lines that it was fitted on.

    Attributes:
        temperature: T.
        lines: read.
        right: share of them read without an error.
        error_before: expected calibration error with the temperature that the model had.
        error_after: the same with T.
    """

    temperature: float
    lines: int
    right: float
    error_before: float
    error_after: float


def choose_lines(sources: Sequence[str], split: str, most: int | None) -> list[LineSample]:
    """Return the lines of all sources, at most `most` of each, spread evenly over it."""
    chosen = []
    for source in sources:
        lines = open_source(source, split)
        count = min(len(lines), most or len(lines))
        chosen += [lines[place * len(lines) // count] for place in range(count)]
    return chosen


def fit(reader: LineReader, samples: Sequence[LineSample]) -> Fit:
    """Read lines and fit the temperature; the reader is left without any (T = 1).

    Raises:
        ValueError: if all lines are read right, or none.
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
    """Put settings into a model's config.json; the file is replaced as a whole, or not at all."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | settings
    text = to_json(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_text(path, text)


def main() -> None:
    """Fit, say, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a checkpoint's folder; an adapter's confidences are its base's")
    parser.add_argument(
        "sources", nargs="+", help="lines with texts that it was not trained on, as `trocr-gsa evaluate` takes them"
    )
    parser.add_argument("--split", default="validation")
    parser.add_argument("--lines", type=int, help="of each source at most; by default all")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    try:
        if not (arguments.model / "config.json").is_file():
            raise ValueError(f"`model`: {arguments.model} is no checkpoint's folder: it holds no config.json.")
        samples = choose_lines(arguments.sources, arguments.split, arguments.lines)
        found = fit(LineReader.from_pretrained(arguments.model), samples)
        print(f"{found.lines} lines, {found.right:.1%} read without an error: T = {found.temperature:.4g}")
        print(f"expected calibration error {found.error_before:.3f} before, {found.error_after:.3f} after")
        if not arguments.dry_run:
            write(arguments.model, confidence_temperature=round(found.temperature, 6))
            print(f"written to {arguments.model / 'config.json'}")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
