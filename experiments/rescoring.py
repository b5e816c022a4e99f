"""Measure whether a character n-gram model improves a reading, by choosing among texts that the reader finds likely.

    python -m experiments rescoring runs/rescoring prepared/ --write

The columns: the reader alone; the candidate that is chosen with each weight λ of an n-gram model of the training lines
of the same set, where 0 chooses the one that is most probable for the reader; the 95 % interval of the change with the
usual weight, over resampled lines; the same weight with the training lines of all other sets, which are in other
languages and of other centuries; and the candidate that is nearest to the transcription, which no choice can beat. The
candidates of each set are kept in the folder of the run.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.marked_tables import ROOT, markdown, write_between_markers
from trocr_gsa.atomic import write_json
from trocr_gsa.data.sources import open_source
from trocr_gsa.metrics.error_rates import count_character_errors
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.language_model import WEIGHT, CharacterModel

SETS = ("fraktur-19", "vd-sbb", "fondue-en-20", "fondue-es-19", "htromance-modern-fr", "peraire")
WEIGHTS = (0.0, 0.05, WEIGHT, 0.2, 0.4)
RESAMPLES = 2000
RESULTS = Path(__file__).parent / "results" / "rescoring.json"
PAGE = ROOT / "docs" / "reading.md"


@dataclass(frozen=True)
class Candidates:
    """A line: its transcription, and the texts to choose from with log p(text | image), the reader's own first."""

    reference: str
    texts: list[tuple[str, float]]


class Recorder:
    """A language model that leaves every line as the reader wrote it, and remembers its candidates."""

    def __init__(self) -> None:
        self.seen: list[list[tuple[str, float]]] = []

    def choose(self, candidates: Sequence[tuple[str, float]]) -> int:
        """Return 0."""
        self.seen.append([(text, log_p) for text, log_p in candidates if log_p > -math.inf])
        return 0


def read_set(reader: LineReader, source: str, lines: int) -> list[Candidates]:
    """Read a random part of a validation set, always the same one."""
    dataset = open_source(source, "validation")
    chosen = np.random.default_rng(0).permutation(len(dataset))[:lines].tolist()
    found = []
    for sample in dataset.__getitems__(chosen):
        recorder = Recorder()
        (line,) = reader.read([sample.image], are_cut=True, language_model=recorder)
        # a line is read in every pose that is in doubt: these are the candidates of the pose that was kept
        texts = next((texts for texts in recorder.seen if texts[0][0] == line.text), [(line.text, 0.0)])
        found.append(Candidates(sample.text, texts))
    return found


def errors(lines: Sequence[Candidates], language: CharacterModel | None) -> list[int]:
    """Return the number of wrong characters in each line, as chosen with a language model; None: by the reader."""
    chosen = [line.texts[language.choose(line.texts) if language else 0][0] for line in lines]
    return [count_character_errors(line.reference, text).errors for line, text in zip(lines, chosen, strict=True)]


def nearest(line: Candidates) -> int:
    """Return the number of wrong characters in the candidate with the fewest."""
    return min(count_character_errors(line.reference, text).errors for text, _ in line.texts)


def characters(lines: Sequence[Candidates]) -> int:
    """Return the number of characters in the transcriptions."""
    return sum(count_character_errors(line.reference, "").length for line in lines)


def interval(before: Sequence[int], after: Sequence[int], length: int) -> tuple[float, float]:
    """Return the 95 % interval of the change of the error rate over resampled lines."""
    change = np.array(after) - np.array(before)
    drawn = np.random.default_rng(0).integers(len(change), size=(RESAMPLES, len(change)))
    low, high = np.quantile(change[drawn].sum(-1) / length, [0.025, 0.975])
    return float(low), float(high)


def row_of(name: str, lines: Sequence[Candidates], own: CharacterModel, other: CharacterModel) -> dict[str, Any]:
    """Return the error rates of a set, by the names of the table's columns, and the interval of the change."""
    length = characters(lines)
    found = {"reader": errors(lines, None)}
    for own.weight in WEIGHTS:
        found[f"λ = {own.weight:g}"] = errors(lines, own)
    usual = f"λ = {WEIGHT:g}"
    found |= {"other text": errors(lines, other), "nearest": [nearest(line) for line in lines]}
    rates = {column: sum(each) / length for column, each in found.items()}
    change = interval(found["reader"], found[usual], length)
    return {"set": name, "lines": len(lines), "characters": own.size, "change": change, "usual": usual, **rates}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    rates = [column for column in rows[0] if column == "reader" or column.startswith(("λ", "other", "nearest"))]
    shown = [
        [
            row["set"], row["lines"], f"{row['characters']:,}",
            *(f"{100 * row[column]:.2f} %" for column in rates[:-2]),
            f"{100 * (row[row['usual']] - row['reader']):+.2f} ({100 * row['change'][0]:+.2f} to "
            f"{100 * row['change'][1]:+.2f})",
            *(f"{100 * row[column]:.2f} %" for column in rates[-2:]),
        ]
        for row in rows
    ]  # fmt: skip
    change = f"change with {rows[0]['usual'].removeprefix('λ = ')}, points"
    return markdown(["set", "lines", "characters of text", *rates[:-2], change, *rates[-2:]], shown)


def main() -> None:
    """Run with the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder for the candidates; a set that is there is not read again")
    parser.add_argument("data", type=Path, help="folder with train/ and validation/, a .parquet file for each set")
    parser.add_argument("--lines", type=int, default=100, help="lines of each set")
    parser.add_argument("--model", help="checkpoint folder; by default the packaged one")
    parser.add_argument("--device")
    parser.add_argument("--write", action="store_true", help="write the table into docs/reading.md")
    arguments = parser.parse_args()
    arguments.run.mkdir(parents=True, exist_ok=True)
    reader, sets, texts = None, {}, {}
    for name in SETS:
        kept = arguments.run / f"{name}.json"
        if not kept.exists():
            reader = reader or LineReader.from_pretrained(arguments.model, device=arguments.device)
            lines = read_set(reader, str(arguments.data / "validation" / f"{name}.parquet"), arguments.lines)
            write_json(kept, [asdict(line) for line in lines])
            print(f"{name}: {len(lines)} lines read", flush=True)
        rows = json.loads(kept.read_text(encoding="utf-8"))
        sets[name] = [Candidates(row["reference"], [(text, log_p) for text, log_p in row["texts"]]) for row in rows]
        texts[name] = "\n".join(open_source(str(arguments.data / "train" / f"{name}.parquet")).texts())
    found = []
    for name in SETS:
        other = CharacterModel("\n".join(text for of_set, text in texts.items() if of_set != name))
        found.append(row_of(name, sets[name], CharacterModel(texts[name]), other))
    write_json(RESULTS, found)
    shown = table(found)
    print(shown)
    if arguments.write:
        write_between_markers(PAGE, "rescoring", __file__, shown)


if __name__ == "__main__":
    main()
