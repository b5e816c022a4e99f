"""Estimate the cost of reading many lines from measurements: core-hours, machines, storage and disk throughput.

    python -m benchmarks scale fraktur-19/test/

The speed is that of the packaged reader on one core. It follows from the processor time per line, summed over all
cores, in benchmarks/results/reading.json, which `python -m benchmarks reading` writes. The size of an image is the mean
over the folder. The size of a result is the mean over some of these images, which this program reads. The table is
written to docs/scale.md.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.marked_tables import markdown, write_between_markers
from trocr_gsa.data.images import PICTURE_SUFFIXES
from trocr_gsa.data.numbers import to_json
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.parts import Parts

ROW = "trocr-gsa"
HOURS_A_MONTH = 30 * 24
SAMPLE = 64  # number of images that are read to measure the size of a result


@dataclass(frozen=True)
class Sizes:
    """Mean sizes in bytes: of an image, and of a line's result in a jsonl file and in a part."""

    picture: float
    result: float
    part: float


def read_speed(path: Path) -> float:
    """Return the measured speed of the packaged reader, in lines per second of one core.

    Raises:
        ValueError: if the file is missing, or has no row of the packaged reader.
    """
    run = f"Run `python -m benchmarks reading`, which writes {path}."
    if not path.is_file():
        raise ValueError(f"`--speed`: there is no {path}. {run}")
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    found = [1 / row["processor_seconds_per_line"] for row in rows if row["reader"] == ROW]
    if not found:
        raise ValueError(f"`--speed`: {path} has no row of {ROW}. {run}")
    return float(found[0])


def measure_sizes(folder: Path) -> Sizes:
    """Return the mean sizes of a folder's images, and of the results of the first `SAMPLE` of them.

    Raises:
        ValueError: if the folder contains no image.
    """
    pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    if not pictures:
        raise ValueError(f"`folder`: {folder} contains no image. Give a folder with images of lines.")
    lines = [line for line in LineReader.from_pretrained().read(pictures[:SAMPLE]) if line.error is None]
    results = [len(to_json(line.as_fields(), ensure_ascii=False).encode()) + 1 for line in lines]
    with tempfile.TemporaryDirectory() as place:
        parts = Parts(Path(place) / "out", {}, len(lines))
        parts.begin(anew=False)
        with parts.writer() as add:
            add(dict(enumerate(lines)))
        held = sum(path.stat().st_size for path in parts.folder.iterdir())
    sizes = [path.stat().st_size for path in pictures]
    return Sizes(sum(sizes) / len(sizes), sum(results) / len(lines), held / len(lines))


def costs(lines: int, speed: float, cores: int, sizes: Sizes) -> list[tuple[str, str]]:
    """Return the rows of the table: (quantity, value)."""
    core_hours = lines / speed / 3600
    gigabyte = 1e9
    return [
        ("lines", f"{lines:,}"),
        ("lines a second on one core, measured", f"{speed:.1f}"),
        ("core-hours", f"{core_hours:,.0f}"),
        (f"machines of {cores} cores that do it in 30 days", f"{core_hours / HOURS_A_MONTH / cores:,.1f}"),
        ("mean picture, measured", f"{sizes.picture / 1e3:.1f} kB"),
        ("pictures", f"{lines * sizes.picture / gigabyte:,.0f} GB"),
        ("read from disk by a core", f"{speed * sizes.picture / 1e6:.2f} MB/s in {speed:.1f} files"),
        (f"read from disk by a machine of {cores} cores", f"{cores * speed * sizes.picture / 1e6:.1f} MB/s"),
        ("results as jsonl", f"{lines * sizes.result / gigabyte:,.0f} GB, {sizes.result:.0f} bytes a line"),
        ("parts, until they are merged", f"{lines * sizes.part / gigabyte:,.0f} GB, {sizes.part:.0f} bytes a line"),
    ]


def main() -> None:
    """Compute the costs, and print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="images of lines like those that will be read")
    parser.add_argument("--lines", type=int, default=10**9)
    parser.add_argument("--cores", type=int, default=64, help="cores per machine")
    parser.add_argument("--speed", type=Path, default=Path("benchmarks/results/reading.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/scale.md"))
    options = parser.parse_args()
    try:
        speed = read_speed(options.speed)
        table = markdown(
            ["what", "how much"], costs(options.lines, speed, options.cores, measure_sizes(options.folder))
        )
    except ValueError as error:
        parser.error(str(error))
    print(table)
    write_between_markers(options.page, "costs", __file__, table)
