"""What each choice in the small reader is worth: one change at a time, at equal computing time.

    OMP_NUM_THREADS=1 python scripts/ablations.py runs/ablations trocr_gsa/checkpoint/README.md --minutes 5

A smaller reader (128 wide, 4 layers) learns printed words from nothing, every variant for the same CPU time: the steps
that it may take follow from what a step costs it. Judged by the validation error of the CTC head, which falls long
before the decoder's, on words in fonts that it learnt from. Words are short and print is easy: what wins here by a
little may lose on lines. Variants that are done are not run again. Cost: `--minutes` a variant and a seed, one core.
"""

import argparse
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from marked_tables import has_markers, markdown, write_between_markers
from rendered_words import SEEN_FAMILIES, rendered_words

from trocr_gsa.data import compile_lines
from trocr_gsa.train.arguments import TrainingArguments, read_config
from trocr_gsa.train.build import build
from trocr_gsa.train.finetune import finetune
from trocr_gsa.train.results import Results

CONFIG = Path(__file__).parents[1] / "configs" / "base_small.yaml"
SMALL = {
    "encoder_hidden_size": 128, "encoder_num_hidden_layers": 4, "encoder_num_attention_heads": 4,
    "encoder_intermediate_size": 512, "decoder_d_model": 128, "decoder_layers": 1, "decoder_ffn_dim": 512,
    "batch_patches": 1500, "warmup_steps": 30, "ema": 0.98, "learning_rate": 2.0e-3, "augment": False,
    "max_minutes": None, "device": "cpu", "validation_lines": 300,
}  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "as it stands: K = 1, patches of 16, centred": {},
    "K = 0: the lifting layer alone sees all poses": {"encoder_pose_layers": 0},
    "K = 2": {"encoder_pose_layers": 2},
    "K = 4 = L: every layer sees all poses": {"encoder_pose_layers": 4},
    "patches of 8, lines 24 high": {"encoder_patch_size": 8, "line_height": 24, "ctc_steps_per_patch": 2},
    "patches of 8, lines 48 high": {"encoder_patch_size": 8, "ctc_steps_per_patch": 2, "max_patches": 3072},
    "no absolute position": {"encoder_absolute_position": "none"},
    "pose_sum: query": {"encoder_pose_sum": "query"},
    "pose_sum: encoding": {"encoder_pose_sum": "encoding"},
    "wide and flat: 176 wide, 2 layers": {
        "encoder_hidden_size": 176, "encoder_intermediate_size": 704, "encoder_num_hidden_layers": 2,
    },
    "narrow and deep: 96 wide, 8 layers": {
        "encoder_hidden_size": 96, "encoder_intermediate_size": 384, "encoder_num_hidden_layers": 8,
    },
    "C1: no group at all": {"encoder_group": "C1"},
}  # fmt: skip
PROBE = 12  # steps whose cost is measured
TRAINING_WORDS, VALIDATION_WORDS = 6000, 300


def make_words(folder: Path) -> tuple[str, str]:
    """Render the words once; return the files to learn from and to judge by."""
    paths = folder / "words-train.parquet", folder / "words-validation.parquet"
    for path, size, seed in zip(paths, (TRAINING_WORDS, VALIDATION_WORDS), (0, 1_000_000), strict=True):
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            compile_lines(rendered_words(SEEN_FAMILIES, size, seed), path)
    return str(paths[0]), str(paths[1])


def arguments_of(changes: dict[str, Any], words: tuple[str, str], output: Path, steps: int) -> TrainingArguments:
    """Return the training of one variant."""
    told = {"train": [words[0]], "validation": [words[1]], "output": str(output)}
    lengths = {"max_steps": steps, "eval_every": steps, "log_every": max(1, steps // 10)}
    return TrainingArguments.from_dict(read_config(CONFIG) | SMALL | changes | told | lengths)


def seconds_a_step(arguments: TrainingArguments, folder: Path) -> float:
    """Return the CPU seconds of a step, from the difference between a long and a short run without validation."""
    spent = []
    for steps in (1, 1 + PROBE):
        probe = replace(arguments, max_steps=steps, validation=[], output=str(folder / f"probe-{steps}"))
        start = time.process_time()
        finetune(probe)
        spent.append(time.process_time() - start)
    return (spent[1] - spent[0]) / PROBE


def run(name: str, changes: dict[str, Any], words: tuple[str, str], folder: Path, minutes: float) -> dict[str, Any]:
    """Train one variant and return its row; one that is done is looked up."""
    place = folder / "".join(letter if letter.isalnum() else "-" for letter in name)
    row = place / "row.json"
    if row.is_file():
        return json.loads(row.read_text(encoding="utf-8"))
    shutil.rmtree(place, ignore_errors=True)  # what a run that was stopped left: it would not be the same time anew
    cost = seconds_a_step(arguments_of(changes, words, place / "run", 1), place)
    steps = max(1, round(60 * minutes / cost))
    arguments = arguments_of(changes, words, place / "run", steps)
    parameters = sum(weight.numel() for weight in build(arguments)[1].encoder.parameters())
    finetune(arguments)
    log = [json.loads(line) for line in (place / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    last = next(entry for entry in reversed(log) if "cer_columns" in entry)
    results = Results.read(str(place / "run" / "last"))
    measured = {key: last[key] for key in ("cer", "cer_columns", "orientation_accuracy")}
    found = {"variant": name, "parameters": parameters, "steps": results and results.steps, "cost": cost} | measured
    row.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(json.dumps(found), flush=True)
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    head = ["variant", "encoder parameters", "steps", "ms a step", "CER of the CTC head", "CER", "way up right"]
    return markdown(
        head,
        [
            [
                row["variant"],
                f"{row['parameters']:,}",
                row["steps"],
                f"{1000 * row['cost']:.0f}",
                *(f"{row[key]:.1%}" for key in ("cer_columns", "cer", "orientation_accuracy")),
            ]
            for row in rows
        ],
    )


def main() -> None:
    """Run what is not done, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for the words and the runs")
    parser.add_argument("pages", type=Path, nargs="*", help="Markdown files with markers")
    parser.add_argument("--minutes", type=float, default=5.0, help="of CPU time for each variant")
    parser.add_argument("--share", metavar="1/2", help="run the first of two shares of the variants, write nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    words = make_words(arguments.folder)
    part, parts = map(int, (arguments.share or "1/1").split("/"))
    chosen = list(VARIANTS.items())[part - 1 :: parts]
    rows = [run(name, changes, words, arguments.folder, arguments.minutes) for name, changes in chosen]
    if not arguments.share:
        text = table(rows)
        for page in arguments.pages:
            if has_markers(page, "ablations", __file__):
                write_between_markers(page, "ablations", __file__, text)
        print(text)


if __name__ == "__main__":
    main()
