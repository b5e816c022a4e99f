"""Compare reading speed with Tesseract and with a stock TrOCR of the same size, on the same lines and cores.

    python -m benchmarks reading DATA/fraktur-19 DATA/htromance-modern-fr DATA/cremma-mss-19 DATA/peraire \
        --page docs/speed.md

The readers take turns within each round, so that other load on the machine affects all of them; results are the
medians over the rounds. Before the first round, each reader warms up on some of the lines. Each starts from images in
memory (Tesseract from files) and returns texts.

- This package reads with and without knowing that lines are upright (`orientation="upright"`). It decodes greedily, or
  with its CTC head alone (`num_beams=0`).
- Tesseract reads upright lines without layout analysis (`--psm 13`), with the model `frk` for sets named fraktur and
  `fra` for others. `--threads` single-threaded processes run in parallel; each starts once for all of its lines.
- The stock TrOCR reads squares of 384 pixels in patches of 16. Its weights are random, which does not affect speed. It
  generates as many tokens as the longest text of a batch has. To read lines of any orientation, it reads each line in
  four orientations.

This package and the stock TrOCR batch lines by the shape of their images. The rows are written to
benchmarks/results/reading.json.
"""

import argparse
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch

from benchmarks.marked_tables import markdown, write_results
from benchmarks.stock_reader import PAD, Shape, build_stock, squashed
from trocr_gsa import TrOCRGSAModel
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.sources import open_source
from trocr_gsa.metrics.error_rates import cer
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.precision import multiplies_in_bf16

OURS = "trocr-gsa"
STOCK = Shape(image_size=384, hidden_size=192, layers=7, heads=4, decoder_size=192, decoder_heads=4, longest=512)
QUARTERS = (0, 90, 180, 270)
WARMING = 8  # the warm-up reads every 8th line; otherwise the first reader also pays for allocating memory
Lines = Sequence[LineSample]
Way = Callable[[Lines], list[str] | None]  # returns texts; None for a reader with random weights


@dataclass(frozen=True)
class Row:
    """Results of one reader.

    Attributes:
        reader: name of the reader.
        lines_per_second: lines per second of wall-clock time.
        ratio: `lines_per_second` divided by that of this package; below 1 the other reader is slower.
        processor_seconds_per_line: processor time per line of all threads and processes together, in seconds.
        cer: character error rate; None if the weights are random.
        parameters: number of parameters; None if unknown.
    """

    reader: str
    lines_per_second: float
    ratio: float
    processor_seconds_per_line: float
    cer: float | None
    parameters: int | None


