"""Turns ink coverage into a grey image: paper, stroke weight, uneven ink, bleed-through, rulings, blur and noise.

There are two kinds of pages: grey scans, and binarised pages, black on white with rough edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .random_fields import blurred, cloud, sampled


@dataclass(frozen=True)
class PageStyle:
    """Appearance of a page; each value is a probability or the limit of a range of random values.

    Args:
        binarised: probability of a binarised page.
        paper: darkest and lightest paper of a scan, grey levels in [0, 255].
        ink: minimum and maximum share of the paper's brightness under ink, in [0, 1].
        weight: maximum thinning or thickening of strokes, as a shift of the edge threshold in [0, 0.5).
        unevenness: maximum variation of this threshold over the line.
        softness: minimum and maximum spread of ink into the paper, in pixels at a height of 48.
        blur: maximum radius of blur, in pixels at a height of 48.
        noise: maximum standard deviation of the noise, in grey levels.
        bleed: probability of a faint shadow of the other side.
        verso: probability that the writing of the other side shows through, mirrored, up to half as dark as the ink.
        pen: probability that strokes in one direction are heavier than others, to a varying degree.
        stains: probability of stains, with a dark rim or washed out.
        rulings: probability of ruled or squared paper.
        cut: probability that the line was cut along a wavy outline and the outside was filled.
        inverted: probability of light ink on a dark background.
    """

    binarised: float = 0.33
    paper: tuple[float, float] = (145.0, 255.0)
    ink: tuple[float, float] = (0.05, 0.72)
    weight: float = 0.2
    unevenness: float = 0.22
    softness: tuple[float, float] = (0.3, 0.8)
    blur: float = 1.1
    noise: float = 9.0
    bleed: float = 0.2
    verso: float = 0.0
    pen: float = 0.0
    stains: float = 0.0
    rulings: float = 0.08
    cut: float = 0.25
    inverted: float = 0.01


def stroke(coverage: np.ndarray, style: PageStyle, hard: bool, rng: np.random.Generator) -> np.ndarray:
    """Vary the stroke weight: ink = clip(gain·(blur(coverage) − threshold) + ½), with an uneven threshold.

    Args:
        coverage: (height, width) in [0, 1].
        style: ranges of the random values.
        hard: whether edges are rough and binarised.
        rng: random generator.
    """
    scale = coverage.shape[0] / 48
    soft = blurred(coverage, rng.uniform(*style.softness) * scale)
    soft /= max(float(soft.max()), 0.2)
    threshold = 0.45 - rng.uniform(-0.6, 1.0) * style.weight
    if rng.random() < 0.6:
        threshold = threshold + cloud(coverage.shape, rng.uniform(4, 60) * scale, rng) * rng.uniform(
            0, style.unevenness
        )
    if hard:
        threshold = threshold + cloud(coverage.shape, rng.uniform(1, 2.5) * scale, rng) * rng.uniform(
            0, 1.3 * style.unevenness
        )
    gain = rng.uniform(4, 10) if hard else rng.uniform(1.2, 3.0)
    return np.clip((soft - threshold) * gain + 0.5, 0, 1)


def happens(probability: float, rng: np.random.Generator) -> bool:
    """Return True with this probability; a probability of 0 does not use the generator."""
    return probability > 0 and rng.random() < probability


def pressed(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vary the pressure of the pen: strokes across one direction become heavier or lighter, to a varying degree.

    ink + p(x, y) · (max(ink, ink shifted by v) − ink), or min, with v up to 1.6 pixels at a height of 48.
    """
    height, width = ink.shape
    lighter = rng.random() < 0.55  # with a smaller shift, so that hairlines remain
    angle, reach = rng.uniform(-0.4, 1.2), rng.uniform(0.4, 0.8 if lighter else 1.6) * height / 48
    columns = np.arange(width, dtype=np.float32)[None, :] + np.float32(reach * np.cos(angle))
    rows = np.arange(height, dtype=np.float32)[:, None] + np.float32(reach * np.sin(angle))
    moved = sampled(ink, *np.broadcast_arrays(columns, rows))
    change = np.minimum(ink, moved) if lighter else np.maximum(ink, moved)
    pressure = 0.5 + 0.5 * cloud(ink.shape, rng.uniform(0.3, 3) * height, rng)
    return ink + pressure * (change - ink)


