"""The demo's picture: a card a line, with the line as seen at four angles around what was read."""

import difflib
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

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
