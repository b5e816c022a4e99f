"""Fine-tune the packaged reader on a few lines of a document that it has never seen, and measure gain and forgetting.

    python -m experiments new_hand runs/new_hand docs/fine_tune.md trocr_gsa/checkpoint/README.md \
        --hand prepared/held_out/fondue-la-mss-ma.parquet fondue-la-mss-ma/data/BnF_lat_7558 \
        --others prepared/validation/fraktur-19.parquet prepared/validation/fondue-en-20.parquet
    python -m experiments new_hand runs/new_hand --share 1/2 --hand … & python -m experiments new_hand … --share 2/2

A hand is one document of a compiled file; no line of it was in the training of the base model. The last three tenths of
its lines are test lines. Adapters are trained on 25, 50, 100 and 200 lines, drawn at random from those before, with
`lora_few_lines`. Nothing is chosen by means of the test lines. Forgetting is the error rate on the lines of other
documents. Trainings and readings are kept, so that a stopped run continues. A training takes about a minute of one CPU
core.
"""

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.marked_tables import markdown, write_results
from experiments import accuracy_tables as tables
from experiments.accuracy_readings import Contestant, Readings
from experiments.record import once
from trocr_gsa.train.arguments import TrainingArguments, read_config
from trocr_gsa.train.finetune import finetune

CONFIG = "lora_few_lines"
COUNTS = (25, 50, 100, 200)  # numbers of training lines
READ, MOST_READ = 0.3, 100  # share of test lines: the last ones of a hand; of more, so many are read
DATA = "data"  # a folder of many sets, which says nothing about a document
MOST_OTHERS = 25  # lines of each other set


@dataclass(frozen=True)
class Hand:
    """Training and test lines of one document.

    Attributes:
        name: name of the document.
        learn: compiled file of the training lines.
        read: compiled file of the test lines.
        available: number of training lines.
    """

    name: str
    learn: Path
    read: Path
    available: int

    @classmethod
    def cut(cls, source: Path, document: str, folder: Path) -> "Hand":
        """Split the lines of one document of a compiled file in two, and write both parts to `folder`.

        Raises:
            ValueError: if the file has no line of the document.
        """
        table = pq.read_table(source)
        lines = table.filter(pc.field("document") == document)
        if not len(lines):
            raise ValueError(f"`--hand`: {source} has no line of {document}.")
        name = next(part for part in reversed(Path(document).parts) if part != DATA)
        hand = cls(
            name, folder / f"{name}-learn.parquet", folder / f"{name}-read.parquet", round(len(lines) * (1 - READ))
        )
        folder.mkdir(parents=True, exist_ok=True)
        for part, path in ((lines.slice(0, hand.available), hand.learn), (lines.slice(hand.available), hand.read)):
            whole = path.with_suffix(f".{os.getpid()}")  # another share may be reading the existing file
            pq.write_table(part, whole)
            whole.replace(path)
        return hand

    def counts(self) -> list[int]:
        """Return the numbers of lines that adapters are trained on."""
        return [count for count in COUNTS if count <= self.available]


@dataclass(frozen=True)
class Row:
    """Results on one hand with one number of training lines.

    Attributes:
        hand: name of the document.
        lines: number of training lines; 0: the packaged reader.
        read: number of test lines.
        cer: character error rate of the hand.
        interval: its 95 % interval.
        wer: word error rate of the hand.
        others: character error rate of the other documents.
        minutes: processor time of the training.
    """

    hand: str
    lines: int
    read: int
    cer: float
    interval: tuple[float, float]
    wer: float
    others: float
    minutes: float


def learn(
    hand: Hand, count: int, folder: Path, name: str = "", settings: dict[str, Any] | None = None
) -> tuple[Contestant, float]:
    """Train an adapter on `count` lines of a hand, if it is missing.

    Args:
        hand: the hand.
        count: number of lines.
        folder: folder for trainings.
        name: name of the settings.
        settings: arguments that differ from the packaged configuration's.

    Returns: the packaged reader with the adapter, and the processor time of the training in minutes.
    """
    output = folder / "-".join([hand.name, str(count), *name.split()])

    def train() -> dict[str, Any]:
        started = time.process_time()
        arguments = {"train": [str(hand.learn)], "train_lines": count, "output": str(output)}
        finetune(TrainingArguments.from_dict(read_config(CONFIG) | (settings or {}) | arguments))
        return {"minutes": (time.process_time() - started) / 60}

    minutes = once(output.with_suffix(".json"), train)["minutes"]
    return Contestant.of_model(f"{hand.name}, {count} lines {name}", adapter=output / "best"), minutes


