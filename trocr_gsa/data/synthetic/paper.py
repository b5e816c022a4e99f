"""From ink to a grey picture: paper, stroke weight, uneven ink, bleed-through, rulings, blur and noise.

Two kinds of page are made: the scan, grey on grey, and the page that a library has binarised, black on white with torn
edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .random_fields import blurred, cloud, sampled


@dataclass(frozen=True)
class PageStyle:
    """How a page may look; each value is a probability or the end of a range that the generator draws from.

    Args:
        binarised: probability of a black and white page.
        paper: darkest and lightest paper of a scan, grey levels in [0, 255].
        ink: least and most of the paper's light that ink lets through, in [0, 1].
        weight: largest thinning or thickening of strokes, as a shift of the edge's threshold in [0, 0.5).
        unevenness: largest variation of that threshold over the line.
        softness: least and most spread of the ink into the paper, in pixels at a height of 48.
        blur: largest radius of defocus, in pixels at a height of 48.
        noise: largest standard deviation of the grain, in grey levels.
        bleed: probability of a faint shadow of the page's other side.
        verso: probability that the other side's writing shines through, mirrored, up to half as dark as the ink.
        pen: probability that strokes in one direction are heavier than others, here more and there less.
        stains: probability of stains, dark-rimmed or washed out.
        rulings: probability of ruled or squared paper.
        cut: probability that a wavy outline was cut and its outside filled.
        inverted: probability of light ink on dark ground.
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
    """Thicken, thin and wear the strokes: ink = clip(gain·(blur(coverage) − threshold) + ½), threshold uneven.

    Args:
        coverage: (height, width) in [0, 1].
        style: gives the ranges.
        hard: whether edges are torn black and white.
        rng: decides within them.
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
    """Whether something of this probability happens; what never does leaves the generator as it is."""
    return probability > 0 and rng.random() < probability


def pressed(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Strokes of a pen that is pressed: those across one direction get heavier or lighter, here more and there less.

    ink + p(x, y) · (max(ink, ink moved by v) − ink), or min, with v up to 1.6 pixels at a height of 48.
    """
    height, width = ink.shape
    lighter = rng.random() < 0.55  # by less: hairlines would be gone
    angle, reach = rng.uniform(-0.4, 1.2), rng.uniform(0.4, 0.8 if lighter else 1.6) * height / 48
    columns = np.arange(width, dtype=np.float32)[None, :] + np.float32(reach * np.cos(angle))
    rows = np.arange(height, dtype=np.float32)[:, None] + np.float32(reach * np.sin(angle))
    moved = sampled(ink, *np.broadcast_arrays(columns, rows))
    change = np.minimum(ink, moved) if lighter else np.maximum(ink, moved)
    pressure = 0.5 + 0.5 * cloud(ink.shape, rng.uniform(0.3, 3) * height, rng)
    return ink + pressure * (change - ink)


def stains(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """How much light stains take from the paper: (height, width) in [0, 0.5], darker at their rims."""
    field = cloud(shape, rng.uniform(0.6, 4) * shape[0], rng) + 0.2 * cloud(shape, 0.25 * shape[0], rng)
    depth = field - rng.uniform(0.1, 0.6)
    inside = np.clip(depth * rng.uniform(4, 25), 0, 1)
    rim = np.exp(-((depth * rng.uniform(10, 25)) ** 2))
    return np.clip(inside * rng.uniform(0.05, 0.3) + rim * rng.uniform(0, 0.2), 0, 0.5).astype(np.float32)


def other_side(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What is written on the page's back, as it shines through: mirrored, soft, its lines not where ours are."""
    height, width = ink.shape
    mirrored = np.roll(ink[:, ::-1], (rng.integers(height), rng.integers(width)), (0, 1))
    return blurred(mirrored, rng.uniform(0.6, 2.2) * height / 48) * rng.uniform(0.05, 0.5)


def rulings(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Thin lines along the writing, and across it on squared paper; (height, width) in [0, 1]."""
    lines = np.zeros(shape, dtype=np.float32)
    strength, pitch = rng.uniform(0.08, 0.4), rng.uniform(0.4, 1.2) * shape[0]
    rows = np.arange(rng.uniform(0, pitch), shape[0], pitch).astype(int)
    lines[rows] = strength
    if rng.random() < 0.6:
        lines[:, np.arange(rng.uniform(0, pitch), shape[1], pitch).astype(int)] = strength
    return lines


def cut_outline(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fill what lies above and below two wavy outlines with one grey, as tools that cut lines along polygons do."""
    height, width = page.shape
    fill = 255.0 if rng.random() < 0.4 else float(np.median(page[::4, ::4]))
    knots = max(3, width // height + 1)
    depth = rng.uniform(0.02, 0.14) * height
    waves = rng.uniform(-0.5, 1.0, (2, knots)) * depth
    top, bottom = (np.interp(np.arange(width), np.linspace(0, width, knots), w) for w in waves)
    rows = np.arange(height)[:, None]
    return np.where((rows < top) | (rows >= height - bottom), fill, page)


def print_page(coverage: Image.Image, style: PageStyle, rng: np.random.Generator) -> Image.Image:
    """Turn ink coverage (mode "L", 255 = ink) into a grey picture of the same size."""
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
