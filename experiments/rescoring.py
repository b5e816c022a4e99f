"""Measure whether a character n-gram model improves a reading, by choosing among the reader's alternatives.

    python -m experiments rescoring prepared/ --sets fraktur-19 peraire fondue-en-20 --lines 200

score(text) = log p(text | image) + λ · log p(text), for the alternatives of a beam search

p(text) is an n-gram model of characters, interpolated by Witten and Bell's rule, of the training texts of all sets
(`general`) or of the same set alone (`own`); both know texts of the same archive, as a user rarely does. λ of a set is
the one that reads the other sets best. The columns: the reader as it is, the most probable alternative, the rescored
ones, and the alternative that is nearest to the transcription, which no rescoring can beat.
"""

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.marked_tables import markdown
from trocr_gsa.atomic import write_json
from trocr_gsa.data.sources import open_source
from trocr_gsa.metrics.error_rates import count_character_errors
from trocr_gsa.reader import LineReader

LAMBDAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
START = "\0"
MAX_TEXTS = 1500  # of a set, for the n-gram model
RESULTS = Path(__file__).parent / "results" / "rescoring.json"


class CharacterModel:
    """p(c | h) = (n(hc) + d(h) · p(c | shorter h)) / (n(h) + d(h)), d(h) the number of different characters after h.

    Args:
        texts: to learn from.
        order: maximum number of characters of hc.
    """

    def __init__(self, texts: Iterable[str], order: int = 6) -> None:
        self.order = order
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        for text in texts:
            padded = START + text + START
            for place in range(1, len(padded)):
                for start in range(max(0, place - order + 1), place + 1):
                    self.counts[padded[start:place]][padded[place]] += 1
        self.size = len(self.counts[""]) + 1  # one more for characters that were never seen

    def log_p(self, text: str) -> float:
        """Return log p(text), its end included."""
        padded = START + text + START
        return sum(math.log(self._p(padded[place], padded[:place])) for place in range(1, len(padded)))

    def _p(self, character: str, before: str) -> float:
        p = 1 / self.size
        for length in range(self.order):
            if length > len(before):
                break
            counts = self.counts.get(before[len(before) - length :])
            if counts is None:
                break
            p = (counts[character] + len(counts) * p) / (counts.total() + len(counts))
        return p


@dataclass(frozen=True)
class Candidates:
    """A line: its transcription, its reading, and its alternatives with log p(text | image)."""

    reference: str
    reading: str
    alternatives: Sequence[tuple[str, float]]


def read_set(reader: LineReader, source: str, lines: int, alternatives: int) -> list[Candidates]:
    """Read a random part of a validation set, always the same one."""
    dataset = open_source(source, "validation")
    chosen = np.random.default_rng(0).permutation(len(dataset))[:lines].tolist()
    samples = dataset.__getitems__(chosen)
    read = reader.read([sample.image for sample in samples], are_cut=True, alternatives=alternatives)
    return [
        Candidates(sample.text, line.text, [(each.text, math.log(max(each.probability, 1e-300))) for each in found])
        for sample, line in zip(samples, read, strict=True)
        if (found := line.alternatives)
    ]


def chosen_texts(lines: Sequence[Candidates], scores: Sequence[Sequence[float]], weight: float) -> list[str]:
    """Return the best alternative of each line; `scores` are log p(text) of its alternatives."""
    texts = []
    for line, of_line in zip(lines, scores, strict=True):
        total = [log_p + weight * score for (_, log_p), score in zip(line.alternatives, of_line, strict=True)]
        texts.append(line.alternatives[int(np.argmax(total))][0])
    return texts


def rate(lines: Sequence[Candidates], texts: Iterable[str]) -> float:
    """Return the character error rate of some texts of the lines."""
    counts = [count_character_errors(line.reference, text) for line, text in zip(lines, texts, strict=True)]
    return sum(count.errors for count in counts) / sum(count.length for count in counts)


def nearest(line: Candidates) -> str:
    """Return the alternative with the fewest errors."""
    texts = (text for text, _ in line.alternatives)
    return min(texts, key=lambda text: count_character_errors(line.reference, text).errors)


def fitted_rates(sets: Mapping[str, Sequence[Candidates]], models: Mapping[str, CharacterModel]) -> dict[str, float]:
    """Return the error rate of each set, rescored with the weight that reads the other sets best."""
    scores = {name: [[models[name].log_p(t) for t, _ in line.alternatives] for line in sets[name]] for name in sets}
    rates = {
        name: [rate(lines, chosen_texts(lines, scores[name], weight)) for weight in LAMBDAS]
        for name, lines in sets.items()
    }
    found = {}
    for name in sets:
        others = [rates[other] for other in sets if other != name]
        best = min(range(len(LAMBDAS)), key=lambda place: sum(each[place] for each in others))
        found[name] = rates[name][best]
    return found


def main() -> None:
    """Run with the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train/ and validation/, a .parquet file for each set")
    parser.add_argument("--sets", nargs="+", default=["fraktur-19", "peraire", "fondue-en-20"])
    parser.add_argument("--lines", type=int, default=200, help="lines of each set")
    parser.add_argument("--alternatives", type=int, default=10)
    parser.add_argument("--device")
    arguments = parser.parse_args()
    reader = LineReader.from_pretrained(device=arguments.device)
    sets, texts = {}, {}
    for name in arguments.sets:
        sets[name] = read_set(
            reader, str(arguments.data / "validation" / f"{name}.parquet"), arguments.lines, arguments.alternatives
        )
        texts[name] = open_source(str(arguments.data / "train" / f"{name}.parquet")).texts()[:MAX_TEXTS]
        print(f"{name}: {len(sets[name])} lines read, {len(texts[name])} texts learnt", flush=True)
    general = CharacterModel(text for some in texts.values() for text in some)
    rescored = {
        "general": fitted_rates(sets, dict.fromkeys(sets, general)),
        "own": fitted_rates(sets, {name: CharacterModel(some) for name, some in texts.items()}),
    }
    rows = []
    for name, lines in sets.items():
        found = {
            "reader": rate(lines, [line.reading for line in lines]),
            "most probable": rate(lines, [line.alternatives[0][0] for line in lines]),
            "general": rescored["general"][name],
            "own": rescored["own"][name],
            "nearest": rate(lines, map(nearest, lines)),
        }
        rows.append({"set": name, "lines": len(lines)} | found)
    write_json(RESULTS, {"alternatives": arguments.alternatives, "rows": rows})
    head = list(rows[0])
    print(markdown(head, [[f"{v:.2%}" if isinstance(v, float) else v for v in row.values()] for row in rows]))


if __name__ == "__main__":
    main()
