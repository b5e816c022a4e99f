"""Train the packaged adapters, and for comparison adapters from fewer lines and trainings of all weights.

    python -m experiments train_adapters lines/ runs/adapters                     (all, one after the other)
    python -m experiments train_adapters lines/ runs/adapters --only peraire peraire-50 peraire-full
    python -m experiments train_adapters lines/ runs/adapters --package  (put the finished ones into the package)

`lines/` contains `<set>-train.parquet` and `<set>-validation.parquet`, written by `trocr-gsa compile`. Each run has a
time limit (4 minutes; 2 with fewer lines). A stopped run continues, and a finished run is skipped. All start from the
packaged checkpoint, and `experiments/accuracy.py --runs runs/adapters` measures them.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from peft import PeftConfig
from safetensors.torch import load_file, save_file

from trocr_gsa.checkpoints.models import PACKAGED_ADAPTERS
from trocr_gsa.checkpoints.results import Results
from trocr_gsa.data.numbers import to_json
from trocr_gsa.train.arguments import TrainingArguments, read_config
from trocr_gsa.train.finetune import finetune

ADAPTERS = {
    "de-fraktur-19": ("fraktur-19",),
    "fr-hand-19": ("htromance-modern-fr", "cremma-mss-19"),
    "peraire": ("peraire",),
}  # name of the adapter: its training sets
FEWER_LINES = (50, 200, 800)
FULL_LEARNING_RATE = 5.0e-4  # for training all weights: a quarter of the adapters' learning rate
LARGEST = 1_500_000  # maximum size of a packaged adapter in bytes
CONFIG = "lora_packaged"


@dataclass(frozen=True)
class Run:
    """One training from the packaged checkpoint.

    Attributes:
        adapter: name of the adapter whose training sets are used.
        method: "lora" trains an adapter, "full" all weights.
        lines: maximum number of training lines per set; None: all.
        minutes: time limit in minutes.
        targets: layers that are trained.
    """

    adapter: str
    method: Literal["lora", "full"] = "lora"
    lines: int | None = None
    minutes: float = 4.0
    targets: Literal["both", "behind_pose"] = "behind_pose"

    @property
    def name(self) -> str:
        """Name of its folder."""
        return self.adapter + ("-full" if self.method == "full" else "") + (f"-{self.lines}" if self.lines else "")

    @property
    def sets(self) -> tuple[str, ...]:
        """Names of its training sets."""
        return ADAPTERS[self.adapter]

    def arguments(self, lines: Path, output: Path) -> TrainingArguments:
        """Return the training arguments of the run."""
        values = read_config(CONFIG)
        validation = [lines / f"{name}-validation.parquet" for name in self.sets]
        values |= {
            "train": [str(lines / f"{name}-train.parquet") for name in self.sets],
            "validation": [str(path) for path in validation if path.is_file()],
            "train_lines": self.lines,
            "method": self.method,
            "targets": self.targets,
            "max_minutes": self.minutes,
            "output": str(output / self.name),
            "resume": (output / self.name / "last").is_dir(),
        }
        if self.method == "full":
            values |= {"learning_rate": FULL_LEARNING_RATE, "weight_decay": 0.05}
        return TrainingArguments.from_dict(values)


RUNS = [
    # experiments/theorems.py uses this adapter, as it changes the layers on all poses
    Run("de-fraktur-19", targets="both"),
    Run("fr-hand-19"),
    Run("peraire"),
    *(Run(name, "full", targets="both") for name in ADAPTERS),
    *(Run("peraire", lines=count, minutes=2.0) for count in FEWER_LINES),
]


def is_done(run: Run, output: Path) -> bool:
    """Return whether a run has used its time."""
    last = output / run.name / "last"
    results = Results.read(str(last)) if last.is_dir() else None
    return results is not None and results.minutes >= run.minutes


def package(run: Run, output: Path) -> int:
    """Copy a finished adapter to the package in float16, without paths of this machine, and return its size in bytes.

    Raises:
        ValueError: if it has no results, or is larger than `LARGEST`.
    """
    source, target = output / run.name / "best", PACKAGED_ADAPTERS / run.name
    target.mkdir(parents=True, exist_ok=True)
    weights = {name: weight.half() for name, weight in load_file(source / "adapter_model.safetensors").items()}
    save_file(weights, target / "adapter_model.safetensors", metadata={"format": "pt"})
    config: Any = PeftConfig.from_pretrained(str(source))
    config.base_model_name_or_path = None  # results.json names the base by its weights
    config.save_pretrained(str(target))
    results = Results.read(str(source))
    if results is None:
        raise ValueError(f"`output`: {source} has no results.json.")
    sets = [f"{name} (train)" for name in run.sets]
    rows = [replace(row, name=f"{Path(row.name).name.split('-validation')[0]} (validation)") for row in results.rows]
    settings = {
        key: value for key, value in results.settings.items() if key not in ("train", "validation", "output", "resume")
    }
    replace(results, base="trocr-gsa-small", train=sets, rows=rows, settings=settings).write(target)
    size = sum(file.stat().st_size for file in target.iterdir())
    if size > LARGEST:
        raise ValueError(f"`output`: {source} takes {size:,} bytes in float16, more than {LARGEST:,}. Lower the rank.")
    return size


def main() -> None:
    """Run the missing trainings, or package the finished ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path, help="folder with compiled sets")
    parser.add_argument("output", type=Path, help="folder of the runs")
    parser.add_argument("--only", nargs="+", choices=[run.name for run in RUNS], help="these runs; by default all")
    parser.add_argument("--package", action="store_true", help="copy the finished adapters into the package")
    arguments = parser.parse_args()
    for run in RUNS:
        if arguments.only and run.name not in arguments.only:
            continue
        if arguments.package:
            if run.name in ADAPTERS:
                print(f"{run.name}: {package(run, arguments.output):,} bytes")
        elif not is_done(run, arguments.output):
            state = finetune(run.arguments(arguments.lines, arguments.output))
            print(to_json({"run": run.name, "steps": state.step, "minutes": state.seconds / 60}), flush=True)
