"""Compare the encoder variants of `experiments/encoder_contest.py`: error rates after equal time, and reading speed.

    python -m experiments encoder_table runs/contest/* prepared/ --page trocr_gsa/checkpoint/README.md

Speed is measured here, in one thread: the encoder and the CTC head read the same validation lines, the variants in
turns, and the fastest of `--repeats` counts. The results are also written to experiments/results/encoder_contest.json.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.marked_tables import markdown, write_results
from experiments.encoder_contest import LONGEST, make_model, make_processor, validation_lines
from experiments.record import RESULTS
from trocr_gsa.data.fit import LineFit

# What tells a variant from the others, in the order of the table
DESCRIPTIONS = {
    "today_16": "192 wide on all poses, patches of 16 pixels",
    "narrow_16": "patches of 16 pixels, linear second embedding",
    "narrow_16_pose48": "patches of 16 pixels, narrow stage 48 wide",
    "narrow_16_pose96": "patches of 16 pixels, narrow stage 96 wide",
    "narrow_16_head1": "patches of 16 pixels, narrow stage with 1 head",
    "narrow_16_k0": "patches of 16 pixels, K = 0",
    "narrow_16_k2": "patches of 16 pixels, K = 2",
    "narrow_16_8layers": "patches of 16 pixels, 8 layers",
    "narrow_16_256": "patches of 16 pixels, 256 wide",
    "narrow_16_mlp": "patches of 16 pixels, MLP as second embedding",
    "narrow_16_conv": "patches of 16 pixels, convolutions as second embedding",
    "narrow_24_conv": "the packaged encoder: 64 wide, 2 heads, K = 1; convolutions",
    "narrow_24_conv_pose48": "narrow stage 48 wide",
    "narrow_24_conv_pose96": "narrow stage 96 wide",
    "narrow_24_conv_head1": "narrow stage with 1 head",
    "narrow_24_conv_k0": "K = 0: the lifting layer alone sees all poses",
    "narrow_24_conv_k2": "K = 2",
    "narrow_24_conv_256": "256 wide behind the narrow stage",
    "narrow_24_mlp": "second embedding: an MLP",
    "narrow_24": "second embedding: linear, without a margin",
}
BEGAN = {None: "–", "pose": "narrow stage", "embedding": "second embedding"}  # which part began with random weights
LINES_READ = 16  # lines of each kind, for the speed


def read_run(folder: Path) -> dict[str, Any]:
    """Return the last evaluation of a run.

    Raises:
        ValueError: if the folder has no evaluation.
    """
    log = folder / "log.jsonl"
    if not log.is_file():
        raise ValueError(f"`runs`: {folder} has no log.jsonl. The first evaluation comes after ten minutes.")
    return json.loads(log.read_text(encoding="utf-8").splitlines()[-1])


def reading_speeds(variants: Sequence[str], data: Path, repeats: int) -> dict[str, float]:
    """Return how many lines each variant reads in a second, in one thread, without the decoder."""
    torch.set_num_threads(1)
    fit = LineFit(make_processor(variants[0]), LONGEST)
    kinds = validation_lines(data / "validation", fit)
    images = [line.image for lines in kinds.values() for line in lines[:LINES_READ]]
    jobs: dict[str, Callable[[], Any]] = {}
    for variant in variants:
        processor = make_processor(variant)
        model = make_model(variant, processor.tokenizer).eval()
        jobs[variant] = partial(model, **processor(images=images))
    best = dict.fromkeys(variants, float("inf"))
    with torch.inference_mode():
        for _ in range(repeats + 1):  # the first warms up
            for variant, job in jobs.items():
                start = time.process_time()
                job()
                best[variant] = min(best[variant], time.process_time() - start)
    return {variant: len(images) / seconds for variant, seconds in best.items()}


def table(runs: Sequence[Mapping[str, Any]], speeds: Mapping[str, float]) -> str:
    """Return the runs as Markdown, in the order of `DESCRIPTIONS`."""
    kinds = sorted({key for run in runs for key in run if key.startswith("cer/")})
    head = ["encoder", "began anew", "seed", *(f"CER, {kind.removeprefix('cer/')}" for kind in kinds), "way up right"]
    head += ["lines learnt", "minutes", "lines read a second"]
    rows = []
    order, parts = list(DESCRIPTIONS), list(BEGAN)
    for run in sorted(runs, key=lambda run: (parts.index(run["anew"]), order.index(run["variant"]), run["seed"])):
        rates = [f"{run[kind]:.1%}" if kind in run else "–" for kind in kinds]
        rows.append([
            DESCRIPTIONS[run["variant"]], BEGAN[run["anew"]], run["seed"], *rates, f"{run['orientation']:.1%}",
            f"{run['lines']:,}", f"{run['minutes']:.0f}", f"{speeds[run['variant']]:.0f}",
        ])  # fmt: skip
    return markdown(head, rows)


def main() -> None:
    """Read the runs, measure the speeds, and write the table and the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs of encoder_contest")
    parser.add_argument("data", type=Path, help="folder that prepare_hands has written")
    parser.add_argument("--page", type=Path, help="Markdown file with the table's two marker comments")
    parser.add_argument("--json", type=Path, default=RESULTS / "encoder_contest.json")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    runs = [read_run(folder) for folder in options.runs]
    speeds = reading_speeds(sorted({run["variant"] for run in runs}), options.data, options.repeats)
    numbers = {"runs": runs, "lines_a_second": speeds}
    write_results(numbers, options.json, table(runs, speeds), [options.page], "encoder-contest", __file__)


if __name__ == "__main__":
    main()
