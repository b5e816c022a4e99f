"""Learns from corrected lines in the background, and measures what it has brought on lines that were held out.

What is unusual: the training is a process of its own, `trocr-gsa finetune lora_few_lines`, so that reading goes on
beside it, and it can be ended at any time.
"""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from PIL import Image

from trocr_gsa.data.sources import TRUTH_SUFFIX
from trocr_gsa.metrics.error_rates import cer
from trocr_gsa.reader import LineReader

logger = logging.getLogger(__name__)

CONFIG = "lora_few_lines"
LEAST_LINES = 25  # that must be corrected
HELD_OUT = 5  # one of so many corrected lines is held out


@dataclass(frozen=True)
class Lesson:
    """A corrected line.

    Attributes:
        name: of the line.
        image: its picture.
        text: its text.
    """

    name: str
    image: Image.Image
    text: str


@dataclass(frozen=True)
class Progress:
    """How far the learning is.

    Attributes:
        stage: "idle", "learning", "done" or "failed".
        share: of the training that is done, in [0, 1].
        learned: number of lines that were learned from.
        held_out: number of lines that were held out.
        before: CER on these, by the reader as it was.
        after: CER on these, with the adapter.
        adapter: folder of the adapter.
        problem: why it failed.
    """

    stage: str = "idle"
    share: float = 0.0
    learned: int = 0
    held_out: int = 0
    before: float | None = None
    after: float | None = None
    adapter: Path | None = None
    problem: str | None = None


class Teacher:
    """Trains one adapter at a time.

    Args:
        reader: the reader as it is; it reads the held-out lines first.
        load: returns the reader with an adapter, from its folder.
        output: folder for the runs, one folder each: 1, 2, …
        settings: keys of the training, such as `model`.
    """

    def __init__(
        self,
        reader: LineReader,
        load: Callable[[Path], LineReader],
        output: Path,
        settings: Mapping[str, Any],
    ) -> None:
        self.reader, self.load, self.output, self.settings = reader, load, output, settings
        self.taught: LineReader | None = None
        self._progress, self._lock, self._stopped = Progress(), Lock(), Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread: Thread | None = None
        self._run: Path | None = None

    @property
    def progress(self) -> Progress:
        """How far the learning is now."""
        progress, run = self._progress, self._run
        if progress.stage == "learning" and run is not None:
            return replace(progress, share=min(1.0, _steps(run / "log.jsonl") / self._max_steps()))
        return progress

    def start(self, lessons: Sequence[Lesson]) -> None:
        """Begin to learn.

        Raises:
            ValueError: if there are too few lines, or a training is going on.
        """
        if len(lessons) < LEAST_LINES:
            raise ValueError(f"{LEAST_LINES} corrected lines are needed, and there are {len(lessons)}. Correct more.")
        with self._lock:
            if self._progress.stage == "learning":
                raise ValueError("the reader is learning already. Wait until it has finished.")
            held_out, learned = split(lessons)
            self._progress = Progress("learning", learned=len(learned), held_out=len(held_out))
            self._stopped.clear()
        self._run = None
        self._thread = Thread(target=self._learn, args=(learned, held_out), daemon=True)
        self._thread.start()

    def wait(self) -> Progress:
        """Wait until the training is over, and return what it has brought."""
        if self._thread is not None:
            self._thread.join()
        return self._progress

    def stop(self) -> None:
        """End a training that is going on, or is about to begin."""
        with self._lock:
            self._stopped.set()
            if self._process is not None:
                self._process.terminate()
        self.wait()

    def _learn(self, learned: Sequence[Lesson], held_out: Sequence[Lesson]) -> None:
        try:
            folder = _new_folder(self.output)
            _write(folder / "lines", learned)
            before = self._error_rate(self.reader, held_out)
            adapter = self._train(folder)
            taught = self.load(adapter)
            after = self._error_rate(taught, held_out)
        except Exception as error:  # the page shows it; another training may be started
            is_expected = isinstance(error, (ValueError, OSError, RuntimeError))
            logger.warning("the training failed: %s", error, exc_info=not is_expected)
            self._progress = replace(self._progress, stage="failed", problem=str(error) or type(error).__name__)
            return
        self.taught = taught
        self._progress = replace(self._progress, stage="done", share=1.0, before=before, after=after, adapter=adapter)

    def _train(self, folder: Path) -> Path:
        """Run the training, and return the adapter's folder.

        Raises:
            ValueError: if it fails.
        """
        run = self._run = folder / "run"
        keys = {"train": folder / "lines", "output": run, "log_every": 1} | dict(self.settings)
        words = [f"{key}={value}" for key, value in keys.items()]
        command = [sys.executable, "-m", "trocr_gsa", "finetune", CONFIG, *words]
        with self._lock:
            if self._stopped.is_set():
                raise ValueError("the training ended early: it was stopped")
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            self._process = process
        _, said = process.communicate()
        if not (run / "best").is_dir():
            last = said.strip().splitlines()[-1:] or ["it was stopped"]
            raise ValueError(f"the training ended early: {last[0]}")
        return run / "best"

    def _error_rate(self, reader: LineReader, lessons: Sequence[Lesson]) -> float:
        read = reader.read([lesson.image for lesson in lessons], are_cut=True)
        return cer([lesson.text for lesson in lessons], [line.text for line in read])

    def _max_steps(self) -> int:
        from trocr_gsa.train.arguments import read_config

        return int(self.settings.get("max_steps") or read_config(CONFIG)["max_steps"])


def split(lessons: Sequence[Lesson]) -> tuple[list[Lesson], list[Lesson]]:
    """Return the lines that are held out, and the others: by their names, so that more lines change little."""
    by_chance = sorted(lessons, key=lambda lesson: hashlib.sha256(lesson.name.encode()).digest())
    count = len(lessons) // HELD_OUT
    return by_chance[:count], by_chance[count:]


def _new_folder(output: Path) -> Path:
    """Create and return the first of the folders 1, 2, … that does not exist."""
    number = 1
    while True:
        try:
            (output / str(number)).mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return output / str(number)


def _write(folder: Path, lessons: Sequence[Lesson]) -> None:
    folder.mkdir()
    for number, lesson in enumerate(lessons, 1):
        lesson.image.save(folder / f"{number:04}.png")
        (folder / f"{number:04}{TRUTH_SUFFIX}").write_text(f"{lesson.text}\n", encoding="utf-8")


def _steps(log: Path) -> int:
    """Return the last step in a log; 0 if there is none yet."""
    from trocr_gsa.train.learning_curve import read_log

    return max((entry["step"] for entry in read_log(log)), default=0)
