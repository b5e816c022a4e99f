"""Fine-tune the packaged reader on a few lines of a new hand, and measure the gain.

    python -m experiments new_hand runs/new_hand trocr_gsa/checkpoint/README.md \
        --hand lines/cremma-mss-19-test.parquet data/lettre-boudreau-tessier
    python -m experiments new_hand runs/new_hand --share 1/2 --hand … & python -m experiments new_hand … --share 2/2

A hand is one document of a compiled file; no line of it was in the training of the base model. The last three tenths of
its lines are test lines. An adapter is trained on 25, 50 or all of the lines before them, with `lora_few_lines`. The
number of steps is always the same, and nothing is chosen by means of the test lines. Random choices of training lines
are made three times. Trainings and readings are kept, so that a stopped run continues. Each of the seven trainings of a
hand takes about two minutes of one CPU core.
"""

import argparse
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.marked_tables import markdown, write_between_markers
from experiments import accuracy_tables as tables
from experiments.accuracy_readings import Contestant, Readings
from trocr_gsa.data.numbers import to_json
from trocr_gsa.train.arguments import TrainingArguments, read_config
from trocr_gsa.train.finetune import finetune

CONFIG = "lora_few_lines"
COUNTS = (25, 50)  # numbers of training lines; all lines are used, too
DRAWS = 3  # random choices of training lines for each of `COUNTS`
READ = 0.3  # share of test lines: the last ones of a hand


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
        name = Path(document).name
        hand = cls(
            name, folder / f"{name}-learn.parquet", folder / f"{name}-read.parquet", round(len(lines) * (1 - READ))
        )
        folder.mkdir(parents=True, exist_ok=True)
        for part, path in ((lines.slice(0, hand.available), hand.learn), (lines.slice(hand.available), hand.read)):
            whole = path.with_suffix(f".{os.getpid()}")  # another share may be reading the existing file
            pq.write_table(part, whole)
            whole.replace(path)
        return hand

    def trainings(self) -> list[tuple[int, int]]:
        """Return (number of lines, draw) of every training."""
        drawn = [(count, draw) for count in COUNTS if count < self.available for draw in range(DRAWS)]
        return [*drawn, (self.available, 0)]


@dataclass(frozen=True)
class Row:
    """Results on one hand.

    Attributes:
        hand: name of the document.
        lines: number of training lines.
        read: number of test lines.
        cer: character error rate of each draw.
        wer: word error rate of each draw.
    """

    hand: str
    lines: int
    read: int
    cer: list[float]
    wer: list[float]


def learn(hand: Hand, count: int, draw: int, folder: Path) -> Contestant:
    """Return the packaged reader with an adapter trained on `count` lines; train the adapter if it is missing."""
    output = folder / f"{hand.name}-{count}-{draw}"
    adapter = output / "best"
    if not adapter.is_dir():
        arguments = {"train": [str(hand.learn)], "train_lines": count, "seed": draw, "output": str(output)}
        finetune(TrainingArguments.from_dict(read_config(CONFIG) | arguments))
    return Contestant.of_model(f"{count} lines, draw {draw}", adapter=adapter)


def measure(hand: Hand, folder: Path) -> list[Row]:
    """Return the error rates on a hand before and after fine-tuning."""
    readings = Readings(folder / "readings", {hand.name: str(hand.read)})
    rows: dict[int, Row] = {}
    adapted = [(count, learn(hand, count, draw, folder)) for count, draw in hand.trainings()]
    for count, contestant in [(0, Contestant.of_model("packaged")), *adapted]:
        found = tables.summary(readings, contestant, hand.name)
        row = rows.setdefault(count, Row(hand.name, count, found.lines, [], []))
        row.cer.append(found.cer)
        row.wer.append(found.wer)
    return list(rows.values())


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    head = ["hand", "lines read", "lines learnt from", "CER", "WER"]
    return markdown(head, ([row.hand, row.read, row.lines, spread(row.cer), spread(row.wer)] for row in rows))


def spread(rates: Sequence[float]) -> str:
    """Return the mean of the rates as text, followed by the lowest and the highest if there are several."""
    mean = tables.percent(statistics.mean(rates))
    return mean if len(rates) == 1 else f"{mean} ({tables.percent(min(rates))}–{tables.percent(max(rates))})"


def main() -> None:
    """Train, read, and write the results; with `--share`, only train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for trainings and readings")
    parser.add_argument("pages", type=Path, nargs="*", help="Markdown files with the table's two marker comments")
    parser.add_argument("--hand", nargs=2, action="append", required=True, metavar=("FILE", "DOCUMENT"))
    parser.add_argument("--share", metavar="1/2", help="run only this share of the trainings; write no results")
    parser.add_argument("--json", type=Path, default=Path("experiments/results/new_hand.json"))
    arguments = parser.parse_args()
    hands = [Hand.cut(Path(file), document, arguments.folder) for file, document in arguments.hand]
    if arguments.share:
        part, parts = map(int, arguments.share.split("/"))
        trainings = [(hand, *training) for hand in hands for training in hand.trainings()]
        for hand, count, draw in trainings[part - 1 :: parts]:
            learn(hand, count, draw, arguments.folder)
        return
    rows = [row for hand in hands for row in measure(hand, arguments.folder)]
    print(table(rows))
    text = to_json(
        {"settings": read_config(CONFIG), "rows": [asdict(row) for row in rows]}, indent=1, ensure_ascii=False
    )
    arguments.json.write_text(text + "\n", encoding="utf-8")
    for page in arguments.pages:
        write_between_markers(page, "new-hand", __file__, table(rows))
