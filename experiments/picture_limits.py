"""Check the limits by which pictures are empty, or of several lines: what becomes of real lines, and of bare papers.

    python -m experiments picture_limits fraktur-19/ many-hands/validation/*.parquet --write docs/how_it_works.md
    python -m experiments picture_limits prepared/validation/*.parquet --lines 100 --choose trocr_gsa/checkpoint

No line of a validation set is empty or several: each that is taken for either is listed, and what that costs is told in
points of the character error rate. Papers without writing are drawn; each whose text is not empty is invented. The
limits stand, with what they are for, in trocr_gsa/reader/preparation/{writing,several}.py, and as
`empty_paper_confidence` in the model's configuration. That one is the model's own: `--choose` writes it after every new
training, as the lowest limit at which nothing is read on the drawn papers, or, if that costs any set more than 0.02
points, the highest that does not. Change one of the others there, and run this again.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.marked_tables import markdown, write_between_markers
from experiments.calibrate_confidence import write as write_setting
from trocr_gsa.data.sources import open_source
from trocr_gsa.data.synthetic.empty import KINDS, empty_paper
from trocr_gsa.metrics.error_rates import count_character_errors
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.preparation.several import count_lines
from trocr_gsa.reader.preparation.writing import Writing, find_writing

FIRST_SEED = 1000  # papers of smaller seeds are those of the tests
STEP = 0.02
LIMITS = [round(STEP * step, 2) for step in range(46)]  # that are chosen from: up to 0.9
MOST_COST = 0.0002  # what a limit may add to the error rate of a set


@dataclass(frozen=True)
class Doubt:
    """A line whose picture leaves a doubt whether there is writing.

    Attributes:
        text: what stands there.
        confidence: of the characters that are read; below 0 if the picture alone says that there is none.
        more_errors: how many more characters are wrong if it is taken for empty: fewer, if it was misread.
    """

    text: str
    confidence: float
    more_errors: int


@dataclass
class SetOfLines:
    """What may be taken for something else in a set of lines.

    Attributes:
        name: of the set.
        lines: how many were looked at.
        characters: in them.
        doubts: lines that are taken for empty at some limit.
        several: texts of lines that are taken for several.
    """

    name: str
    lines: int = 0
    characters: int = 0
    doubts: list[Doubt] = field(default_factory=list)
    several: list[str] = field(default_factory=list)

    def empty(self, limit: float) -> list[Doubt]:
        """Return the lines that are taken for empty if characters below a confidence are none."""
        return [doubt for doubt in self.doubts if doubt.confidence < limit]

    def cost(self, limit: float) -> float:
        """Return what that adds to the character error rate."""
        return sum(doubt.more_errors for doubt in self.empty(limit)) / max(1, self.characters)


def check_lines(reader: LineReader, source: str, most: int) -> SetOfLines:
    """Look at lines of a validation set, evenly spread over it, and read those whose writing is in doubt."""
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
        confidence = -1.0 if writing is Writing.NONE else read.character_confidence
        wrong = count_character_errors(line.text, read.text).errors
        found.doubts.append(Doubt(line.text, confidence, len(line.text) - wrong))
    return found


def check_papers(reader: LineReader, kind: str, papers: int) -> tuple[int, list[float]]:
    """Return of how many papers of a kind the picture leaves a doubt, and how surely something is read in them."""
    drawn = [empty_paper(kind, FIRST_SEED + seed) for seed in range(papers)]
    doubts = [paper for paper in drawn if find_writing(paper) is not Writing.NONE]
    read = reader.read(doubts, are_cut=True)
    return len(doubts), [line.character_confidence for line in read if line.text.strip()]


def choose_limit(found: Sequence[SetOfLines], invented: Sequence[float]) -> float:
    """Return the lowest limit below which all that is invented lies, or the highest that costs no set too much.

    Args:
        found: sets of lines.
        invented: confidences of what is read on papers without writing.
    """
    for limit in LIMITS:
        if limit > max(invented, default=0.0):
            return limit
        if any(one.cost(limit + STEP) - one.cost(0) > MOST_COST for one in found):
            return limit
    return LIMITS[-1]


def tables(found: Sequence[SetOfLines], papers: dict[str, tuple[int, list[float]]], drawn: int, limit: float) -> str:
    """Return the two tables in Markdown, each with its sum."""
    total = SetOfLines("together")
    for one in found:
        total.lines, total.characters = total.lines + one.lines, total.characters + one.characters
        total.doubts, total.several = total.doubts + one.doubts, total.several + one.several
    rest = [one for one in found if one.empty(limit) or one.several]
    others = SetOfLines(f"{len(found) - len(rest)} other sets", total.lines - sum(one.lines for one in rest))
    of_lines = markdown(
        ["validation lines", "lines", "taken for empty", "change of CER, points", "taken for several"],
        [
            (one.name, one.lines, len(one.empty(limit)), f"{100 * one.cost(limit):+.2f}", len(one.several))
            for one in (*rest, others, total)
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
    """Look at the lines of all sets and at papers of every kind, list false alarms, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", help="data sets of lines; of each, its validation split counts")
    parser.add_argument("--model", help="a checkpoint's folder; the packaged one if it is not given")
    parser.add_argument("--lines", type=int, default=1000, help="how many of each set are looked at")
    parser.add_argument("--papers", type=int, default=200, help="how many of each kind are drawn")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    parser.add_argument("--choose", type=Path, help="a checkpoint's folder: read with it, and give it a limit")
    options = parser.parse_args()
    reader = LineReader.from_pretrained(options.choose or options.model)
    limit, reader.model.config.empty_paper_confidence = reader.model.config.empty_paper_confidence, 0.0  # read them all
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
