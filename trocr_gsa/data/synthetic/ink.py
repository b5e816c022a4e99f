"""Draws the ink of a line: a text as ink coverage, with margins, spacing, slant and bends as in a line cut from a page.

Lengths are measured in the line's height H. Everything is drawn at the final size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from .fonts import REFERENCE_SIZE, Font, load_font
from .handwriting import HandStyle, Rows, write_by_hand

ROOM = 0.5  # additional canvas above and below the frame, in H, for bending and for neighbouring lines
DOUBLE_STRIKES = 0.02  # share of typed letters that are struck twice, slightly shifted
STRIP = 48  # width of the strips in which a line is bent, in pixels


@dataclass(frozen=True)
class InkStyle:
    """Layout and deformation of a line; each value is a probability or the maximum of a range of random values.

    Args:
        margin: maximum margin above, below (half of it) and beside the line, in H.
        slant: maximum shear of the letters, in degrees in either direction.
        skew: maximum slope of the line, in degrees; long lines rise by at most a sixth of H.
        curve: maximum amplitude of the baseline's waves, in H.
        tracking: probability of letter-spacing.
        neighbours: probability that the lines above and below reach into the frame.
        leading: minimum and maximum distance to these lines, in H.
        typed: probability of typewriting, where each letter may be darker or paler, higher or lower than others.
        hand: deformation as by handwriting, with its own slant, skew and curve.
    """

    margin: float = 0.5
    slant: float = 9.0
    skew: float = 2.0
    curve: float = 0.035
    tracking: float = 0.1
    neighbours: float = 0.3
    leading: tuple[float, float] = (0.85, 1.2)
    typed: float = 0.0
    hand: HandStyle | None = None


@lru_cache(maxsize=1024)
def usual_reach(path: str) -> tuple[float, float]:
    """Return the heights of ascenders and descenders at the reference size, in pixels."""
    _, top, _, bottom = load_font(path, REFERENCE_SIZE).getbbox("Hdlgpq", anchor="ls")
    return -top, bottom


def frame(font: Font, text: str, height: int, style: InkStyle, rng: np.random.Generator) -> tuple[int, float]:
    """Choose the font size in pixels and the baseline in pixels from the top, so that the line fills `height`."""
    reference = load_font(font.path, REFERENCE_SIZE)
    usual_rise, usual_drop = usual_reach(font.path)
    _, text_top, _, text_bottom = reference.getbbox(text, anchor="ls")
    if rng.random() < 0.75:
        rise = max(usual_rise, min(-text_top, 1.2 * usual_rise))
        drop = max(usual_drop, min(text_bottom, 1.5 * usual_drop))
    else:
        rise, drop = max(-text_top, 0.5 * usual_rise), max(text_bottom, 0.1 * usual_drop)
    above, below = rng.uniform(-0.03, style.margin / 2, 2) * rng.uniform(0.2, 1.0)
    scale = height / ((rise + drop) * (1 + above + below))
    size = int(np.clip(round(REFERENCE_SIZE * scale), 6, 3 * height))
    return size, (rise + (rise + drop) * above) * scale


def draw_line(
    font: Font, text: str, neighbours: tuple[str, str], height: int, style: InkStyle, rng: np.random.Generator
) -> Image.Image:
    """Draw `text`, and depending on the style parts of the lines above and below.

    Returns: an image of mode "L" with the given height; 255 is full coverage by ink.
    """
    size, baseline = frame(font, text, height, style, rng)
    face = load_font(font.path, size)
    tracking = rng.uniform(0.05, 0.3) * size if rng.random() < style.tracking else 0.0
    typed = style.typed > 0 and rng.random() < style.typed
    pieces = list(text) if tracking or typed else text.split(" ")
    gap = face.getlength(" ") * rng.uniform(0.8, 1.7) if rng.random() < 0.7 else face.getlength(" ")
    wobble = rng.uniform(0, 0.02) * height if rng.random() < 0.5 else 0.0
    left, right = rng.uniform(0.0, style.margin, 2) * rng.uniform(0, 1) * height + 0.04 * size
    x, places = left, []
    for piece in pieces:
        places.append(x)
        if tracking or typed:
            x += gap if piece == " " else face.getlength(piece) + tracking
        else:
            x += face.getlength(piece) + gap * rng.uniform(0.85, 1.15)
    strokes = strike(len(pieces), size, rng) if typed else None
    width = max(int(x - (tracking if tracking or typed else gap) + right), height)
    room = int(ROOM * height)
    canvas = Image.new("L", (width, height + 2 * room))
    pen = ImageDraw.Draw(canvas)
    for index, (piece, place) in enumerate(zip(pieces, places, strict=True)):
        fill, aside, down = strokes[index] if strokes is not None else (255, 0.0, 0.0)
        spot = place + aside, room + baseline + rng.uniform(-wobble, wobble) + down
        pen.text(spot, piece, fill=int(fill), font=face, anchor="ls")
        if strokes is not None and rng.random() < DOUBLE_STRIKES:
            pen.text((spot[0] + 0.06 * size, spot[1]), piece, fill=int(fill), font=face, anchor="ls")
    if rng.random() < style.neighbours:
        leading = height * rng.uniform(*style.leading)
        for other, way in zip(neighbours, (-1, 1), strict=True):
            pen.text(
                (rng.uniform(-0.3, 0.3) * width, room + baseline + way * leading),
                other,
                fill=255,
                font=face,
                anchor="ls",
            )
    if style.hand is None:
        return bend(canvas, height, style, rng)
    body, capitals = (-face.getbbox(letter, anchor="ls")[1] for letter in "xH")
    return write_by_hand(canvas, Rows(height, room, baseline, body, capitals), style.hand, rng)


def strike(letters: int, size: float, rng: np.random.Generator) -> np.ndarray:
    """Return ink in [0, 255], shift to the right and shift down in pixels of each letter of a typewritten line.

    A worn ribbon makes the whole line paler; worn type or uneven pressure makes single letters paler; some letters are
    shifted up or down.

    Returns: (letters, 3).
    """
    worn, uneven, loose = rng.uniform(0, 0.2), rng.uniform(0, 0.35), rng.uniform(0, 0.035) * size
    ink = 255 * (1 - worn - uneven * rng.random(letters) ** 2)
    aside, down = rng.normal(0, 1, (2, letters)).clip(-2, 2) * loose * np.array([[0.6], [1.0]])
    return np.stack([ink, aside, down], 1)


def bend(canvas: Image.Image, height: int, style: InkStyle, rng: np.random.Generator) -> Image.Image:
    """Slant the letters, bend the baseline, and cut the line to `height`, with a single resampling in strips.

    Pixel (x, y) of the output shows the canvas at (x + s·(y − H/2), y + room + d(x)),
    d(x) = slope·(x − W/2) + swing·sin(2πfx/W + φ).
    """
    width, room = canvas.width, (canvas.height - height) // 2
    shear = np.tan(np.radians(rng.uniform(-style.slant, style.slant))) * (rng.random() < 0.6)
    steepest = height / 6 / width
    slope = np.clip(np.tan(np.radians(rng.uniform(-style.skew, style.skew))), -steepest, steepest)
    swing, phase, waves = rng.uniform(0, style.curve) * height, rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.5)
    edges = np.linspace(0, width, max(1, width // STRIP) + 1).round()
    shift = room + slope * (edges - width / 2) + swing * np.sin(2 * np.pi * waves * edges / width + phase)
    lean = shear * height / 2
    mesh = [
        ((int(a), 0, int(b), height), (a - lean, da, a + lean, da + height, b + lean, db + height, b - lean, db))
        for a, b, da, db in zip(edges[:-1], edges[1:], shift[:-1], shift[1:], strict=True)
    ]
    return canvas.transform((width, height), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
