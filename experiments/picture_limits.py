"""Check the limits for images that are empty or have several lines, on real lines and on papers without writing.

    python -m experiments picture_limits fraktur-19/ many-hands/validation/*.parquet --write docs/how_it_works.md
    python -m experiments picture_limits prepared/validation/*.parquet --lines 100 --choose trocr_gsa/checkpoint

No image of a validation set is empty or has several lines. Each one that is taken for either is listed, and the cost is
given in points of the character error rate. Papers without writing are generated; any text read on them is invented.

The limits are defined and explained in trocr_gsa/reader/preparation/{writing,several}.py; after a change there, run
this again. The limit `empty_paper_confidence` is in the configuration of the model, as it depends on the training.
After a new training, `--choose` writes it: the lowest limit at which nothing is read on the papers; if that costs the
sets together more than 0.1 points, the highest limit that does not.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.marked_tables import markdown, write_between_markers
from experiments.calibrate_confidence import write as write_setting
from trocr_gsa.data.sources import open_source
from trocr_gsa.data.synthetic.empty import KINDS, empty_paper
from trocr_gsa.metrics.error_rates import count_character_errors
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.backend import can_draft
from trocr_gsa.reader.line_reader import SURE
from trocr_gsa.reader.preparation.several import count_lines
from trocr_gsa.reader.preparation.writing import Writing, find_writing

FIRST_SEED = 1000  # smaller seeds are used in the tests
STEP = 0.01
LIMITS = [round(STEP * step, 2) for step in range(91)]  # candidates, up to 0.9
MOST_COST = 0.001  # maximum increase of the error rate of all sets together


@dataclass(frozen=True)
class Doubt:
    """A line whose image does not clearly show writing.

    Attributes:
        text: transcription.
        confidence: the highest limit with which its text is kept; below 0 if the image alone is taken for empty.
        more_errors: additional wrong characters if the line is taken for empty; can be negative if it was misread.
    """

    text: str
    confidence: float
    more_errors: int


@dataclass
class SetOfLines:
    """The doubtful lines of a set.

    Attributes:
        name: name of the set.
        lines: number of checked lines.
        characters: number of characters in these lines.
        doubts: lines that some limit takes for empty.
        several: texts of lines that are taken for several.
    """

    name: str
    lines: int = 0
    characters: int = 0
    doubts: list[Doubt] = field(default_factory=list)
    several: list[str] = field(default_factory=list)

    def empty(self, limit: float) -> list[Doubt]:
        """Return the lines that are taken for empty at a limit of the confidence."""
        return [doubt for doubt in self.doubts if doubt.confidence < limit]

    def cost(self, limit: float) -> float:
        """Return the increase of the character error rate at a limit."""
        return sum(doubt.more_errors for doubt in self.empty(limit)) / max(1, self.characters)


def total(sets: Sequence[SetOfLines]) -> SetOfLines:
    """Return all sets together."""
    together = SetOfLines("together")
    for one in sets:
        together.lines, together.characters = together.lines + one.lines, together.characters + one.characters
        together.doubts, together.several = together.doubts + one.doubts, together.several + one.several
    return together


def check_lines(reader: LineReader, source: str, most: int) -> SetOfLines:
    """Check at most `most` lines, spread evenly over a validation set, and read the doubtful ones."""
    lines, found = open_source(source, "validation"), SetOfLines(Path(source).stem)
    for place in np.unique(np.linspace(0, len(lines) - 1, min(most, len(lines))).astype(int)).tolist():
        line = lines[place]
        found.lines, found.characters = found.lines + 1, found.characters + len(line.text)
        if count_lines(line.image) > 1:
            found.several.append(line.text)
        writing = find_writing(line.image)
        if writing is Writing.EVIDENT:
            continue
        (read,) = reader.read([line.image], are_cut=True)
        confidence = -1.0 if writing is Writing.NONE else highest_limits(reader, [line.image])[0]
        wrong = count_character_errors(line.text, read.text).errors
        found.doubts.append(Doubt(line.text, confidence, len(line.text) - wrong))
    return found


def check_papers(reader: LineReader, kind: str, papers: int) -> tuple[int, list[float]]:
    """Return how many papers of a kind are doubtful, and the highest limits that keep the texts on them."""
    drawn = [empty_paper(kind, FIRST_SEED + seed) for seed in range(papers)]
    doubts = [paper for paper in drawn if find_writing(paper) is not Writing.NONE]
    read, highest = reader.read(doubts, are_cut=True), highest_limits(reader, doubts)
    return len(doubts), [limit for line, limit in zip(read, highest, strict=True) if line.text.strip()]


def highest_limits(reader: LineReader, doubts: Sequence[Image.Image]) -> list[float]:
    """Return for each doubtful image the highest `empty_paper_confidence` with which its text is kept."""
    read = reader.read(doubts, are_cut=True)
    by_head = reader.read(doubts, are_cut=True, num_beams=0) if can_draft(reader.model) else read
    return [
        max(line.character_confidence / SURE, math.sqrt(line.character_confidence * head.character_confidence))
        for line, head in zip(read, by_head, strict=True)
    ]


def choose_limit(found: Sequence[SetOfLines], invented: Sequence[float]) -> float:
    """Return the lowest limit above all invented texts, or the highest one that costs no more than `MOST_COST`.

    Args:
        found: checked sets of lines.
        invented: highest limits with which texts read on papers without writing are kept.
    """
    together = total(found)
    for limit in LIMITS:
        if limit > max(invented, default=0.0):
            return limit
        if together.cost(limit + STEP) - together.cost(0) > MOST_COST:
            return limit
    return LIMITS[-1]


def tables(found: Sequence[SetOfLines], papers: dict[str, tuple[int, list[float]]], drawn: int, limit: float) -> str:
    """Return the two tables as Markdown, each with a row of totals."""
    together = total(found)
    rest = [one for one in found if one.empty(limit) or one.several]
    others = SetOfLines(f"{len(found) - len(rest)} other sets", together.lines - sum(one.lines for one in rest))
    of_lines = markdown(
        ["validation lines", "lines", "taken for empty", "change of CER, points", "taken for several"],
        [
            (one.name, one.lines, len(one.empty(limit)), f"{100 * one.cost(limit):+.2f}", len(one.several))
            for one in (*rest, others, together)
        ],
    )  # fmt: skip
    counts = {kind: (doubts, sum(each >= limit for each in invented)) for kind, (doubts, invented) in papers.items()}
    rows = [(kind, drawn, *each) for kind, each in counts.items()]
    sums = [sum(each[column] for each in counts.values()) for column in (0, 1)]
    of_papers = markdown(
        ["papers without writing", "drawn", "not told by the picture alone", "read as something"],
        [*rows, ("together", drawn * len(papers), *sums)],
    )
    return f"{of_lines}\n\n{of_papers}"


def main() -> None:
    """Check the lines of all sets and papers of every kind, list the false alarms, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", help="sources of lines; their validation split is used")
    parser.add_argument("--model", help="checkpoint folder; by default the packaged one")
    parser.add_argument("--lines", type=int, default=1000, help="maximum number of checked lines per set")
    parser.add_argument("--papers", type=int, default=200, help="number of papers per kind")
    parser.add_argument("--write", type=Path, help="Markdown file with the table's two marker comments")
    parser.add_argument("--choose", type=Path, help="checkpoint folder to read with, and to write the chosen limit to")
    options = parser.parse_args()
    reader = LineReader.from_pretrained(options.choose or options.model)
    limit, reader.model.config.empty_paper_confidence = (
        reader.model.config.empty_paper_confidence,
        0.0,
    )  # no limit while reading
    found = [check_lines(reader, source, options.lines) for source in options.sources]
    papers = {kind: check_papers(reader, kind, options.papers) for kind in KINDS}
    if options.choose:
        limit = choose_limit(found, [each for _, invented in papers.values() for each in invented])
        write_setting(options.choose, empty_paper_confidence=limit)
        print(f"`empty_paper_confidence` is {limit}, in {options.choose}")
    for one in found:
        for what, texts in (("empty", [doubt.text for doubt in one.empty(limit)]), ("several", one.several)):
            for text in texts:
                print(f"{one.name}: taken for {what}: {text}", flush=True)
    text = tables(found, papers, options.papers, limit)
    print(text)
    if options.write:
        write_between_markers(options.write, "picture-limits", __file__, text)


if __name__ == "__main__":
    main()
