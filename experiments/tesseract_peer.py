"""Tesseract as a reader of single lines, for comparison."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from experiments.accuracy_readings import Contestant, Reads
from trocr_gsa.data.line import Line
from trocr_gsa.data.samples import LineSample
from trocr_gsa.evaluation.evaluate import rotate_image
from trocr_gsa.evaluation.scored_line import ScoredLine

LINE_MODE, PAGE_MODE_WITH_ORIENTATION = 13, 1


def tesseract(language: str) -> Contestant | None:
    """Return Tesseract with one of its languages; None if Tesseract or the language is not installed.

    It reads upright lines without layout analysis (`--psm 13`), and turned lines as pages with orientation detection
    (`--psm 1`).
    """
    program = shutil.which("tesseract")
    if program is None:
        return None
    known = subprocess.run([program, "--list-langs"], capture_output=True, text=True, check=True).stdout.split()
    if language not in known:
        return None
    output = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"tesseract (\S+)", output)
    version = found[1] if found else "unknown"

    def load() -> Reads:
        return lambda lines, angle: _read(program, language, lines, angle)

    return Contestant(f"Tesseract {version} `{language}`", f"tesseract-{version}-{language}", load)


def _read(program: str, language: str, lines: Sequence[LineSample], angle: float) -> list[ScoredLine]:
    mode = LINE_MODE if angle == 0 else PAGE_MODE_WITH_ORIENTATION
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number:05}.png" for number in range(len(lines))]
        for path, line in zip(paths, lines, strict=True):
            rotate_image(line.image, angle).save(path)
        return [
            ScoredLine(line, angle, Line(_read_one(program, language, path, mode), 0.0, 0.0))
            for path, line in zip(paths, lines, strict=True)
        ]


def _read_one(program: str, language: str, path: Path, mode: int) -> str:
    command = [program, str(path), "stdout", "-l", language, "--psm", str(mode)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"OMP_THREAD_LIMIT": "1"})
    return " ".join(done.stdout.split())  # it fails on pages where it finds no text; the result is then empty
