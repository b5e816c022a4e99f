"""Write the lines that `trocr-gsa doctor` reads, and how the packaged reader reads them; after every new checkpoint.

    python scripts/doctor_lines.py

The lines are drawn with the font inside Pillow. A line that is misread is not written: a reader that cannot read them
says nothing about the machine that it runs on.
"""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from trocr_gsa.checkpoints.models import PACKAGED_CHECKPOINT
from trocr_gsa.checkpoints.results import weights_sha256
from trocr_gsa.cli.doctor import LINES, KnownLine, find_mistakes
from trocr_gsa.data.numbers import to_json
from trocr_gsa.data.synthetic.fonts import BUILTIN_FAMILY, Font
from trocr_gsa.data.synthetic.ink import InkStyle, draw_line
from trocr_gsa.data.synthetic.paper import PageStyle, print_page
from trocr_gsa.reader import LineReader

TEXTS = {
    "question.png": "Which way up does this line hang?",
    "german.png": "und die Leser fanden jede Zeile wieder",
    "numbers.png": "Hamburg 1871",
    "short.png": "ja",
}
HEIGHT = 48  # pixels
STYLE = InkStyle(slant=0, skew=0.3, curve=0.01, tracking=0, neighbours=0)
PAPER = PageStyle(binarised=0, paper=(225, 250), ink=(0.1, 0.3), noise=0, bleed=0, rulings=0, cut=0, inverted=0)


def draw_lines(folder: Path) -> None:
    """Draw the pictures into a folder."""
    font = Font("", BUILTIN_FAMILY)
    for seed, (name, text) in enumerate(TEXTS.items()):
        rng = np.random.default_rng(seed)
        page = print_page(draw_line(font, text, ("", ""), HEIGHT, STYLE, rng), PAPER, rng)
        page.save(folder / name, optimize=True)


def write_expected(folder: Path) -> None:
    """Write what the packaged reader reads in the pictures of a folder.

    Raises:
        ValueError: if it does not read each of them right at every angle.
    """
    reader = LineReader.from_pretrained(device="cpu")
    read = [(reader.read([folder / name])[0], KnownLine(name, text, 0.0)) for name, text in TEXTS.items()]
    lines = [replace(known, confidence=round(found.confidence, 4)) for found, known in read]
    if mistakes := list(find_mistakes(reader, lines)):
        raise ValueError(f"{len(mistakes)} readings are wrong: {mistakes[0]}. Choose other lines.")
    values = {
        "written by": "scripts/doctor_lines.py",
        "weights": weights_sha256(str(PACKAGED_CHECKPOINT)),
        "lines": [asdict(line) for line in lines],
    }
    (folder / "expected.json").write_text(to_json(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    LINES.mkdir(exist_ok=True)
    draw_lines(LINES)
    write_expected(LINES)
