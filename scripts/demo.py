"""Fine-tune the packaged reader on a hand that it reads badly, and read lines in four orientations: `make demo`.

The hand slants far to the left, which is rare in print and handwriting. It is rendered with Pillow's builtin font, so
that the lines are the same on every machine. A LoRA adapter on encoder and decoder is trained for a minute on two
hundred upright lines. The adapted reader also reads turned lines correctly, because the encoder is equivariant.
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
SLANT = 40  # degrees to the left
CARD_WIDTH = 560  # approximate width of the lines shown in the image, in pixels
TRAINING = {"rank": 8, "targets": "both", "learning_rate": 5e-3, "warmup_steps": 5, "batch_patches": 900}
GAP = 28  # pixels between elements
LEADING = 116  # pixels from one reading to the next
DESK, PAPER, INK, GREY, RED, GREEN = "#eceae4", "#ffffff", "#22262b", "#868b92", "#c8372d", "#2a8a4a"


@dataclass(frozen=True)
class Card:
    """One line: its images, its transcription, and its readings.

    Attributes:
        seen: images of the line, turned by 0, 90, 180 and 270 degrees counter-clockwise.
        text: transcription.
        before: text read from each image without the adapter.
        after: text read from each image with the adapter.
    """

    seen: list[Image.Image]
    text: str
    before: list[str]
    after: list[str]

    @property
    def side(self) -> int:
        """Side of the square card in pixels."""
        return self.seen[0].width + 2 * self.seen[0].height + 4 * GAP


@dataclass(frozen=True)
class Demo:
    """Settings of the demo; with the defaults it takes about three minutes on two cores.

    Args:
        output: folder for the image.
        steps: training steps; the learning rate depends on them, so that the result is the same on every machine.
        minutes: maximum training time in minutes.
        train_lines: number of training lines.
        test_lines: number of lines to read before and after training.
        model: folder of a checkpoint; None: the packaged one.
    """

    output: Path = Path("demo")
    steps: int = 150
    minutes: float = 10.0
    train_lines: int = 200
    test_lines: int = 40
    model: str | None = None


def slanted_line(seed: int) -> LineSample:
    """Return line `seed` of the hand, the same on every machine."""
    rng = np.random.default_rng(seed)
    font = Font("", BUILTIN_FAMILY)
    text = Corpus(("english",), max_length=26, dictionaries="").line(rng, font.charset)
    style = InkStyle(slant=0, skew=0.5, curve=0.02, tracking=0, neighbours=0)
    upright = draw_line(font, text, ("", ""), HEIGHT, style, rng)
    page = PageStyle(binarised=0, paper=(205, 250), ink=(0.1, 0.4), noise=14, bleed=0, rulings=0, cut=0, inverted=0)
    return LineSample(print_page(slant(upright), page, rng), text, f"hand-{seed}")


def slant(ink: Image.Image) -> Image.Image:
    """Shear ink to the left, in an image wide enough for it: output (x, y) shows input (x + s·(y − H), y)."""
    shear = float(np.tan(np.radians(SLANT)))
    size = (ink.width + int(shear * ink.height), ink.height)
    affine = (1, -shear, 0, 0, 1, 0)
    return ink.transform(size, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)


def train_adapter(demo: Demo, work: Path) -> tuple[Path, int]:
    """Fine-tune as `trocr-gsa finetune` does, and return the folder of the adapter and the number of steps."""
    write_lines(map(slanted_line, range(demo.train_lines)), work / "lines")
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
    """Return the results as a table, one row per angle."""
    printed = Table(title=f"{before[0].lines} held-out lines, before and after fine-tuning")
    for column in ("turned by", "CER before", "CER after", "way up before", "way up after"):
        printed.add_column(column, justify="right")
    for first, second in zip(before, after, strict=True):
        rates = (first.cer, second.cer, first.orientation_accuracy, second.orientation_accuracy)
        printed.add_row(f"{first.angle:g}°", *(f"{rate:.1%}" for rate in rates))
    return printed


def card(line: LineSample, before: LineReader, after: LineReader) -> Card:
    """Turn a line by four angles, and read each image with both readers."""
    seen = [rotate_image(line.image, angle) for angle in ANGLES]
    return Card(seen, line.text, _texts(before.read(seen)), _texts(after.read(seen)))


def draw_cards(cards: list[Card]) -> Image.Image:
    """Return one image with the cards side by side."""
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
    """Paste the four images around a square with its centre at (x, y), each with its top towards the outside."""
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
    """Return at how many angles the text is the same as at the first."""
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
    """Draw the text read, with errors in red and a red bar where characters are missing."""
    x, y = place
    for kind, _, _, start, end in difflib.SequenceMatcher(None, text, read, autojunk=False).get_opcodes():
        if kind == "delete":
            pen.line((x, y + 6, x, y + 44), fill=RED, width=2)
        piece = read[start:end]
        pen.text((x, y), piece, fill=colour if kind == "equal" else RED, font=font)
        x += round(font.getlength(piece))


def run(demo: Demo, console: Console) -> None:
    """Read, train and read again; print the table and write the image.

    Raises:
        ValueError: if the model cannot be loaded.
    """
    held_out = [slanted_line(demo.train_lines + index) for index in range(demo.test_lines)]
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
    console.print(f"The lines and their readings: {demo.output / 'lines.png'}")


def _texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def main() -> None:
    """Run the demo; errors that the user can correct end with one line."""
    silence_libraries()
    try:
        run(Demo(), Console())
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