def score(contestant: Contestant, minutes: float, hand: Hand, count: int, folder: Path, others: Sequence[str]) -> Row:
    """Return the error rates of a reader on a hand and on other documents."""
    own = Readings(folder / "readings", {hand.name: str(hand.read)}, most=MOST_READ)
    found = tables.summary(own, contestant, hand.name)
    rest = Readings(folder / "readings", {Path(path).stem: path for path in others}, "validation", MOST_OTHERS)
    rates = [tables.summary(rest, contestant, name).cer for name in rest.sources]
    mean = statistics.mean(rates) if rates else 0.0
    return Row(hand.name, count, found.lines, found.cer, (found.cer_low, found.cer_high), found.wer, mean, minutes)


def measure(hand: Hand, folder: Path, others: Sequence[str]) -> list[Row]:
    """Return the error rates on a hand before and after fine-tuning."""
    readers = [(0, Contestant.of_model("packaged"), 0.0)]
    readers += [(count, *learn(hand, count, folder)) for count in hand.counts()]
    return [score(reader, minutes, hand, count, folder, others) for count, reader, minutes in readers]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown, one row for each hand."""
    by_hand: dict[str, dict[int, Row]] = {}
    for row in rows:
        by_hand.setdefault(row.hand, {})[row.lines] = row
    head = ["document", "lines read", *(f"CER, {count} lines" for count in (0, *COUNTS)), "minutes"]
    lines = [
        [
            name,
            found[0].read,
            *(_rate(found.get(count)) for count in (0, *COUNTS)),
            f"{statistics.mean(row.minutes for row in found.values() if row.lines):.1f}",
        ]
        for name, found in by_hand.items()
    ]
    return markdown(head, lines)


def forgetting(rows: Sequence[Row]) -> str:
    """Return a sentence on the error rates of other documents, before and after fine-tuning."""
    before = statistics.mean(row.others for row in rows if not row.lines)
    after = [statistics.mean(row.others for row in rows if row.lines == count) for count in COUNTS]
    rates = ", ".join(f"{tables.percent(rate)} with {count}" for count, rate in zip(COUNTS, after, strict=True))
    return f"On lines of other documents, the CER is {tables.percent(before)} without an adapter, {rates} lines."


def _rate(row: Row | None) -> str:
    if row is None:
        return "–"
    low, high = map(tables.percent, row.interval)
    return f"{tables.percent(row.cer)} ({low}–{high})"


def options(description: str | None, name: str) -> argparse.ArgumentParser:
    """Return the options of a program that trains on hands, with `name` for its results."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for trainings and readings")
    parser.add_argument("pages", type=Path, nargs="*", help="Markdown files with the table's two marker comments")
    parser.add_argument("--hand", nargs=2, action="append", required=True, metavar=("FILE", "DOCUMENT"))
    parser.add_argument("--others", nargs="+", default=[], metavar="FILE", help="lines that measure forgetting")
    parser.add_argument("--json", type=Path, default=Path(f"experiments/results/{name}.json"))
    return parser


def main() -> None:
    """Train, read, and write the results; with `--share`, only train."""
    parser = options(__doc__, "new_hand")
    parser.add_argument("--share", metavar="1/2", help="run only this share of the trainings; write no results")
    arguments = parser.parse_args()
    hands = [Hand.cut(Path(file), document, arguments.folder) for file, document in arguments.hand]
    if arguments.share:
        part, parts = map(int, arguments.share.split("/"))
        trainings = [(hand, count) for hand in hands for count in hand.counts()]
        for hand, count in trainings[part - 1 :: parts]:
            learn(hand, count, arguments.folder)
        return
    rows = [row for hand in hands for row in measure(hand, arguments.folder, arguments.others)]
    text = f"{table(rows)}\n\n{forgetting(rows)}"
    numbers = {"settings": read_config(CONFIG), "rows": [asdict(row) for row in rows]}
    write_results(numbers, arguments.json, text, arguments.pages, "new-hand", __file__)
