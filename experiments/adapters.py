"""Test whether a small LoRA rank suffices and LoRA forgets less: ranks, halves and layers, compared with full training.

Reduced size, about half an hour on two CPU cores (1.1 s per step for an adapter, 1.4 s for every weight, 0.6 s for a
frozen encoder, and about 25 s of reading per training):

    OMP_NUM_THREADS=1 python -m experiments adapters runs/adapters data/ --share 1/2 &
    OMP_NUM_THREADS=1 python -m experiments adapters runs/adapters data/ --share 2/2
    wait; python -m experiments adapters runs/adapters data/

Full size, on a GPU: all 36 adapters with all lines, 123 trainings of 400 steps. It has not been run yet:

    python -m experiments adapters runs/adapters data/ --size full

The packaged reader has been trained on every set. So the hand to adapt to is one letter of 142 lines that was held out
of its training. `--hand peraire` takes a hand with many lines; all were in the training, so there is little to gain.
"""

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from experiments.adapter_runs import HANDS, Size, base_errors, compile_sets, train_and_test, validate
from experiments.adapter_tables import Rows, draw, forgetting_sentence, rank_sentence, table
from experiments.adapter_variants import METHODS, RATES, Variant, variants
from experiments.record import once, publish

SIZES = {
    "reduced": Size(
        learn=200, validation=40, test=100, others=60, steps=40, batch_patches=1024, device="cpu", crossed=False
    ),
    "full": Size(
        learn=None, validation=None, test=None, others=None, steps=400, batch_patches=2500, device="cuda", crossed=True
    ),
}
SEEDS = 3
TRIED_WITH = 1000  # seed of the trainings that choose the learning rates; no other training has it


def try_rates(folder: Path, lines: Path, size: Size, part: int, parts: int) -> Rows:
    """Return the validation error of each learning rate of each method; this share's trainings run first."""
    jobs = [(variant, rate) for variant in METHODS for rate in RATES[variant.method]]

    def found(variant: Variant, rate: float) -> dict[str, Any]:
        train = partial(validate, variant.changes, TRIED_WITH, rate, lines, size, folder)
        row = once(folder / f"rate-{variant.method.replace(' ', '-')}-{rate:g}.json", train)
        return {"method": variant.method} | row

    for job in jobs[part - 1 :: parts]:
        found(*job)
    return [found(*job) for job in jobs]


def best_rate(tried: Rows, method: str) -> float:
    """Return the learning rate of a method with the lowest validation error."""
    return min((row for row in tried if row["method"] == method), key=lambda row: row["validation"])["rate"]


def verdict(rows: Rows, base: dict[str, float], size: Size, hand: str) -> str:
    """Return the verdicts on both claims, with the conditions of the measurement."""
    text = f"{rank_sentence(rows, base)}\n\n{forgetting_sentence(rows, base)}"
    if not size.crossed:
        text += (
            f"\n\nThis is a reduced size: {size.steps} steps of {size.batch_patches} patches, one factor changed at a "
            f"time, {SEEDS} seeds, at most {size.test} test lines of the hand and {size.others} of each other set. "
        )
    else:
        text += "\n\n"
    return text + f"The hand is {hand}. Intervals are over seeds: they do not tell how other lines would have come out."


def main() -> None:
    """Run the missing trainings, and publish the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder for the trainings; finished trainings in it are reused")
    parser.add_argument("data", type=Path, help="folder of the line sets")
    parser.add_argument("--size", choices=SIZES, default="reduced")
    parser.add_argument("--hand", choices=HANDS, default="tessier")
    parser.add_argument(
        "--share", metavar="1/2", default="1/1", help="run only this share of the trainings; do not publish"
    )
    arguments = parser.parse_args()
    size, hand = SIZES[arguments.size], HANDS[arguments.hand]
    if size.device == "cpu":
        torch.set_num_threads(1)
    part, parts = map(int, arguments.share.split("/"))
    folder = arguments.folder / f"{arguments.hand}-{arguments.size}"
    lines = folder / "lines"
    compile_sets(arguments.data, lines, hand, size)
    tried = try_rates(folder, lines, size, part, parts)
    names = variants(size.crossed)
    rows = []
    for seed, variant in [(seed, variant) for seed in range(SEEDS) for variant in names][part - 1 :: parts]:
        train = partial(train_and_test, variant.changes, seed, best_rate(tried, variant.method), lines, size, folder)
        row = once(folder / f"{variant.name.replace(', ', '-').replace(' ', '-')}-{seed}.json", train)
        rows.append({"variant": variant.name} | row)
    if parts == 1:
        base = once(folder / "base.json", partial(base_errors, lines, size))["cer"]
        results = {"hand": arguments.hand, "size": asdict(size), "base": base, "rates tried": tried, "rows": rows}
        caption = "Error on the hand by the number of trained parameters, and on other sets by what was trained"
        found = table(rows, base, names), draw(rows, base, names)
        publish(__file__, results, verdict(rows, base, size, hand.description), *found, caption)