def choose_lines(sources: Sequence[str], split: str, count: int) -> dict[str, list[LineSample]]:
    """Return `count` lines, spread evenly over all sources, as a dictionary from source to lines."""
    sets = {source: open_source(source, split) for source in sources}
    total = sum(map(len, sets.values()))
    places = [place * total // min(count, total) for place in range(min(count, total))]
    chosen: dict[str, list[LineSample]] = {}
    first = 0
    for source, lines in sets.items():
        chosen[source] = [lines[place - first] for place in places if first <= place < first + len(lines)]
        first += len(lines)
    return chosen


def ours(reader: LineReader, **how: Any) -> Way:
    """Return a function that reads with this package; `how` are the options of `LineReader.read`."""
    return lambda lines: [line.text for line in reader.read([line.image for line in lines], **how)]


def stock(batch_size: int, angles: Sequence[int]) -> tuple[Way, int]:
    """Return a function that reads lines at the given angles with a stock TrOCR, and its number of parameters."""
    model, processor = build_stock(STOCK)
    model.eval()

    @torch.inference_mode()
    def read(lines: Lines) -> None:
        ordered = sorted(lines, key=lambda line: line.image.width / line.image.height)
        for start in range(0, len(ordered), batch_size):
            batch = ordered[start : start + batch_size]
            tokens = 1 + max(len(line.text.encode()) for line in batch)
            for angle in angles:
                pixels = squashed(processor, [line.image.rotate(angle, expand=True) for line in batch])
                written = model.generate(
                    pixels, num_beams=1, max_length=None, min_new_tokens=tokens, max_new_tokens=tokens,
                    pad_token_id=PAD,
                )  # fmt: skip
                processor.tokenizer.batch_decode(written, skip_special_tokens=True)

    return read, sum(weight.numel() for weight in model.parameters())


class Tesseract:
    """Tesseract, run as parallel processes with one list of image files each.

    Args:
        folder: folder to write the images to.
        sets: lines by source.
        processes: number of parallel processes.
    """

    def __init__(self, folder: Path, sets: dict[str, list[LineSample]], processes: int) -> None:
        self.lists: list[list[tuple[Path, list[LineSample]]]] = []
        self.languages: list[str] = []
        for number, (source, lines) in enumerate(sets.items()):
            self.languages.append("frk" if "fraktur" in Path(source).stem else "fra")
            self.lists.append([])
            for share in range(processes):
                mine = lines[share::processes]
                paths = [folder / f"{number}-{share}-{place:05}.png" for place in range(len(mine))]
                for path, line in zip(paths, mine, strict=True):
                    line.image.save(path)
                listing = folder / f"{number}-{share}.txt"
                listing.write_text("".join(f"{path}\n" for path in paths))
                self.lists[-1].append((listing, mine))

    @staticmethod
    def version() -> str | None:
        """Return the installed version; None if Tesseract is not installed."""
        if shutil.which("tesseract") is None:
            return None
        output = subprocess.run(["tesseract", "--version"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"tesseract (\S+)", output)
        return found[1] if found else "of unknown version"

    def __call__(self, lines: Lines) -> list[str]:
        """Read `lines`, which must be those given at construction, and return their texts in the same order."""
        texts: dict[int, str] = {}
        for language, shares in zip(self.languages, self.lists, strict=True):
            command = ["-l", language, "--psm", "13"]
            started = [
                subprocess.Popen(
                    ["tesseract", str(listing), "stdout", *command], text=True, env={"OMP_THREAD_LIMIT": "1"},
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                )
                for listing, mine in shares if mine
            ]  # fmt: skip
            for process, (_, mine) in zip(started, [share for share in shares if share[1]], strict=True):
                read = process.communicate()[0].split("\f")
                texts |= {id(line): " ".join(text.split()) for line, text in zip(mine, read, strict=True)}
        return [texts[id(line)] for line in lines]


def processor_time() -> float:
    """Return the processor time of this process and of its finished child processes, in seconds."""
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def compare(ways: dict[str, Way], sizes: dict[str, int], lines: Lines, rounds: int) -> list[Row]:
    """Read all lines with every reader in turn, in every round, and return their rows."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    texts: dict[str, list[str] | None] = {}
    for way in ways.values():
        if not isinstance(way, Tesseract):  # Tesseract starts new processes every time
            way(lines[::WARMING])
    for _ in range(rounds):
        for name, way in ways.items():
            clock, processor = time.perf_counter(), processor_time()
            texts[name] = way(lines)
            times[name].append((time.perf_counter() - clock, processor_time() - processor))
            print(f"{name}: {times[name][-1][0]:.1f} s, {times[name][-1][1]:.1f} s of processor time", flush=True)
    clocks = {name: statistics.median(clock for clock, _ in each) for name, each in times.items()}
    expected = [line.text for line in lines]
    rows = []
    for name, each in times.items():
        read = texts[name]
        rows.append(
            Row(
                name, len(lines) / clocks[name], clocks[OURS] / clocks[name],
                statistics.median(processor for _, processor in each) / len(lines),
                None if read is None else cer(expected, read), sizes.get(name),
            )
        )  # fmt: skip
    return rows


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    head = ["reader", "lines/s", "to trocr-gsa", "processor, ms/line", "CER", "parameters"]
    return markdown(
        head,
        (
            [row.reader, f"{row.lines_per_second:.1f}", f"× {row.ratio:.2f}",
             f"{1000 * row.processor_seconds_per_line:.0f}", "–" if row.cer is None else f"{row.cer:.1%}",
             "–" if row.parameters is None else f"{row.parameters / 1e6:.1f} M"]
            for row in rows
        ),
    )  # fmt: skip


def main() -> None:
    """Read with every reader, print the table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", help="labelled lines: folders or compiled files")
    parser.add_argument("--split", default="test")
    parser.add_argument("--lines", type=int, default=500, help="number of lines from all sources together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--page", type=Path, help="Markdown file with the table's two marker comments")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/reading.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sets = choose_lines(options.sources, options.split, options.lines)
    lines = [line for each in sets.values() for line in each]
    packaged = LineReader.from_pretrained(device="cpu")
    alike: dict[str, Any] = {"batch_size": options.batch_size}
    ways = {
        OURS: ours(packaged, **alike),
        f"{OURS}, int8": ours(LineReader.from_pretrained(device="cpu", precision="int8"), **alike),
        f"{OURS}, upright": ours(packaged, orientation="upright", **alike),
        f"{OURS}, without decoder": ours(packaged, num_beams=0, **alike),
        f"{OURS}, upright, without decoder": ours(packaged, orientation="upright", num_beams=0, **alike),
    }
    if multiplies_in_bf16(on_cpu=True):
        ways[f"{OURS}, bf16"] = ours(LineReader.from_pretrained(device="cpu", precision="bf16"), **alike)
    parameters = sum(weight.numel() for weight in cast(TrOCRGSAModel, packaged.model).parameters())
    sizes = dict.fromkeys(ways, parameters)
    for name, angles in (("stock, one orientation", QUARTERS[:1]), ("stock, four orientations", QUARTERS)):
        ways[name], sizes[name] = stock(options.batch_size, angles)
    with tempfile.TemporaryDirectory() as folder:
        if version := Tesseract.version():
            ways[f"Tesseract {version}"] = Tesseract(Path(folder), sets, options.threads)
        rows = compare(ways, sizes, lines, options.rounds)
    measured = {
        "lines": {Path(source).stem: len(each) for source, each in sets.items()}, "rounds": options.rounds,
        "batch_size": options.batch_size, "threads": options.threads, "rows": [asdict(row) for row in rows],
    }  # fmt: skip
    write_results(measured, options.json, table(rows), [options.page], "reading", __file__)
