"""Training, validation and held-out lines of the packaged reader, as parquet files of one spelling and one height.

    python -m experiments prepare_hands DATA/ prepared/

Reads `many-hands` (parquet) and the four older sets (imagefolders) below the first folder. Documents of `HELD_OUT` go
to `held_out/`: no training ever sees them, so that adapters can be tried on hands that are really new.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trocr_gsa.data.compile import compile_lines
from trocr_gsa.data.samples import LineDataset, LineSample, clean_text
from trocr_gsa.data.sources import open_source

OLD_SETS = ("fraktur-19", "htromance-modern-fr", "cremma-mss-19", "peraire")
LINE_HEIGHT = 56
# One whole set or document each: a Carolingian hand, a printed book, two French hands of the 18th century, a gothic
# type of the 16th, and a notary's register of the 19th
HELD_OUT = (
    "fondue-la-mss-ma",
    "kovalewsky",
    "cremma-mss-18/data/beautifully-illustrated-french-manuscript-on-artillery",
    "fondue-fr-mss-18/data/Arsenal_Ms-10292",
    "gallicorpora-gothic-16/data/bpt6k15202315",
    "lectaurep-repertoires/data/lectaurep-riant-4",
)


class OneSpelling(LineDataset):
    """The lines of an older set in the spelling of the newer ones.

    Args:
        lines: the set.
    """

    def __init__(self, lines: LineDataset) -> None:
        self.lines = lines

    def __len__(self) -> int:
        """Number of lines."""
        return len(self.lines)

    def __getitem__(self, index: int) -> LineSample:
        """The line in that spelling."""
        return replace(self.lines[index], text=self.text(index))

    def text(self, index: int) -> str:
        """The text without the marks that the newer sets do not write."""
        return clean_text(self.lines.text(index).replace("^", "").replace("¬", "-")) or "-"

    def size(self, index: int) -> tuple[int, int]:
        """The size, unchanged."""
        return self.lines.size(index)


def is_held_out(document: str) -> bool:
    """Whether a document belongs to `HELD_OUT`, as a whole set or by its own name."""
    return any(document == name or document.startswith(f"{name}/") for name in HELD_OUT)


def split_documents(path: Path, out: Path, split: str) -> None:
    """Copy a set of `many-hands` as it is, the held-out documents into a file of their own."""
    table = pq.read_table(path)
    held_out = np.array([is_held_out(document) for document in table["document"].to_pylist()])
    if split == "validation":  # reading a held-out set there shows how a new hand is read, and teaches nothing
        held_out[:] = False
    parts = {split: ~held_out, "held_out": held_out}
    for part, rows in parts.items():
        if rows.any():
            target = out / part / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table.filter(pa.array(rows)), target, compression="none")
            print(f"{part}/{path.stem}: {rows.sum()} lines", flush=True)


def refuse_unknown_documents(data: Path) -> None:
    """Raise ValueError if a name of `HELD_OUT` is no set and no document: training would see it."""
    known = set()
    for path in (data / "many-hands" / "train").glob("*.parquet"):
        known |= {path.stem, *pq.read_table(path, columns=["document"])["document"].to_pylist()}
    if missing := set(HELD_OUT) - known:
        raise ValueError(f"`HELD_OUT` names {min(missing)}, which is no set and no document in {data / 'many-hands'}.")


def main() -> None:
    """Write `train/`, `validation/` and `held_out/`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the ground truth")
    parser.add_argument("output", type=Path, help="folder to write to")
    options = parser.parse_args()
    data, out = options.data, options.output
    refuse_unknown_documents(data)
    for split in ("train", "validation"):
        for path in sorted((data / "many-hands" / split).glob("*.parquet")):
            split_documents(path, out, split)
        for name in OLD_SETS:
            if (data / name / split).is_dir():
                lines = OneSpelling(open_source(str(data / name), split))
                report = compile_lines(lines, out / split / f"{name}.parquet", LINE_HEIGHT)
                print(f"{split}/{name}: {report.lines} lines, {len(report.problems)} left out", flush=True)
