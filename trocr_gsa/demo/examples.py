"""Example lines for the page, drawn when the page starts; they are the same on every machine."""

from pathlib import Path

import numpy as np

from trocr_gsa.data.synthetic.fonts import BUILTIN_FAMILY, Font
from trocr_gsa.data.synthetic.ink import InkStyle, draw_line
from trocr_gsa.data.synthetic.paper import PageStyle, print_page
from trocr_gsa.evaluation.evaluate import rotate_image

HEIGHT = 64  # pixels
LINES = (("Turn the page, and the words stay.", 0), ("Which way up does this line hang?", 180), ("Up we go", 90))
STYLE = InkStyle(slant=0, skew=0.3, curve=0.01, tracking=0, neighbours=0)
PAPER = PageStyle(binarised=0, paper=(225, 250), ink=(0.1, 0.3), noise=8, bleed=0, rulings=0, cut=0, inverted=0)


def draw_examples(folder: Path) -> list[Path]:
    """Draw the lines into a folder, some of them rotated, and return their files."""
    font = Font("", BUILTIN_FAMILY)
    files = []
    for index, (text, angle) in enumerate(LINES):
        rng = np.random.default_rng(index)
        page = print_page(draw_line(font, text, ("", ""), HEIGHT, STYLE, rng), PAPER, rng)
        files.append(folder / f"{text.split()[0].lower()}.png")
        rotate_image(page, angle).save(files[-1])
    return files
