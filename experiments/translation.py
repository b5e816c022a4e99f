"""Train adapters that write another text than the line has: dates in digits, modern spelling.

    python -m experiments translation lines runs/translation fonts/
    python -m experiments translation train runs/translation --task date --minutes 20
    python -m experiments translation test runs/translation
    python -m experiments translation write runs/translation

`fonts/` has the folders `cursive` and `casual` of `experiments/font_folder.py`, and for the spelling also `old print`
and `fraktur`; Debian's packages wngerman, wogerman and wfrench have the words.

- `lines` draws the lines. The fonts to test with have no family in common with the others, and no test line has a text
  of a training line. The packaged reader itself has been trained on lines in these families, but on other texts.
- `train` trains a LoRA adapter for each task, from the packaged reader or from `--model`.
- `test` reads the test lines at every quarter turn as `trocr-gsa read --also` does, and for the spelling compares with
  a transcription whose words are looked up in a dictionary.
- `write` writes the results into docs/evidence.md.

Every stage can be repeated; what is there is kept. `--size dry` tries everything in a minute, with numbers that mean
nothing, and writes no results.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from benchmarks.marked_tables import markdown, write_between_markers
from experiments import translation_scores as scores
from experiments.old_spelling import Dictionary, spelling_pairs
from experiments.paired_lines import split_hands, write_pairs
from experiments.record import PAGE, RESULTS, once
from experiments.written_dates import date_pairs
from trocr_gsa.atomic import write_json
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.sources import open_source
from trocr_gsa.evaluation.evaluate import rotate_image
from trocr_gsa.metrics.error_rates import count_character_errors, error_rate
from trocr_gsa.reader import Line, LineReader
from trocr_gsa.train.arguments import TrainingArguments, read_config
from trocr_gsa.train.finetune import finetune

TURNS = (0, 90, 180, 270)
CONFIG = "lora_packaged"
LARGEST = 1_000_000  # bytes of an adapter
TEST_SEED = 1 << 30  # of texts and images; training lines have smaller ones
WEIGHTS = "adapter_model.safetensors"
LEGIBLE = 0.1  # CER of a transcription up to which its line counts as legible to the reader
WRITERS = {
    "adapter": "adapter",
    "legible": f"adapter, lines transcribed with at most {LEGIBLE:.0%} CER",
    "dictionary": "dictionary",
}  # keys of the scores → what the table calls them


@dataclass(frozen=True)
class Task:
    """What an adapter learns to write.

    Attributes:
        pairs: function from a number of texts and a seed to texts → what to write.
        folders: folders of fonts.
        looks_up: whether a dictionary is a rival.
    """

    pairs: Callable[[int, int], dict[str, str]]
    folders: tuple[str, ...]
    looks_up: bool = False


TASKS = {
    "date": Task(date_pairs, ("cursive", "casual")),
    "spelling": Task(spelling_pairs, ("cursive", "casual", "old print", "fraktur"), looks_up=True),
}


@dataclass(frozen=True)
class Size:
    """Size of the experiment.

    Attributes:
        learn: training lines.
        hands: families that are tested with.
        lines_of_a_hand: test lines of each family.
        steps: training steps; None: the minutes decide.
    """

    learn: int
    hands: int
    lines_of_a_hand: int
    steps: int | None = None


SIZES = {"full": Size(12_000, 100, 5), "dry": Size(24, 2, 2, steps=2)}


def draw(task: str, size: Size, folder: Path, fonts: Path) -> None:
    """Draw the training and test lines of a task that are missing."""
    spec, test = TASKS[task], size.hands * size.lines_of_a_hand
    paths = {name: folder / f"{task}-{name}.parquet" for name in ("train", "test")}
    if all(path.is_file() for path in paths.values()):
        return
    folder.mkdir(parents=True, exist_ok=True)
    seen, unseen = split_hands([fonts / name for name in spec.folders if (fonts / name).is_dir()], size.hands)
    learnt = spec.pairs(size.learn, 0)
    new = {text: meant for text, meant in spec.pairs(2 * test, TEST_SEED).items() if text not in learnt}
    write_pairs(paths["train"], seen, learnt, size.learn, 0, evenly=False)
    write_pairs(paths["test"], unseen, new, test, TEST_SEED, evenly=True)


def train(task: str, size: Size, folder: Path, model: str | None, minutes: float) -> dict[str, Any]:
    """Train the adapter of a task, and return its steps, minutes and size in bytes, over all runs that continued it."""
    output = folder / task
    values = {
        "model": model, "train": [str(folder / f"{task}-train.parquet")], "validation": [], "output": str(output),
        "ctc_loss_weight": 0.0, "max_minutes": minutes, "max_steps": size.steps, "resume": (output / "last").is_dir(),
    }  # fmt: skip
    state = finetune(TrainingArguments.from_dict(read_config(CONFIG) | values))
    weights = output / "best" / WEIGHTS
    save_file({name: each.half() for name, each in load_file(weights).items()}, weights, metadata={"format": "pt"})
    found = {
        "steps": state.step,
        "minutes": state.seconds / 60,
        "bytes": weights.stat().st_size,
        "model": model or "packaged",
    }
    if found["bytes"] >= LARGEST:
        raise ValueError(f"`rank`: {weights} has {found['bytes']:,} bytes, and must have less than {LARGEST:,}.")
    return found


def test(task: str, folder: Path, model: str | None) -> dict[str, Any]:
    """Read the test lines of a task at every quarter turn; return the scores of each turn, by its name."""
    torch.set_num_threads(1)  # sums over several threads may round differently, and bits are compared
    lines = list(open_source(str(folder / f"{task}-test.parquet")))
    plain = LineReader.from_pretrained(model)
    both = LineReader.from_pretrained(model, {task: str(folder / task / "best")})
    dictionary = Dictionary.of_all() if TASKS[task].looks_up else None
    return {str(turn): _test(task, lines, turn, plain, both, dictionary) for turn in TURNS}


def _test(
    task: str, lines: Sequence[LineSample], turn: int, plain: LineReader, both: LineReader, rival: Dictionary | None
) -> dict[str, Any]:
    images = [rotate_image(line.image, turn) for line in lines]
    without, read = plain.read(images, are_cut=True), both.read(images, are_cut=True, also=task)
    # a line that cannot be read has no text, and counts as wrong
    meant, hands = [line.text for line in lines], [line.document or line.name for line in lines]
    own = [line.also[0].text if line.also else "" for line in read]
    found: dict[str, Any] = {"adapter": scores.scored(meant, own, hands)}
    drawn = [line.name.partition(": ")[2] for line in lines]  # as `PairedLines` names them
    errors = [count_character_errors(*pair) for pair in zip(drawn, (line.text for line in without), strict=True)]
    found["transcription_cer"] = error_rate(errors)
    legible = [number for number, each in enumerate(errors) if error_rate([each]) <= LEGIBLE]
    if legible:
        some = [[texts[number] for number in legible] for texts in (meant, own, hands)]
        found["legible"] = scores.scored(*some) | {"lines": len(legible), "hands": len(set(some[2]))}
    if rival is not None:
        looked_up = [rival.modernised(line.text) for line in read]
        found["dictionary"] = scores.scored(meant, looked_up, hands)
        found["less_than_dictionary"] = scores.gain(meant, own, looked_up, hands)
    found["unread"] = sum(line.error is not None for line in read)
    return found | {"lines": len(lines), "hands": len(set(hands)), "is_bit_equal": _facts(without) == _facts(read)}


def _facts(lines: Sequence[Line]) -> list[tuple[Any, ...]]:
    """Return all that must not change when an adapter is loaded."""
    return [(line.text, line.confidence, line.orientation, line.character_confidences) for line in lines]


def verdict(results: Mapping[str, Any]) -> str:
    """Return the sentences that follow from the results."""
    found = []
    if "date" in results:
        least = min(turn["adapter"]["exact"] for turn in results["date"]["turns"].values())
        word = "Supported" if least >= scores.GOAL else "Not reached"
        found.append(
            f"**{word}: dates and numbers.** At the worst quarter turn {scores.percent(least)} of the lines are "
            f"exactly right; the goal is {scores.percent(scores.GOAL)}."
        )
    if "spelling" in results:
        gains = [turn["less_than_dictionary"] for turn in results["spelling"]["turns"].values()]
        wins, losses = sum(gain["low"] > 0 for gain in gains), sum(gain["high"] < 0 for gain in gains)
        word = {(len(gains), 0): "Better", (0, len(gains)): "Worse"}.get((wins, losses), "Undecided")
        found.append(
            f"**{word}: modern spelling**, compared with a transcription whose words are looked up, by the CER at all "
            "quarter turns."
        )
    equal = all(turn["is_bit_equal"] for each in results.values() for turn in each["turns"].values())
    found.append(f"The transcription is {'bit-equal' if equal else 'NOT bit-equal'} to that without the adapter.")
    for task, each in results.items():
        cer = max(turn["transcription_cer"] for turn in each["turns"].values())
        found.append(f"The reader transcribes the lines of `{task}` with a CER of {scores.percent(cer)}.")
        trained = each["training"]
        found.append(
            f"The adapter `{task}` has {trained['bytes'] / 1000:.0f} kB, and took {trained['steps']} steps, at most "
            f"{trained['minutes']:.0f} minutes of one processor core, from the {trained['model']} reader."
        )
    return " ".join(found)


def table(results: Mapping[str, Any]) -> str:
    """Return the scores as Markdown."""
    head = ["task", "turn", "lines", "hands", "written by", "exactly right", "chrF", "CER"]
    rows = [
        [
            task,
            f"{turn}°",
            *(one[writer].get(key, one[key]) for key in ("lines", "hands")),
            name,
            *map(scores.with_interval, _cells(one[writer])),
        ]
        for task, each in results.items()
        for turn, one in each["turns"].items()
        for writer, name in WRITERS.items()
        if writer in one
    ]
    return markdown(head, rows)


def _cells(score: Mapping[str, float]) -> list[tuple[float, float, float]]:
    return [(score[name], score[f"{name}_low"], score[f"{name}_high"]) for name in ("exact", "chrf", "cer")]


def write(tasks: Sequence[str], size: Size, folder: Path) -> None:
    """Write the results of the tasks that were tested: numbers, verdict and table."""
    results = {
        task: {"training": _read(folder / f"{task}-training.json"), "turns": _read(folder / f"{task}-test.json")}
        for task in tasks
        if (folder / f"{task}-test.json").is_file()
    }
    if not results:
        raise ValueError(f"`folder`: no task was tested in {folder}. Run the stages lines, train and test first.")
    text = f"{verdict(results)}\n\n{table(results)}"
    print(text)
    if size == SIZES["full"]:
        write_json(RESULTS / "translation.json", {"size": asdict(size), "tasks": results}, indent=1)
        write_between_markers(PAGE, "translation", __file__, text)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def main(words: Sequence[str] | None = None) -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["lines", "train", "test", "write"])
    parser.add_argument("folder", type=Path, help="folder for lines, adapters and results")
    parser.add_argument("fonts", type=Path, nargs="?", help="folder of the fonts, for the stage `lines`")
    parser.add_argument("--task", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--model", help="checkpoint to adapt; by default the packaged one")
    parser.add_argument("--minutes", type=float, default=20.0, help="time limit of a training")
    given = parser.parse_args(words)
    size: Size = SIZES[given.size]
    if given.stage == "lines" and given.fonts is None:
        parser.error("the stage `lines` needs the folder of the fonts")
    if given.stage == "write":
        write(given.task, size, given.folder)
        return
    for task in given.task:
        path = given.folder / f"{task}-{'training' if given.stage == 'train' else 'test'}.json"
        if given.stage == "lines":
            draw(task, size, given.folder, given.fonts)
        elif given.stage == "train":
            once(path, lambda task=task: train(task, size, given.folder, given.model, given.minutes))
        else:
            once(path, lambda task=task: test(task, given.folder, given.model))
