"""Renders lines; each line is fully determined by its seed.

seed → random generator → font (a family, then a file) → text that the font can draw → ink → page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from trocr_gsa.data.samples import LineDataset, LineSample

from .corpus import Corpus, TextSource
from .fonts import Font, find_fonts
from .handwriting import HandStyle
from .ink import InkStyle, draw_line
from .paper import PageStyle, print_page

MIN_HEIGHT, MAX_HEIGHT = 16, 1000  # pixels


@dataclass(frozen=True)
class RenderStyle:
    """Appearance of rendered lines.

    Args:
        height: height of the images, in pixels, from 16 to 1000.
        ink: layout and deformation.
        page: paper, strokes and noise.
    """

    height: int = 48
    ink: InkStyle = field(default_factory=InkStyle)
    page: PageStyle = field(default_factory=PageStyle)

    def __post_init__(self) -> None:
        """Check that the height is large enough for reading, and small enough for the fonts."""
        if not MIN_HEIGHT <= self.height <= MAX_HEIGHT:
            raise ValueError(f"`height` must lie in {MIN_HEIGHT} … {MAX_HEIGHT} pixels, got {self.height}.")


STYLES = {
    "plain": RenderStyle(),
    "hand": RenderStyle(
        56,
        InkStyle(margin=0.55, tracking=0.02, neighbours=0.3, leading=(0.7, 1.1), hand=HandStyle()),
        PageStyle(
            binarised=0.08,
            paper=(130, 255),
            weight=0.17,
            noise=5.0,
            bleed=0.0,
            verso=0.3,
            pen=0.5,
            stains=0.12,
            rulings=0.2,
        ),
    ),
    "print": RenderStyle(
        56,
        InkStyle(margin=0.8, slant=3, skew=1.2, curve=0.03),
        PageStyle(binarised=0.25, noise=5.0, bleed=0.0, verso=0.25, stains=0.1, rulings=0.02),
    ),
    "typescript": RenderStyle(
        56,
        InkStyle(1.5, slant=1, skew=1.5, curve=0.02, tracking=0.03, neighbours=0.45, leading=(0.7, 1.1), typed=0.85),
        PageStyle(
            binarised=0.1,
            weight=0.14,
            unevenness=0.12,
            softness=(0.3, 1.3),
            noise=5.0,
            bleed=0.0,
            verso=0.25,
            stains=0.1,
            rulings=0.03,
        ),
    ),
}


def render_style(name: str, height: int | None = None) -> RenderStyle:
    """Return one of `STYLES`, with another height if given.

    Raises:
        ValueError: if there is no style with this name, or the height is too small.
    """
    if name not in STYLES:
        raise ValueError(f"`style` must be one of {', '.join(STYLES)}, got {name!r}.")
    return STYLES[name] if height is None else replace(STYLES[name], height=height)


class LineRenderer:
    """Renders the line of a seed.

    Args:
        fonts: fonts from `find_fonts`; a family is drawn according to its weight, then one of its files.
        corpus: the source of texts.
        style: appearance of the lines.
        weights: weights of families that replace `Font.weight`, any positive numbers.

    Raises:
        ValueError: if `fonts` is empty.
    """

    def __init__(
        self,
        fonts: Sequence[Font] | None = None,
        corpus: TextSource | None = None,
        style: RenderStyle | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        """Group the fonts by family."""
        fonts = find_fonts() if fonts is None else fonts
        if not fonts:
            raise ValueError("`fonts` must not be empty. Leave it out to use the fonts found on the system.")
        families: dict[str, list[Font]] = defaultdict(list)
        for font in fonts:
            families[font.family].append(font)
        self.families = [tuple(families[name]) for name in sorted(families)]
        known = weights or {}
        shares = np.array([known.get(files[0].family, files[0].weight) for files in self.families])
        self.shares = shares / shares.sum()
        self.corpus = corpus or Corpus()
        self.style = style or RenderStyle()

    def __call__(self, seed: int) -> LineSample:
        """Render the line of `seed`, any integer ≥ 0; the result is the same on every call and in every process."""
        rng = np.random.default_rng(seed)
        font = self._font(rng)
        text, above, below = (self.corpus.line(rng, font.charset) for _ in range(3))
        coverage = draw_line(font, text, (above, below), self.style.height, self.style.ink, rng)
        image = print_page(coverage, self.style.page, rng)
        return LineSample(image, text, name=f"rendered-{seed}", document=font.family)

    def text(self, seed: int) -> str:
        """Return the text of the line of `seed`, without drawing it."""
        rng = np.random.default_rng(seed)
        return self.corpus.line(rng, self._font(rng).charset)

    def _font(self, rng: np.random.Generator) -> Font:
        files = self.families[rng.choice(len(self.families), p=self.shares)]
        return files[rng.integers(len(files))]


class RenderedLines(LineDataset):
    """Lines with the seeds first_seed … first_seed + size − 1, rendered on access; later epochs use the next seeds.

    Args:
        renderer: the renderer.
        size: number of lines in an epoch.
        first_seed: seed of line 0.
        fresh: whether later epochs render new lines; if False, they repeat the first epoch.

    Raises:
        ValueError: if `size` or `first_seed` is out of range.
    """

    def __init__(self, renderer: LineRenderer, size: int, first_seed: int = 0, fresh: bool = True) -> None:
        """Store the renderer, without rendering."""
        if size < 1 or first_seed < 0:
            raise ValueError(f"`size` must be at least 1 and `first_seed` at least 0, got {size} and {first_seed}.")
        self.renderer, self.lines, self.first_seed, self.fresh = renderer, size, first_seed, fresh

    def __len__(self) -> int:
        """Number of lines in an epoch."""
        return self.lines

    def seed(self, index: int) -> int:
        """Return the seed of line index mod size in epoch index div size."""
        return self.first_seed + (index if self.fresh else index % self.lines)

    def __getitem__(self, index: int) -> LineSample:
        """Render the line."""
        return self.renderer(self.seed(index))

    def text(self, index: int) -> str:
        """Return the text of the line, without drawing it."""
        return self.renderer.text(self.seed(index))

    def size(self, index: int) -> tuple[int, int]:
        """Return (width, height), estimated from the text: the width of a character is about 0.38 of the height."""
        height = self.renderer.style.height
        return round(height * (0.6 + 0.38 * len(self.text(index)))), height
