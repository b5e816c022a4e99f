"""Teach the packaged reader a hand that it reads badly, and see it read, whichever way up: `make demo`.

The hand leans far to the left, as no print and few people do. Two hundred lines of it, written with the font inside
Pillow so that they are the same on every machine, train a LoRA adapter of both halves for a minute. Everything is
upright in training; the turned lines are read right because the encoder cannot tell the difference.
"""

import difflib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.table import Table

from trocr_gsa.cli.messages import silence_libraries
from trocr_gsa.cli.render import write_lines
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.synthetic.corpus import Corpus
from trocr_gsa.data.synthetic.fonts import BUILTIN_FAMILY, Font
from trocr_gsa.data.synthetic.ink import InkStyle, draw_line
from trocr_gsa.data.synthetic.paper import PageStyle, print_page
from trocr_gsa.evaluation.evaluate import evaluate, rotate_image
from trocr_gsa.metrics.summary_row import SummaryRow
from trocr_gsa.reader import Line, LineReader
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune

ANGLES = (0, 90, 180, 270)
HEIGHT = 48  # pixels
LEAN = 40  # degrees to the left
CARD_WIDTH = 560  # pixels of the lines that the picture shows, more or less
TRAINING = {"rank": 8, "targets": "both", "learning_rate": 5e-3, "warmup_steps": 5, "batch_patches": 2000}
GAP = 28  # pixels between things
LEADING = 116  # from one reading to the next
DESK, PAPER, INK, GREY, RED, GREEN = "#eceae4", "#ffffff", "#22262b", "#868b92", "#c8372d", "#2a8a4a"


@dataclass(frozen=True)
class Card:
    """One line: as seen, as it is, as read.

    Attributes:
        seen: the line turned by 0, 90, 180 and 270 degrees counter-clockwise.
        text: what stands there.
        before: what was read in each, by the reader as it came.
        after: the same with the adapter.
    """

    seen: list[Image.Image]
    text: str
    before: list[str]
    after: list[str]

    @property
    def side(self) -> int:
        """Width and height in pixels."""
        return self.seen[0].width + 2 * self.seen[0].height + 4 * GAP


@dataclass(frozen=True)
class Demo:
    """How much of everything; the defaults take some three minutes on two cores.

    Args:
        output: folder for the picture.
        steps: of training; the learning rate follows them, so that the result is that of any machine.
        minutes: that training may take at most, however slow the machine is.
        train_lines: lines to learn from.
        test_lines: lines to read before and after.
        model: a checkpoint's folder; None: the packaged one.
    """

    output: Path = Path("demo")
    steps: int = 100
    minutes: float = 10.0
    train_lines: int = 200
    test_lines: int = 40
    model: str | None = None


def leaning_line(seed: int) -> LineSample:
    """Write line `seed` of the hand, the same on every machine."""
    rng = np.random.default_rng(seed)
    font = Font("", BUILTIN_FAMILY)
    text = Corpus(("english",), max_length=26, dictionaries="").line(rng, font.charset)
    style = InkStyle(slant=0, skew=0.5, curve=0.02, tracking=0, neighbours=0)
    upright = draw_line(font, text, ("", ""), HEIGHT, style, rng)
    page = PageStyle(binarised=0, paper=(205, 250), ink=(0.1, 0.4), noise=14, bleed=0, rulings=0, cut=0, inverted=0)
    return LineSample(print_page(lean(upright), page, rng), text, f"hand-{seed}")


def lean(ink: Image.Image) -> Image.Image:
    """Shear ink to the left, in a picture wide enough to hold it: output (x, y) shows (x + s·(y − H), y)."""
    shear = float(np.tan(np.radians(LEAN)))
    size = (ink.width + int(shear * ink.height), ink.height)
    affine = (1, -shear, 0, 0, 1, 0)
    return ink.transform(size, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)


def train_adapter(demo: Demo, work: Path) -> tuple[Path, int]:
    """Fine-tune as `trocr-gsa finetune` would, and return the adapter's folder and the steps taken."""
    write_lines(map(leaning_line, range(demo.train_lines)), work / "lines")
    settings = {
        "train": str(work / "lines"),
        "output": str(work / "run"),
        "max_minutes": demo.minutes,
        "max_steps": demo.steps,
        "eval_every": demo.steps,
    }
    state = finetune(TrainingArguments.from_dict(TRAINING | settings | ({"model": demo.model} if demo.model else {})))
    return work / "run" / "best", state.step


def measure(reader: LineReader, lines: list[LineSample]) -> list[SummaryRow]:
    """Read the lines at every angle."""
    return [row for row, _ in evaluate(reader.model, reader.processor, "hand", lines, ANGLES)]


