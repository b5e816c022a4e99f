"""Check the limits by which pictures are empty, or of several lines: what becomes of real lines, and of bare papers.

    python -m experiments picture_limits fraktur-19/ many-hands/validation/*.parquet --write docs/how_it_works.md

No line of a validation set is empty or several: each that is taken for either is listed, and what that costs is told in
points of the character error rate. Papers without writing are drawn; each whose text is not empty is invented. The
limits stand, with what they are for, in trocr_gsa/reader/preparation/{writing,several}.py, and as
`empty_paper_confidence` in the model's configuration; change one there, and run this again.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.marked_tables import markdown, write_between_markers
from trocr_gsa.data.sources import open_source
from trocr_gsa.data.synthetic.empty import KINDS, empty_paper
from trocr_gsa.metrics.error_rates import count_character_errors
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.preparation.several import count_lines
from trocr_gsa.reader.preparation.writing import Writing, find_writing

FIRST_SEED = 1000  # papers of smaller seeds are those of the tests


@dataclass
class SetOfLines:
    """What is taken for something else in a set of lines.

    Attributes:
        name: of the set.
        lines: how many were looked at.
        characters: in them.
        empty: texts of lines that are taken for empty.
        several: texts of lines that are taken for several.
        more_errors: how many more characters are wrong because lines are taken for empty: fewer, if they were misread.
    """

    name: str
    lines: int = 0
    characters: int = 0
    empty: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)
    more_errors: int = 0


def check_lines(reader: LineReader, source: str, most: int) -> SetOfLines:
    """Look at lines of a validation set, evenly spread over it, and read those whose writing is in doubt."""
    lines, found = open_source(source, "validation"), SetOfLines(Path(source).stem)
    least = reader.model.config.empty_paper_confidence
    reader.model.config.empty_paper_confidence = 0.0  # have all of them read
    for place in np.unique(np.linspace(0, len(lines) - 1, min(most, len(lines))).astype(int)).tolist():
        line = lines[place]
        found.lines, found.characters = found.lines + 1, found.characters + len(line.text)
        if count_lines(line.image) > 1:
            found.several.append(line.text)
        writing = find_writing(line.image)
        if writing is Writing.EVIDENT:
            continue
        (read,) = reader.read([line.image], are_cut=True)
        if writing is Writing.NONE or read.character_confidence < least:
            found.empty.append(line.text)
            found.more_errors += len(line.text) - count_character_errors(line.text, read.text).errors
    reader.model.config.empty_paper_confidence = least
    return found


def check_papers(reader: LineReader, kind: str, papers: int) -> tuple[int, int]:
    """Return of how many papers of a kind the picture leaves a doubt, and in how many something is read."""
    drawn = [empty_paper(kind, FIRST_SEED + seed) for seed in range(papers)]
    doubts = [paper for paper in drawn if find_writing(paper) is not Writing.NONE]
    return len(doubts), sum(bool(line.text.strip()) for line in reader.read(doubts, are_cut=True))


def tables(found: Sequence[SetOfLines], papers: dict[str, tuple[int, int]], drawn: int) -> str:
    """Return the two tables in Markdown, each with its sum."""
    total = SetOfLines("together")
    for one in found:
        total.lines, total.characters = total.lines + one.lines, total.characters + one.characters
        total.empty, total.several = total.empty + one.empty, total.several + one.several
        total.more_errors += one.more_errors
    rest = [one for one in found if one.empty or one.several]
    others = SetOfLines(f"{len(found) - len(rest)} other sets", total.lines - sum(one.lines for one in rest))
    of_lines = markdown(
        ["validation lines", "lines", "taken for empty", "change of CER, points", "taken for several"],
        [
            (one.name, one.lines, len(one.empty), f"{100 * one.more_errors / max(1, one.characters):+.2f}",
             len(one.several))
            for one in (*rest, others, total)
        ],
    )  # fmt: skip
    rows = [(kind, drawn, *counts) for kind, counts in papers.items()]
    sums = [sum(counts[column] for counts in papers.values()) for column in (0, 1)]
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
    options = parser.parse_args()
    reader = LineReader.from_pretrained(options.model)
    found = []
    for source in options.sources:
        found.append(check_lines(reader, source, options.lines))
        for what, texts in (("empty", found[-1].empty), ("several", found[-1].several)):
            for text in texts:
                print(f"{found[-1].name}: taken for {what}: {text}", flush=True)
    text = tables(found, {kind: check_papers(reader, kind, options.papers) for kind in KINDS}, options.papers)
    print(text)
    if options.write:
        write_between_markers(options.write, "picture-limits", __file__, text)


if __name__ == "__main__":
    main()
