"""One training that adapts the packaged reader to a hand, and the resulting error rates on that hand and other sets.

The packaged reader has been trained on every set that it is measured on, except for the documents held out. So a hand
that is new to it must come from a held-out document: some of its lines serve for training, others for testing.
"""

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import PeftModel
from safetensors.torch import save
from torch import Tensor

from trocr_gsa.checkpoints.training_state import load_state
from trocr_gsa.data import compile_lines
from trocr_gsa.data.samples import LineDataset, LineSample
from trocr_gsa.data.sources import open_source
from trocr_gsa.evaluation.evaluate import read_lines
from trocr_gsa.metrics import error_rates as metrics
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.reader import load_reader
from trocr_gsa.train.arguments import TrainingArguments, read_config
from trocr_gsa.train.finetune import finetune

CONFIG = "lora_packaged"
BASE: str | None = None  # the packaged checkpoint
ALL = slice(None)
COMPARED = 4  # number of lines whose logits are compared to check that an adapter was removed


@dataclass(frozen=True)
class Hand:
    """The lines of a hand: its set, and for each part the split of the set and a slice of the split."""

    description: str
    source: str
    learn: tuple[str, slice]
    validation: tuple[str, slice]
    test: tuple[str, slice]


HANDS = {
    "tessier": Hand(
        "one letter that the packaged reader never saw",
        "cremma-mss-19", ("test", slice(42, 122)), ("test", slice(122, 142)), ("test", slice(42)),
    ),
    "peraire": Hand(
        "one whose training lines the packaged reader has already learnt from, among all others",
        "peraire", ("train", ALL), ("validation", ALL), ("test", ALL),
    ),
}  # fmt: skip
OTHERS = ("fraktur-19", "htromance-modern-fr")  # sets on which forgetting is measured


@dataclass(frozen=True)
class Size:
    """Size of the trainings and of the evaluation. None for a number of lines means all.

    Attributes:
        learn: maximum number of training lines of the hand; drawn by the seed.
        validation: maximum number of validation lines, by which the learning rate is chosen.
        test: maximum number of test lines of the hand.
        others: maximum number of lines of each other set.
        steps: steps per training.
        batch_patches: patches per step.
        device: device to run on.
        crossed: if True, train all combinations; otherwise one change at a time.
    """

    learn: int | None
    validation: int | None
    test: int | None
    others: int | None
    steps: int
    batch_patches: int
    device: str
    crossed: bool


class Subset(LineDataset):
    """A subset of a data set."""

    def __init__(self, lines: LineDataset, places: Sequence[int]) -> None:
        self.lines, self.places = lines, places

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.places)

    def __getitem__(self, index: int) -> LineSample:
        """Return the line at a position of the subset."""
        return self.lines[self.places[index]]


