"""Write the lines for `trocr-gsa doctor`, with the packaged reader's results. Run it after every new checkpoint.

    python scripts/doctor_lines.py

The lines are rendered with Pillow's builtin font. For each, the first candidate text is chosen that is read correctly
in every orientation. So an error in `doctor` comes from the machine, and not from the reader.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from trocr_gsa.checkpoints.models import PACKAGED_CHECKPOINT
from trocr_gsa.checkpoints.results import weights_sha256
from trocr_gsa.cli.doctor import LINES, KnownLine, find_mistakes
from trocr_gsa.data.numbers import to_json
from trocr_gsa.data.synthetic.fonts import BUILTIN_FAMILY, Font
from trocr_gsa.data.synthetic.ink import InkStyle, draw_line
from trocr_gsa.data.synthetic.paper import PageStyle, print_page
from trocr_gsa.reader import LineReader

TEXTS = {
    "question.png": ("Which way up does this line hang?",),
    "german.png": ("und die Leser fanden jede Zeile wieder", "und die Kinder fanden den Weg nach Hause"),
    "numbers.png": ("Hamburg 1871", "Berlin 1848", "Leipzig 1832", "London 1666"),
    "short.png": ("ja", "und", "der", "Brief", "August"),
}
HEIGHT = 48  # pixels
STYLE = InkStyle(slant=0, skew=0.3, curve=0.01, tracking=0, neighbours=0)
PAPER = PageStyle(binarised=0, paper=(225, 250), ink=(0.1, 0.3), noise=0, bleed=0, rulings=0, cut=0, inverted=0)


def draw(text: str, seed: int) -> Image.Image:
    """Render a text as a line image."""
    rng = np.random.default_rng(seed)
    return print_page(draw_line(Font("", BUILTIN_FAMILY), text, ("", ""), HEIGHT, STYLE, rng), PAPER, rng)


def choose_line(reader: LineReader, folder: Path, name: str, seed: int) -> KnownLine:
    """Write the image of a line to a folder, with the first of its texts that is read correctly at every angle.

    Raises:
        ValueError: if no text is.
    """
    for text in TEXTS[name]:
        draw(text, seed).save(folder / name, optimize=True)
        (found,) = reader.read([folder / name])
        known = KnownLine(name, text, round(found.confidence, 4))
        if not list(find_mistakes(reader, [known])):
            return known
    raise ValueError(f"{name} is misread with each of its texts, the last as {found.text!r}. Add other texts.")


def write_lines(folder: Path) -> None:
    """Write the images to a folder, and the results of the packaged reader to expected.json."""
    reader = LineReader.from_pretrained(device="cpu")
    lines = [choose_line(reader, folder, name, seed) for seed, name in enumerate(TEXTS)]
    values = {
        "written by": "scripts/doctor_lines.py",
        "weights": weights_sha256(str(PACKAGED_CHECKPOINT)),
        "lines": [asdict(line) for line in lines],
    }
    (folder / "expected.json").write_text(to_json(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    LINES.mkdir(exist_ok=True)
    write_lines(LINES)