def stains(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return the darkening of the paper by stains: (height, width) in [0, 0.5], darker at their rims."""
    field = cloud(shape, rng.uniform(0.6, 4) * shape[0], rng) + 0.2 * cloud(shape, 0.25 * shape[0], rng)
    depth = field - rng.uniform(0.1, 0.6)
    inside = np.clip(depth * rng.uniform(4, 25), 0, 1)
    rim = np.exp(-((depth * rng.uniform(10, 25)) ** 2))
    return np.clip(inside * rng.uniform(0.05, 0.3) + rim * rng.uniform(0, 0.2), 0, 0.5).astype(np.float32)


def other_side(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the writing of the other side as it shows through: mirrored, blurred, with its lines shifted."""
    height, width = ink.shape
    mirrored = np.roll(ink[:, ::-1], (rng.integers(height), rng.integers(width)), (0, 1))
    return blurred(mirrored, rng.uniform(0.6, 2.2) * height / 48) * rng.uniform(0.05, 0.5)


def rulings(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return thin lines along the writing, and across it for squared paper; (height, width) in [0, 1]."""
    lines = np.zeros(shape, dtype=np.float32)
    strength, pitch = rng.uniform(0.08, 0.4), rng.uniform(0.4, 1.2) * shape[0]
    rows = np.arange(rng.uniform(0, pitch), shape[0], pitch).astype(int)
    lines[rows] = strength
    if rng.random() < 0.6:
        lines[:, np.arange(rng.uniform(0, pitch), shape[1], pitch).astype(int)] = strength
    return lines


def cut_outline(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fill the area outside of a wavy outline with one grey level, as in lines cut along polygons."""
    height, width = page.shape
    fill = 255.0 if rng.random() < 0.4 else float(np.median(page[::4, ::4]))
    knots = max(3, width // height + 1)
    depth = rng.uniform(0.02, 0.14) * height
    waves = rng.uniform(-0.5, 1.0, (2, knots)) * depth
    top, bottom = (np.interp(np.arange(width), np.linspace(0, width, knots), w) for w in waves)
    rows = np.arange(height)[:, None]
    return np.where((rows < top) | (rows >= height - bottom), fill, page)


def print_page(coverage: Image.Image, style: PageStyle, rng: np.random.Generator) -> Image.Image:
    """Turn ink coverage (mode "L", 255 = ink) into a grey image of the same size."""
    ink = np.asarray(coverage, dtype=np.float32) / 255
    page = _binarised(ink, style, rng) if rng.random() < style.binarised else _scanned(ink, style, rng)
    if rng.random() < style.inverted:
        page = 255 - page
    return Image.fromarray(np.clip(page, 0, 255).astype(np.uint8))


def _binarised(ink: np.ndarray, style: PageStyle, rng: np.random.Generator) -> np.ndarray:
    ink = stroke(ink, style, hard=True, rng=rng)
    if rng.random() < 0.3:
        specks = rng.random((ink.shape[0] // 2 + 1, ink.shape[1] // 2 + 1)) < rng.uniform(0, 0.004)
        ink = np.maximum(ink, np.kron(specks, np.ones((2, 2)))[: ink.shape[0], : ink.shape[1]])
    return 255 - ink * rng.uniform(225, 255)


def _scanned(ink: np.ndarray, style: PageStyle, rng: np.random.Generator) -> np.ndarray:
    scale = ink.shape[0] / 48
    shadow = ink[::-1, ::-1] if rng.random() < style.bleed else None
    verso = other_side(ink, rng) if happens(style.verso, rng) else None
    if happens(style.pen, rng):
        ink = pressed(ink, rng)
    ink = stroke(ink, style, hard=False, rng=rng)
    paper = np.full(ink.shape, rng.uniform(*style.paper), dtype=np.float32)
    if rng.random() < 0.5:
        paper *= 1 + cloud(ink.shape, rng.uniform(20, 300) * scale, rng) * rng.uniform(0, 0.12)
    if rng.random() < 0.3:
        paper *= 1 + cloud(ink.shape, rng.uniform(1.5, 4) * scale, rng) * rng.uniform(0, 0.06)
    if shadow is not None:
        paper *= 1 - blurred(shadow, rng.uniform(0.8, 2.0) * scale) * rng.uniform(0.03, 0.25)
    if verso is not None:
        paper *= 1 - verso
    if happens(style.stains, rng):
        paper *= 1 - stains(ink.shape, rng)
    if rng.random() < style.rulings:
        paper *= 1 - rulings(ink.shape, rng)
    low, high = style.ink
    through = low + (high - low) * rng.random() ** 1.6
    if rng.random() < 0.4:
        ink = ink * (1 - (0.5 + 0.5 * cloud(ink.shape, rng.uniform(10, 120) * scale, rng)) * rng.uniform(0, 0.5))
    page = paper * (1 - ink * (1 - through))
    if rng.random() < 0.4:
        page = blurred(np.clip(page / 255, 0, 1), rng.uniform(0.2, style.blur) * scale) * 255
    page = page + rng.standard_normal(page.shape, dtype=np.float32) * np.float32(
        rng.uniform(0, style.noise) * rng.random()
    )
    return cut_outline(page, rng) if rng.random() < style.cut else page