def compile_sets(data: Path, folder: Path, hand: Hand, size: Size) -> None:
    """Write the missing files: `learn`, `validation` and `test` of a hand, and one file for each other set.

    If a set has more lines than `size` allows, the chosen lines are spread evenly over the set.
    """
    wanted = {
        "learn": (hand.source, *hand.learn, None),
        "validation": (hand.source, *hand.validation, size.validation),
        "test": (hand.source, *hand.test, size.test),
    } | {name: (name, "test", ALL, size.others) for name in OTHERS}
    folder.mkdir(parents=True, exist_ok=True)
    for part, (name, split, some, most) in wanted.items():
        if not (folder / f"{part}.parquet").is_file():
            lines = open_source(str(data / name), split)
            places = range(len(lines))[some]
            count = min(len(places), most or len(places))
            chosen = Subset(lines, [places[place * len(places) // count] for place in range(count)])
            with tempfile.TemporaryDirectory(dir=folder) as own:  # two shares may compile at the same time
                written = compile_lines(chosen, Path(own) / "lines.parquet").path
                written.replace(folder / f"{part}.parquet")


def train(changes: dict[str, Any], seed: int, rate: float, lines: Path, size: Size, output: Path) -> dict[str, Any]:
    """Train once, and return the validation error, the size of the trained weights, and the processor time.

    Args:
        changes: arguments that the variant changes.
        seed: seed of the weights, the order, the augmentation and the choice of lines.
        rate: learning rate.
        lines: folder that `compile_sets` has filled.
        size: size of the training.
        output: folder for the run.
    """
    on_cpu = size.device == "cpu"
    arguments = {
        "model": BASE, "train": [str(lines / "learn.parquet")], "validation": [str(lines / "validation.parquet")],
        "train_lines": size.learn, "validation_lines": None, "output": str(output), "learning_rate": rate, "seed": seed,
        "max_steps": size.steps, "max_minutes": None, "eval_every": size.steps, "log_every": size.steps,
        "warmup_steps": size.steps // 10, "batch_patches": size.batch_patches, "device": size.device,
        "precision": "fp32" if on_cpu else "auto", "attn_implementation": "eager" if on_cpu else "sdpa",
    }  # fmt: skip
    start = time.process_time()
    state = finetune(TrainingArguments.from_dict(read_config(CONFIG) | arguments | changes))
    weights: dict[str, Tensor] = load_state(output / "last")["weights"]
    return {
        "rate": rate,
        "seed": seed,
        "validation": state.best_cer,
        "minutes": (time.process_time() - start) / 60,
        "parameters": sum(weight.numel() for weight in weights.values()),
        "bytes": len(save({name: weight.half().contiguous() for name, weight in weights.items()})),
    }


def error_rates(reader: Any, processor: Any, lines: Path) -> dict[str, float]:
    """Return the character error rates on the hand's test lines, under `test`, and on the other sets."""
    rates = {}
    for name in ("test", *OTHERS):
        found = read_lines(reader, processor, all_lines(lines / f"{name}.parquet"), 0.0)
        rates[name] = metrics.error_rate([line.character_errors for line in found])
    return rates


def base_errors(lines: Path, size: Size) -> dict[str, Any]:
    """Return the error rates of the packaged reader without an adapter."""
    reader, processor = load_reader(BASE, device=size.device)
    return {"cer": error_rates(reader, processor, lines)}


def train_and_test(
    changes: dict[str, Any], seed: int, rate: float, lines: Path, size: Size, folder: Path
) -> dict[str, Any]:
    """Train once, and read the test lines with the result.

    Returns: the result of `train`, the error rates as `cer`, and for an adapter `removed_is_bit_equal`: whether the
        logits are those of the base after the adapter is removed (and differ while it is loaded).
    """
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        found = train(changes, seed, rate, lines, size, place / "run")
        best = place / "run" / "best"
        if changes.get("method") == "full":
            reader, processor = load_reader(best, device=size.device)
            return found | {"cer": error_rates(reader, processor, lines)}
        reader, processor = load_reader(BASE, best, size.device)
        adapted = cast(PeftModel, reader)
        found["cer"] = error_rates(adapted.get_base_model(), processor, lines)
        return found | {"removed_is_bit_equal": removal_is_exact(adapted, processor, lines, size.device)}
    finally:
        shutil.rmtree(place)


def validate(changes: dict[str, Any], seed: int, rate: float, lines: Path, size: Size, folder: Path) -> dict[str, Any]:
    """Train once, and return the result of `train`; no test line is read, and the run is deleted."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        return train(changes, seed, rate, lines, size, Path(place) / "run")


@torch.no_grad()
def removal_is_exact(adapted: PeftModel, processor: Any, lines: Path, device: str) -> bool:
    """Return whether an adapter changes the logits, and they equal the base's bit by bit after it is removed."""
    some = all_lines(lines / "test.parquet")[:COMPARED]
    batch = processor(images=[line.image for line in some], text=[line.text for line in some]).to(device)
    base = cast(TrOCRGSAModel, load_reader(BASE, device=device)[0])
    before, loaded = base(**batch).logits, adapted(**batch).logits
    return not loaded.equal(before) and adapted.unload()(**batch).logits.equal(before)


def all_lines(file: Path) -> list[LineSample]:
    """Return the lines of a file."""
    return list(open_source(str(file)))
