"""Read images of lines, and list the least certain lines first.

python examples/read_lines.py scans/ --adapter fr-hand-19
"""

import math
from pathlib import Path

import typer

from trocr_gsa import LineReader

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}


def main(folder: Path, adapter: str | None = None, model: str | None = None, doubtful: float = 0.8) -> None:
    """Print every line with the probability that its text has no error, in ascending order."""
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    lines = LineReader.from_pretrained(model, adapter).read(images)
    for line in sorted(lines, key=lambda line: line.confidence_for_sorting):
        if line.error is not None or math.isnan(line.confidence):  # unknown where no writing was found
            print(f"{line.source}: {line.error or line.note}")
            continue
        mark = "?" if line.confidence < doubtful else " "
        print(f"{mark} {line.confidence:4.0%}  turned by {line.orientation:3.0f}°  {line.source}: {line.text}")


if __name__ == "__main__":
    typer.run(main)
