"""Deforms a line drawn with a font so that it looks like handwriting: slant, smaller letter bodies, uneven widths.

Pixel (x, y) of the output shows the drawn line at

    x′ = X(x) + s·(y − B) + e₁(x, y)        y′ = B − R(B − y) + d(x) + e₂(x, y)

X varies the width of the letters, s slants them about the baseline B, R shrinks the bodies of the letters in favour of
their ascenders, d slopes and bends the baseline, e₁ and e₂ are smooth random fields (elastic distortion).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .random_fields import cloud, sampled, wave


@dataclass(frozen=True)
class HandStyle:
    """Strength of the deformation; each value is the maximum of a range from which a random value is drawn.

    Args:
        slant: degrees to the right; to the left at most a third of it.
        skew: slope of the line in degrees; the ends of a long line move by at most a sixth of its height H.
        curve: amplitude of the baseline's waves, in H.
        body: reduction of the height of the letter bodies, as a share.
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
    """Vertical positions in a drawn line, in pixels.

    Args:
        height: height of the frame that is cut out of the canvas.
        top: first row of the frame on the canvas.
        baseline: distance of the baseline below this row.
        body: height of small letters (x) above the baseline.
        capitals: height of capitals (H) above the baseline.
    """

    height: int
    top: float
    baseline: float
    body: float
    capitals: float


def shrunk_bodies(above: np.ndarray, rows: Rows, factor: float) -> np.ndarray:
    """Compute R: the height in the font's drawing that is shown `above` pixels above the baseline.

    Args:
        above: height in pixels; negative below the baseline, where nothing changes.
        rows: positions in the drawn line.
        factor: new height of the letter bodies as a share of the old one, in (0, 1].
    """
    body = factor * rows.body
    drawn = np.interp(above, [0, body, max(rows.capitals, body + 1)], [0, rows.body, max(rows.capitals, rows.body + 1)])
    return np.where(above < 0, above, np.where(above > rows.capitals, above, drawn))


def write_by_hand(canvas: Image.Image, rows: Rows, style: HandStyle, rng: np.random.Generator) -> Image.Image:
    """Deform a drawn line and cut it to the frame.

    Args:
        canvas: image of mode "L", higher than the frame, so that ink outside of the frame can be bent into it.
        rows: positions in the drawn line.
        style: ranges of the random values.
        rng: random generator.

    Returns: mode "L", `rows.height` high.
    """
    height = rows.height
    slant = np.tan(np.radians(rng.uniform(-style.slant / 3, style.slant)))
    left, right = abs(slant) * height * np.array([0.2, 0.6])[:: 1 if slant > 0 else -1]  # room for slanted letters
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
