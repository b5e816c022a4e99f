"""Correction queue: the least certain lines, as pairs of image and text for people to correct and for training."""

from __future__ import annotations

import csv
import heapq
import io
import math
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from trocr_gsa.atomic import write_bytes

from .images import PICTURE_SUFFIXES
from .line import Line
from .names import writable
from .numbers import significant

LIST = "queue.csv"
IN_A_NAME = re.compile(r"[^\w.-]+")
MAX_NAME_LENGTH = 80  # characters of a line's name in a file name


class CorrectionQueue:
    """Collects lines, and writes those with the lowest confidence, the least certain first.

    Lines in which no writing was found come last.

    Args:
        count: number of lines to keep.
        folder: to write to; it must be empty or not exist.

    Raises:
        ValueError: if the folder is not empty: its lines may have been corrected.
    """

    def __init__(self, count: int, folder: Path) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ValueError(f"`--queue-dir`: {folder} is not empty. Choose another folder, or empty it.")
        self.count, self.folder = count, folder
        self._kept: list[tuple[float, int, Line, Callable[[], Image.Image]]] = []  # the most certain of them first
        self._seen = 0

    def add(self, line: Line, load: Callable[[], Image.Image]) -> None:
        """Keep a line if it is among the least certain so far.

        Args:
            line: with its source.
            load: returns its image.
        """
        self._seen += 1
        entry = (-line.confidence_for_sorting, -self._seen, line, load)
        if len(self._kept) < self.count:
            heapq.heappush(self._kept, entry)
        elif entry[:2] > self._kept[0][:2]:
            heapq.heapreplace(self._kept, entry)

    def write(self) -> list[str]:
        """Write `0001_NAME.png` and `0001_NAME.gt.txt` for each line, and a list; return messages about failures."""
        rows, problems = [["file", "confidence", "source", "text"]], []
        for number, (_, _, line, load) in enumerate(sorted(self._kept, key=lambda entry: (-entry[0], -entry[1])), 1):
            name = f"{number:04}_{_file_name(line.source)}"
            image = io.BytesIO()
            try:
                load().save(image, "PNG")
            except (OSError, ValueError) as error:
                problems.append(str(error))
                continue
            write_bytes(self.folder / f"{name}.png", image.getvalue())
            write_bytes(self.folder / f"{name}.gt.txt", f"{line.text}\n".encode(errors="backslashreplace"))
            sure = "" if math.isnan(line.confidence) else significant(line.confidence)
            rows.append([f"{name}.png", sure, writable(line.source), line.text])
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows(rows)
        write_bytes(self.folder / LIST, table.getvalue().encode(errors="backslashreplace"))
        return problems


def _file_name(source: str) -> str:
    """Return the last part of a line's source as a file name without suffix."""
    last = writable(source).replace("\\", "/").rsplit("/", 1)[-1]
    stem = next((last[: -len(end)] for end in PICTURE_SUFFIXES if last.lower().endswith(end)), last)
    return IN_A_NAME.sub("_", stem).strip("_")[-MAX_NAME_LENGTH:] or "line"
