"""What a hand does to the letters that a font sets: slant, bodies smaller than the strokes above them, uneven widths.

Output (x, y) shows the drawn line at

    x′ = X(x) + s·(y − B) + e₁(x, y)        y′ = B − R(B − y) + d(x) + e₂(x, y)

X stretches letters here and narrows them there, s slants about the baseline B, R shrinks the letters' bodies and gives
the room to what rises above them, d slopes and swings the line, e₁ and e₂ are smooth random fields: elastic distortion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .random_fields import cloud, sampled, wave


@dataclass(frozen=True)
class HandStyle:
    """How far a hand may be from its font; each value is the end of a range that the generator draws from.

    Args:
        slant: degrees to the right; to the left a third of it.
        skew: slope of the line in degrees; the ends of a long line move by at most a sixth of its height H.
        curve: swing of the baseline, in H.
        body: what the letters' bodies lose of their height, as a share.
        width: stretch of the whole line, as a share of its length.
        uneven: stretch of single letters, as a share of their width, in [0, 1).
        elastic: displacement of single points, in H.
    """

    slant: float = 35.0
    skew: float = 2.0
    curve: float = 0.05
    body: float = 0.4
    width: float = 0.25
    uneven: float = 0.35
    elastic: float = 0.03


@dataclass(frozen=True)
class Rows:
    """Where the parts of a drawn line are, in pixels.

    Args:
        height: of the frame that is cut out.
        top: the frame's first row on the canvas.
        baseline: below that row.
        body: how high above the baseline small letters (x) reach.
        capitals: how high capitals (H) reach.
    """

    height: int
    top: float
    baseline: float
    body: float
    capitals: float


def shrunk_bodies(above: np.ndarray, rows: Rows, factor: float) -> np.ndarray:
    """R: the height at which the font drew what the hand draws `above` pixels above the baseline.

    Args:
        above: in pixels, negative below the baseline, which stays as it is.
        rows: of the drawn line.
        factor: the body's new height as a share of the old one, in (0, 1].
    """
    body = factor * rows.body
    drawn = np.interp(above, [0, body, max(rows.capitals, body + 1)], [0, rows.body, max(rows.capitals, rows.body + 1)])
    return np.where(above < 0, above, np.where(above > rows.capitals, above, drawn))


def write_by_hand(canvas: Image.Image, rows: Rows, style: HandStyle, rng: np.random.Generator) -> Image.Image:
    """Deform a drawn line and cut it to the frame.

    Args:
        canvas: mode "L", higher than the frame, so that what is bent into it has ink.
        rows: of the drawn line.
        style: gives the ranges.
        rng: decides within them.

    Returns: mode "L", `rows.height` high.
    """
    height = rows.height
    slant = np.tan(np.radians(rng.uniform(-style.slant / 3, style.slant)))
    left, right = abs(slant) * height * np.array([0.2, 0.6])[:: 1 if slant > 0 else -1]  # where slanted letters end
    width = max(height, round((canvas.width + left + right) * (1 + rng.uniform(-1, 1) * style.width)))
    pace = 1 + wave(width, rng.uniform(0.3, 1.2) * height, rng) * rng.uniform(0, style.uneven)
    along = (np.cumsum(pace) - pace / 2) * ((canvas.width + left + right) / pace.sum()) - left - 0.5
    slope = np.tan(np.radians(rng.uniform(-style.skew, style.skew)))
    slope = np.clip(slope, -height / 6 / width, height / 6 / width)
    drift = slope * (np.arange(width) - width / 2)
    drift = drift + wave(width, rng.uniform(1, 6) * height, rng) * rng.uniform(0, style.curve) * height
    above = rows.baseline - np.arange(height, dtype=np.float32)
    drawn = shrunk_bodies(above, rows, 1 - rng.uniform(0, style.body))
    reach = rng.uniform(0, style.elastic) * height
    elastic = [cloud((height, width), rng.uniform(0.2, 0.8) * height, rng) * np.float32(reach) for _ in range(2)]
    x = along.astype(np.float32) + (np.float32(-slant) * above)[:, None] + elastic[0]
    y = (rows.top + rows.baseline - drawn).astype(np.float32)[:, None] + drift.astype(np.float32) + elastic[1]
    ink = sampled(np.asarray(canvas, dtype=np.float32), x, y)
    return Image.fromarray(ink.round().astype(np.uint8))
