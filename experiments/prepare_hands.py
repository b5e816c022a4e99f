"""Prepare the packaged reader's training, validation and held-out lines, as Parquet files with one spelling and height.

    python -m experiments prepare_hands DATA/ prepared/

Reads `many-hands` (Parquet) and the four older sets (imagefolders) in the first folder. The documents in `HELD_OUT` are
written to `held_out/`. They are never trained on, so that adapters can be tested on truly new hands.
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
# Each is a whole set or a document: a Carolingian hand, a printed book, two French hands of the 18th century, a gothic
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
    """The lines of an older set in the spelling of the newer sets.

    Args:
        lines: the older set.
    """

    def __init__(self, lines: LineDataset) -> None:
        self.lines = lines

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.lines)

    def __getitem__(self, index: int) -> LineSample:
        """Return a line in the new spelling."""
        return replace(self.lines[index], text=self.text(index))

    def text(self, index: int) -> str:
        """Return the text of a line without the marks that the newer sets do not use."""
        return clean_text(self.lines.text(index).replace("^", "").replace("¬", "-")) or "-"

    def size(self, index: int) -> tuple[int, int]:
        """Return the size of a line, unchanged."""
        return self.lines.size(index)


def is_held_out(document: str) -> bool:
    """Return whether `HELD_OUT` contains a document or its whole set."""
    return any(document == name or document.startswith(f"{name}/") for name in HELD_OUT)


def split_documents(path: Path, out: Path, split: str) -> None:
    """Copy a set of `many-hands` unchanged, with the held-out documents in a separate file."""
    table = pq.read_table(path)
    held_out = np.array([is_held_out(document) for document in table["document"].to_pylist()])
    if split == "validation":  # validation on a held-out set shows how a new hand is read; nothing is trained on it
        held_out[:] = False
    parts = {split: ~held_out, "held_out": held_out}
    for part, rows in parts.items():
        if rows.any():
            target = out / part / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table.filter(pa.array(rows)), target, compression="none")
            print(f"{part}/{path.stem}: {rows.sum()} lines", flush=True)


def refuse_unknown_documents(data: Path) -> None:
    """Raise ValueError if a name in `HELD_OUT` is neither a set nor a document: it would then be trained on."""
    known = set()
    for path in (data / "many-hands" / "train").glob("*.parquet"):
        known |= {path.stem, *pq.read_table(path, columns=["document"])["document"].to_pylist()}
    if missing := set(HELD_OUT) - known:
        raise ValueError(f"`HELD_OUT`: {min(missing)} is neither a set nor a document in {data / 'many-hands'}.")


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
                print(f"{split}/{name}: {report.lines} lines, {len(report.problems)} omitted", flush=True)
