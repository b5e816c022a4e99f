"""Images of a few printed words, in font families for training and in others for testing."""

from collections.abc import Sequence

from trocr_gsa.data import Corpus, Font, InkStyle, LineRenderer, PageStyle, RenderedLines, RenderStyle, find_fonts
from trocr_gsa.data.synthetic.fonts import BUILTIN_FAMILY, matches

SEEN_FAMILIES = (
    "Carlito", "Charis SIL", "DejaVu Sans", "DejaVu Serif", "FreeSans", "FreeSerif", "Gentium Plus", "Lato",
    "Linux Libertine O", "Nimbus Roman", "Nimbus Sans", "P052", "Rasa", "URW Bookman", "Vollkorn",
)  # fmt: skip
UNSEEN_FAMILIES = ("C059", "Cardo", "EB Garamond", "Liberation Sans", "Linux Biolinum O", "Old Standard TT")
LONGEST = 12  # characters that are still legible after resizing to a square of 128 pixels
STYLE = RenderStyle(
    ink=InkStyle(margin=0.3, slant=3, skew=1, curve=0.02, tracking=0.05, neighbours=0),
    page=PageStyle(binarised=0.1, paper=(190, 255), ink=(0.05, 0.5), bleed=0, rulings=0, cut=0, inverted=0),
)


def find_families(names: Sequence[str]) -> list[Font]:
    """Return the installed fonts of the families; Pillow's builtin font if there are none."""
    found = [font for font in find_fonts() if matches(font.family, names)]
    return found or [Font("", BUILTIN_FAMILY)]


def rendered_words(families: Sequence[str], size: int, first_seed: int) -> RenderedLines:
    """Return `size` images of English words, each fully determined by its seed."""
    renderer = LineRenderer(find_families(families), Corpus(("english",), max_length=LONGEST), STYLE)
    return RenderedLines(renderer, size, first_seed, fresh=False)
