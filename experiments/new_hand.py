"""Teach the packaged reader a hand that it has never seen, from few lines, and write what that gains.

    python -m experiments new_hand runs/new_hand trocr_gsa/checkpoint/README.md \
        --hand lines/cremma-mss-19-test.parquet data/lettre-boudreau-tessier
    python -m experiments new_hand runs/new_hand --share 1/2 --hand … & python -m experiments new_hand … --share 2/2

A hand is one document of a compiled file that no training line of the base came from. The last three tenths of its
lines are read; of those before them an adapter learns 25, 50 or all, by `lora_few_lines`, in as many steps
whichever lines it gets: nothing is chosen by what is read. Where lines are drawn, they are drawn three times. Trainings
and readings are kept, so a run that was stopped goes on. Some two minutes of one CPU core for each of the seven
trainings of a hand.
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
COUNTS = (25, 50)  # lines learnt from, and then all of them
DRAWS = 3  # of so many lines
READ = 0.3  # share of a hand's lines, its last ones


@dataclass(frozen=True)
class Hand:
    """Lines of one document: those to learn from, and those to read.

    Attributes:
        name: of the document.
        learn: a compiled file.
        read: a compiled file.
        available: lines to learn from.
    """

    name: str
    learn: Path
    read: Path
    available: int

    @classmethod
    def cut(cls, source: Path, document: str, folder: Path) -> "Hand":
        """Split one document of a compiled file in two.

        Raises:
            ValueError: if the file has no line of it.
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
            whole = path.with_suffix(f".{os.getpid()}")  # another share may be reading the one that is there
            pq.write_table(part, whole)
            whole.replace(path)
        return hand

    def lessons(self) -> list[tuple[int, int]]:
        """Return every (number of lines, draw) that is learnt from."""
        drawn = [(count, draw) for count in COUNTS if count < self.available for draw in range(DRAWS)]
        return [*drawn, (self.available, 0)]


@dataclass(frozen=True)
class Row:
    """What reading a hand comes to.

    Attributes:
        hand: the document.
        lines: learnt from.
        read: lines.
        cer: of each draw.
        wer: of each draw.
    """

    hand: str
    lines: int
    read: int
    cer: list[float]
    wer: list[float]


def learn(hand: Hand, count: int, draw: int, folder: Path) -> Contestant:
    """Return the packaged reader with an adapter that learnt from `count` lines, training it if it is not there."""
    output = folder / f"{hand.name}-{count}-{draw}"
    adapter = output / "best"
    if not adapter.is_dir():
        told = {"train": [str(hand.learn)], "train_lines": count, "seed": draw, "output": str(output)}
        finetune(TrainingArguments.from_dict(read_config(CONFIG) | told))
    return Contestant.of_model(f"{count} lines, draw {draw}", adapter=adapter)


def measure(hand: Hand, folder: Path) -> list[Row]:
    """Read a hand before and after learning from it."""
    readings = Readings(folder / "readings", {hand.name: str(hand.read)})
    rows: dict[int, Row] = {}
    pupils = [(count, learn(hand, count, draw, folder)) for count, draw in hand.lessons()]
    for count, pupil in [(0, Contestant.of_model("packaged")), *pupils]:
        found = tables.summary(readings, pupil, hand.name)
        row = rows.setdefault(count, Row(hand.name, count, found.lines, [], []))
        row.cer.append(found.cer)
        row.wer.append(found.wer)
    return list(rows.values())


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    head = ["hand", "lines read", "lines learnt from", "CER", "WER"]
    return markdown(head, ([row.hand, row.read, row.lines, spread(row.cer), spread(row.wer)] for row in rows))


def spread(rates: Sequence[float]) -> str:
    """Write the mean of some rates and, where there are several, the lowest and the highest."""
    mean = tables.percent(statistics.mean(rates))
    return mean if len(rates) == 1 else f"{mean} ({tables.percent(min(rates))}–{tables.percent(max(rates))})"


def main() -> None:
    """Learn, read, write; or learn a share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of trainings and readings")
    parser.add_argument("pages", type=Path, nargs="*", help="Markdown files with markers")
    parser.add_argument("--hand", nargs=2, action="append", required=True, metavar=("FILE", "DOCUMENT"))
    parser.add_argument("--share", metavar="1/2", help="do the first of two shares of the trainings, write nothing")
    parser.add_argument("--json", type=Path, default=Path("experiments/results/new_hand.json"))
    arguments = parser.parse_args()
    hands = [Hand.cut(Path(file), document, arguments.folder) for file, document in arguments.hand]
    if arguments.share:
        part, parts = map(int, arguments.share.split("/"))
        lessons = [(hand, *lesson) for hand in hands for lesson in hand.lessons()]
        for hand, count, draw in lessons[part - 1 :: parts]:
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
