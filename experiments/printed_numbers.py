"""Lines of printed numbers, rendered in fonts of the system; some fonts are used for test lines only.

So a reader is tested on fonts that it was not trained on, as with the hands of handwritten digits. The lines depend on
the installed fonts. Do not compare results from different systems.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from experiments.line_sets import FEWEST, MOST, Line, fitted
from experiments.rendered_words import SEEN_FAMILIES, STYLE, UNSEEN_FAMILIES, find_families
from trocr_gsa.data import LineRenderer, RenderedLines, TextCorpus

OVERSAMPLING = 2  # lines are rendered larger than they are read, as in a scan


@lru_cache(maxsize=4)  # all readers are trained on the same lines
def printed_lines(split: str, count: int, height: int, unit: int, seed: int) -> tuple[Line, ...]:
    """Return random lines of printed digits; heights and widths as in `fitted`. Test lines have separate fonts."""
    rng = np.random.default_rng([seed, *split.encode()])
    texts = ["".join(map(str, rng.integers(10, size=rng.integers(FEWEST, MOST + 1)))) for _ in range(count)]
    families = UNSEEN_FAMILIES if split == "test" else SEEN_FAMILIES
    style = replace(STYLE, height=OVERSAMPLING * height)
    renderer = LineRenderer(find_families(families), TextCorpus(tuple(texts)), style)
    first_seed = int(rng.integers(2**31))
    rendered = RenderedLines(renderer, count, first_seed, fresh=False)
    return tuple(fitted(line.image.convert("L"), line.text, height, unit) for line in rendered)
