"""Runs kraken's baseline segmenter, with the default model of its package, as a separate program.

What is unusual: kraken is not imported. Its requirements conflict with ours (click, rich, safetensors, torchvision), so
it is installed in its own environment, for example with `pipx install kraken`.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

PROGRAM = "kraken"
SERIALIZER = {"PAGE": "--pagexml", "ALTO": "--alto"}


class KrakenSegmenter:
    """Finds the lines of pages, as a `Segmenter`.

    Args:
        program: kraken's executable, of version 5 or later.
    """

    def __init__(self, program: str) -> None:
        self.program = program

    @classmethod
    def find(cls) -> Self:
        """Return a segmenter with the kraken on the PATH.

        Raises:
            ValueError: if there is none.
        """
        program = shutil.which(PROGRAM)
        if program is None:
            raise ValueError(
                "`--segment` needs the program kraken, which is not on the PATH. Install it in its own environment, "
                "because its requirements conflict with ours: pipx install kraken"
            )
        return cls(program)

    def __call__(self, pictures: Sequence[Path], kind: str) -> dict[Path, str]:
        """Find the lines of images; an image that stops kraken is reported, and kraken continues with the next one.

        Raises:
            ValueError: if kraken does not run at all.
        """
        problems: dict[Path, str] = {}
        left = list(pictures)
        while left:
            pairs = [word for path in left for word in ("--input", str(path), str(path.with_suffix(".xml")))]
            options = ["--raise-on-error", SERIALIZER[kind]]
            done = self._run([*options, *pairs, "segment", "--baseline"])
            left = [path for path in left if not path.with_suffix(".xml").exists()]
            if left:
                problems[left[0]] = f"kraken found no layout: {_last_line(done.stderr) or 'it stopped'}"
                left = left[1:]
                self._check()
        return problems

    def _check(self) -> None:
        done = self._run(["--version"])
        if done.returncode:
            raise ValueError(f"{self.program} does not run: {_last_line(done.stderr)}. Install it again.")

    def _run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.program, *words], capture_output=True, text=True, errors="replace", check=False)


def _last_line(words: str) -> str:
    lines = words.strip().splitlines()
    return lines[-1].strip() if lines else ""
