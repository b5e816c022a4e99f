"""The folder of a run: config.yaml, versions.json, log.jsonl, best/ and last/, each with its results.json.

What is unusual: the checkpoint before last/ is kept in a hidden folder. If the last state is damaged, the run continues
from there.
"""

import json
import logging
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from trocr_gsa.atomic import naming, previous, recover, remove_leftovers, write_json, write_text
from trocr_gsa.checkpoints.adapter_files import AdapterFiles
from trocr_gsa.checkpoints.results import WEIGHTS_FILE
from trocr_gsa.checkpoints.training_state import DamagedStateError, load_state
from trocr_gsa.data.numbers import to_json
from trocr_gsa.model.weight_files import read_json, read_shapes
from trocr_gsa.train.arguments import TrainingArguments, read_config

logger = logging.getLogger(__name__)

FREE_ON_RESUME = {
    "resume", "max_steps", "max_minutes", "eval_every", "log_every", "patience", "num_workers", "output", "device",
    "tensorboard", "save_minutes", "trust_remote_code",
}  # fmt: skip
RECORDED_PACKAGES = ("trocr-gsa", "torch", "transformers", "peft", "accelerate", "datasets", "tokenizers", "Pillow")


@dataclass
class RunState:
    """The state of a run, which together with the weights and the optimizer's moments is enough to continue.

    Attributes:
        step: number of steps, including skipped ones.
        seconds: duration of these steps.
        best_cer: lowest CER of all evaluations.
        evaluations_without_gain: number of evaluations since the best one.
        skipped: number of steps whose loss or gradient was not finite.
        skipped_in_a_row: number of skipped steps at the end.
        evaluated: the step of the last evaluation.
    """

    step: int = 0
    seconds: float = 0.0
    best_cer: float | None = None
    evaluations_without_gain: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    evaluated: int = -1

    def summary(self) -> str:
        """Return a short summary of the run."""
        cer = "" if self.best_cer is None else f", best CER {self.best_cer:.2%}"
        skipped = f", {self.skipped} skipped as not finite" if self.skipped else ""
        return f"{self.step} steps in {self.seconds / 60:.1f} minutes{skipped}{cer}"


class RunFolder:
    """The folder of one run.

    Args:
        arguments: arguments of the run; `output` is the folder.

    Raises:
        ValueError: if the folder already has a run, or, with `resume`, no run or a run with other settings.
    """

    def __init__(self, arguments: TrainingArguments) -> None:
        self.path = Path(arguments.output)
        self.best, self.last, self.log_file = self.path / "best", self.path / "last", self.path / "log.jsonl"
        self._last_is_damaged = False
        for folder in (self.last, self.best):
            recover(folder)
        if arguments.resume:
            self._check_same_run(arguments)
        elif self.last.exists():
            raise ValueError(
                f"`output`: {self.path} already holds a run. Choose another folder, or continue it with resume=true."
            )

    def open(self, arguments: TrainingArguments) -> None:
        """Write the files that are known before the first step."""
        remove_leftovers(self.path)
        settings = yaml.safe_dump(arguments.to_dict(), sort_keys=False, allow_unicode=True)
        write_text(self.path / "config.yaml", settings)
        write_json(self.path / "versions.json", _versions())

    def load_state(self) -> dict[str, Any]:
        """Read the last state of the run; if it is damaged, log a warning and read the one before it.

        Raises:
            ValueError: if there is no state from which the run can continue.
        """
        try:
            return load_state(self.last)
        except DamagedStateError as damage:
            if not previous(self.last).exists():
                raise ValueError(f"{damage} There is no earlier one: start again with another `output`.") from None
            try:
                state = load_state(previous(self.last))
            except DamagedStateError:
                raise ValueError(f"{damage} So is the one before it: start again with another `output`.") from None
            self._last_is_damaged = True
            logger.warning("%s The run continues from the checkpoint before it, step %d.", damage, state["run"]["step"])
            return state

    def has_best(self, method: str) -> bool:
        """Whether there is a best checkpoint that can be used; log a warning if it is damaged.

        Args:
            method: of the training; with "lora", the checkpoint is an adapter.
        """
        if not self.best.exists():
            return False
        try:
            if method == "lora":
                AdapterFiles.read(str(self.best))
            else:
                read_json(self.best / "config.json", "resume")
                read_shapes(self.best / WEIGHTS_FILE, "resume")
        except (ValueError, OSError) as error:
            logger.warning("The best checkpoint cannot be used: %s The best from here on replaces it.", error)
            return False
        return True

    def rewind(self, step: int) -> None:
        """Restore the folder to its state at a step: later log entries and checkpoints are removed."""
        if self._last_is_damaged:
            shutil.rmtree(self.last)
            recover(self.last)
            self._last_is_damaged = False
        if self.log_file.is_file():
            lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
            write_text(self.log_file, "".join(f"{line}\n" for line in lines if _is_logged_until(line, step)))

    def log(self, entry: dict[str, Any]) -> None:
        """Append one line to log.jsonl."""
        with naming(self.log_file), self.log_file.open("a", encoding="utf-8") as file:
            file.write(to_json(entry) + "\n")

    def _check_same_run(self, arguments: TrainingArguments) -> None:
        if not self.last.exists():
            raise ValueError(f"`resume`: there is no run to continue in {self.path}. Leave it out to start one.")
        now, before = arguments.to_dict(), self._written_settings()
        for key in sorted((now.keys() | before.keys()) - FREE_ON_RESUME):
            if now.get(key) != before.get(key):
                raise ValueError(
                    f"`{key}` is {now.get(key)}, but the run in {self.path} was started with {before.get(key)}: "
                    "a run continues with its own settings. Start another with `output` elsewhere."
                )

    def _written_settings(self) -> dict[str, Any]:
        """Return the settings of the run; keys that did not exist in its version have their defaults.

        Raises:
            ValueError: if their file is missing or damaged.
        """
        path = self.path / "config.yaml"
        try:
            if not path.is_file():
                raise ValueError("there is no such file.")
            written = read_config(path)
            settings = {key: value for key, value in written.items() if key not in FREE_ON_RESUME}
            return TrainingArguments.from_dict(settings).to_dict()
        except ValueError as error:
            raise ValueError(
                f"`resume`: {path}, which holds the settings of the run, cannot be used: {error} Restore it, or start "
                "again with another `output`."
            ) from error


def _is_logged_until(line: str, step: int) -> bool:
    try:
        return json.loads(line)["step"] <= step
    except (ValueError, KeyError, TypeError):  # incomplete, because the run was killed
        return False


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "platform": platform.platform()}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions
