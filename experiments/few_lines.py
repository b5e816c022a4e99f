"""Compare settings for fine-tuning on a few lines; the best ones are in `lora_few_lines`.

    python -m experiments few_lines runs/few_lines docs/fine_tune.md \
        --hand prepared/validation/lectaurep-repertoires.parquet lectaurep-repertoires/data/lectaurep-dufour-1 \
        --hand prepared/validation/cremma-mss-17.parquet cremma-mss-17/data/lettres-de-bossuet \
        --others prepared/validation/fraktur-19.parquet prepared/validation/fondue-en-20.parquet

The settings are changed one at a time, and then together. An adapter is trained on 50 lines of each document and read
on the last three tenths of its lines, as by `new_hand`. The documents are validation documents: those of `new_hand`
play no part in the choice.
"""

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.marked_tables import markdown, write_results
from experiments import accuracy_tables as tables
from experiments.accuracy_readings import Contestant
from experiments.new_hand import CONFIG, Hand, Row, learn, options, score
from trocr_gsa.train.arguments import read_config

COUNT = 50  # training lines
UNTRAINED, START = "without an adapter", "rank 16 behind the pose, 120 steps at 2e-3"
STARTING = {"rank": 16, "targets": "behind_pose", "learning_rate": 2e-3, "max_steps": 120, "eval_every": 120}
SHORT = {"max_steps": 60, "eval_every": 60}
CHANGES: dict[str, dict[str, Any]] = {
    START: {},
    "rank 4": {"rank": 4},
    "rank 32": {"rank": 32},
    "adapters on all layers": {"targets": "both"},
    "learning rate 1e-3": {"learning_rate": 1e-3},
    "learning rate 4e-3": {"learning_rate": 4e-3},
    "60 steps": SHORT,
    "240 steps": {"max_steps": 240, "eval_every": 240},
    "no augmentation": {"augment": False},
    "rank 4, 60 steps": {"rank": 4} | SHORT,
    "rank 4, learning rate 1e-3": {"rank": 4, "learning_rate": 1e-3},
    "rank 4, all layers": {"rank": 4, "targets": "both"},
    "rank 4, all layers, 60 steps": {"rank": 4, "targets": "both"} | SHORT,
    "rank 4, all layers, learning rate 1e-3": {"rank": 4, "targets": "both", "learning_rate": 1e-3},
}


def measure(hands: Sequence[Hand], folder: Path, others: Sequence[str]) -> dict[str, list[Row]]:
    """Return the error rates on every hand without an adapter, and with one for each of the `CHANGES`."""
    packaged = Contestant.of_model("packaged")
    found = {UNTRAINED: [score(packaged, 0.0, hand, 0, folder, others) for hand in hands]}
    for name, changes in CHANGES.items():
        trained = [(hand, *learn(hand, COUNT, folder, name, STARTING | changes)) for hand in hands]
        found[name] = [score(reader, minutes, hand, COUNT, folder, others) for hand, reader, minutes in trained]
    return found


def table(found: dict[str, list[Row]]) -> str:
    """Return the results as Markdown."""
    hands = [row.hand for row in found[UNTRAINED]]
    head = ["settings", *(f"CER, {hand}" for hand in hands), "mean", "other documents", "minutes"]
    lines = [
        [
            name,
            *(tables.percent(row.cer) for row in rows),
            tables.percent(statistics.mean(row.cer for row in rows)),
            tables.percent(statistics.mean(row.others for row in rows)),
            f"{statistics.mean(row.minutes for row in rows):.1f}" if rows[0].minutes else "–",
        ]
        for name, rows in found.items()
    ]
    return markdown(head, lines)


def main() -> None:
    """Train, read, and write the results."""
    arguments = options(__doc__, "few_lines").parse_args()
    hands = [Hand.cut(Path(file), document, arguments.folder) for file, document in arguments.hand]
    found = measure(hands, arguments.folder, arguments.others)
    numbers = {"settings": read_config(CONFIG), "rows": {name: [asdict(row) for row in found[name]] for name in found}}
    write_results(numbers, arguments.json, table(found), arguments.pages, "few-lines", __file__)
