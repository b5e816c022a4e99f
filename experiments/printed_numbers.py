"""Lines of printed numbers: rendered in fonts of the system, of which some are there for the test lines alone.

What is unusual: a reader is judged by fonts that it has never seen, as rows of handwritten digits are by hands. Which
fonts a system has decides what the lines look like, so numbers from different systems are not to be compared.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from experiments.line_sets import FEWEST, MOST, Line, fitted
from experiments.rendered_words import SEEN_FAMILIES, STYLE, UNSEEN_FAMILIES, find_families
from trocr_gsa.data import LineRenderer, RenderedLines, TextCorpus

OVERSAMPLING = 2  # lines are drawn larger than they are read, as a scan is


@lru_cache(maxsize=4)  # every kind of reader learns from the same lines
def printed_lines(split: str, count: int, height: int, unit: int, seed: int) -> tuple[Line, ...]:
    """Draw lines of printed digits, `height` and a multiple of `unit` pixels large; test lines have their own fonts."""
    rng = np.random.default_rng([seed, *split.encode()])
    texts = ["".join(map(str, rng.integers(10, size=rng.integers(FEWEST, MOST + 1)))) for _ in range(count)]
    families = UNSEEN_FAMILIES if split == "test" else SEEN_FAMILIES
    style = replace(STYLE, height=OVERSAMPLING * height)
    renderer = LineRenderer(find_families(families), TextCorpus(tuple(texts)), style)
    first_seed = int(rng.integers(2**31))
    rendered = RenderedLines(renderer, count, first_seed, fresh=False)
    return tuple(fitted(line.image.convert("L"), line.text, height, unit) for line in rendered)