def table(before: list[SummaryRow], after: list[SummaryRow]) -> Table:
    """Return what was measured, an angle a row."""
    drawn = Table(title=f"{before[0].lines} held-out lines, before and after fine-tuning")
    for column in ("turned by", "CER before", "CER after", "way up before", "way up after"):
        drawn.add_column(column, justify="right")
    for first, second in zip(before, after, strict=True):
        rates = (first.cer, second.cer, first.orientation_accuracy, second.orientation_accuracy)
        drawn.add_row(f"{first.angle:g}°", *(f"{rate:.1%}" for rate in rates))
    return drawn


def card(line: LineSample, before: LineReader, after: LineReader) -> Card:
    """Turn a line four ways and read each."""
    seen = [rotate_image(line.image, angle) for angle in ANGLES]
    return Card(seen, line.text, _texts(before.read(seen)), _texts(after.read(seen)))


def draw_cards(cards: list[Card]) -> Image.Image:
    """Return the cards side by side on one picture."""
    side = max(card.side for card in cards)
    desk = Image.new("RGB", (GAP + len(cards) * (side + GAP), side + 2 * GAP), DESK)
    pen = ImageDraw.Draw(desk)
    for index, card in enumerate(cards):
        x, y = GAP + index * (side + GAP), GAP
        pen.rounded_rectangle((x, y, x + side, y + side), GAP // 2, PAPER)
        _draw_views(desk, card, x + side // 2, y + side // 2)
        _draw_readings(pen, card, x + side // 2, y + side // 2)
    return desk


def _draw_views(desk: Image.Image, card: Card, x: int, y: int) -> None:
    """Lay the four views around a square with its middle at (x, y), each with its head towards the outside."""
    reach = card.side // 2 - GAP
    for view, (right, down) in zip(card.seen, ((0, -1), (-1, 0), (0, 1), (1, 0)), strict=True):
        centre_x = x + right * (reach - view.width // 2)
        centre_y = y + down * (reach - view.height // 2)
        desk.paste(view, (centre_x - view.width // 2, centre_y - view.height // 2))


def _draw_readings(pen: ImageDraw.ImageDraw, card: Card, x: int, y: int) -> None:
    left, width = x - card.seen[0].width // 2, card.seen[0].width
    longest = max([card.text, *card.before, *card.after], key=len)
    small = ImageFont.load_default(20)
    letters = next(
        (font for size in range(44, 8, -1) if (font := ImageFont.load_default(size)).getlength(longest) <= width), small
    )
    readings = [
        ("what it says", card.text, INK),
        (f"read before{_alike(card.before)}", card.before[0], INK),
        (f"read after{_alike(card.after)}", card.after[0], GREEN),
    ]
    for index, (title, read, colour) in enumerate(readings):
        top = y + round((index - 1.5) * LEADING) + GAP // 2
        pen.text((left, top), title, fill=GREY, font=small)
        _draw_compared(pen, (left, top + 26), read, card.text, letters, colour)


def _alike(texts: list[str]) -> str:
    """Say at how many angles the same was read."""
    alike = sum(text == texts[0] for text in texts)
    return f", alike at {alike} of {len(texts)} angles"


def _draw_compared(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    read: str,
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    colour: str,
) -> None:
    """Write what was read, what is wrong in it in red; a red bar stands where letters are missing."""
    x, y = place
    for kind, _, _, start, end in difflib.SequenceMatcher(None, text, read, autojunk=False).get_opcodes():
        if kind == "delete":
            pen.line((x, y + 6, x, y + 44), fill=RED, width=2)
        piece = read[start:end]
        pen.text((x, y), piece, fill=colour if kind == "equal" else RED, font=font)
        x += round(font.getlength(piece))


def run(demo: Demo, console: Console) -> None:
    """Read, train, read again; print the table and write the picture.

    Raises:
        ValueError: if the model cannot be loaded.
    """
    held_out = [leaning_line(demo.train_lines + index) for index in range(demo.test_lines)]
    before = LineReader.from_pretrained(demo.model)
    with console.status(f"reading {demo.test_lines} lines at {len(ANGLES)} angles"):
        first = measure(before, held_out)
    with tempfile.TemporaryDirectory() as work, console.status("training a LoRA adapter on both halves"):
        adapter, steps = train_adapter(demo, Path(work))
        after = LineReader.from_pretrained(demo.model, adapter)
    with console.status("reading the same lines again"):
        second = measure(after, held_out)
    console.print(table(first, second))
    if steps < demo.steps:
        console.print(
            f"This machine is slow or busy: after {demo.minutes:g} minutes, training stopped at step {steps} of "
            f"{demo.steps}. The adapter could read better."
        )
    demo.output.mkdir(parents=True, exist_ok=True)
    shown = sorted(held_out, key=lambda line: abs(line.image.width - CARD_WIDTH))[:3]
    draw_cards([card(line, before, after) for line in shown]).save(demo.output / "lines.png")
    console.print(f"The lines as seen and as read: {demo.output / 'lines.png'}")


def _texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def main() -> None:
    """Run it; what the user can put right ends with one line."""
    silence_libraries()
    try:
        run(Demo(), Console())
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
