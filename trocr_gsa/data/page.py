"""From ink to a grey picture: paper, stroke weight, uneven ink, bleed-through, rulings, blur and noise.

Two kinds of page are made: the scan, grey on grey, and the page that a library has binarised, black on white with torn
edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter


@dataclass(frozen=True)
class PageStyle:
    """How a page may look; each value is a probability or the end of a range that the generator draws from.

    Args:
        binarised: probability of a black and white page.
        paper: darkest and lightest paper of a scan, grey levels in [0, 255].
        ink: least and most of the paper's light that ink lets through, in [0, 1].
        weight: largest thinning or thickening of strokes, as a shift of the edge's threshold in [0, 0.5).
        unevenness: largest variation of that threshold over the line.
        blur: largest radius of defocus, in pixels at a height of 48.
        noise: largest standard deviation of the grain, in grey levels.
        bleed: probability that the page's other side shines through.
        rulings: probability of ruled or squared paper.
        cut: probability that a wavy outline was cut and its outside filled.
        inverted: probability of light ink on dark ground.
    """

    binarised: float = 0.33
    paper: tuple[float, float] = (145.0, 255.0)
    ink: tuple[float, float] = (0.05, 0.72)
    weight: float = 0.2
    unevenness: float = 0.22
    blur: float = 1.1
    noise: float = 9.0
    bleed: float = 0.2
    rulings: float = 0.08
    cut: float = 0.25
    inverted: float = 0.01


def cloud(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> np.ndarray:
    """A smooth random field in [-1, 1] whose hills are about `cell` pixels wide; (height, width) float32."""
    height, width = shape
    coarse = rng.uniform(-1, 1, (int(height / cell) + 2, int(width / cell) + 2)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


def blurred(values: np.ndarray, radius: float) -> np.ndarray:
    """Gaussian blur of a field in [0, 1]."""
    picture = Image.fromarray((values * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(picture, dtype=np.float32) / 255


def stroke(coverage: np.ndarray, style: PageStyle, hard: bool, rng: np.random.Generator) -> np.ndarray:
    """Thicken, thin and wear the strokes: ink = clip(gain·(blur(coverage) − threshold) + ½), threshold uneven.

    Args:
        coverage: (height, width) in [0, 1].
        style: gives the ranges.
        hard: whether edges are torn black and white.
        rng: decides within them.
    """
    scale = coverage.shape[0] / 48
    soft = blurred(coverage, rng.uniform(0.3, 0.8) * scale)
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
    other_side = ink[::-1, ::-1] if rng.random() < style.bleed else None
    ink = stroke(ink, style, hard=False, rng=rng)
    paper = np.full(ink.shape, rng.uniform(*style.paper), dtype=np.float32)
    if rng.random() < 0.5:
        paper *= 1 + cloud(ink.shape, rng.uniform(20, 300) * scale, rng) * rng.uniform(0, 0.12)
    if rng.random() < 0.3:
        paper *= 1 + cloud(ink.shape, rng.uniform(1.5, 4) * scale, rng) * rng.uniform(0, 0.06)
    if other_side is not None:
        paper *= 1 - blurred(other_side, rng.uniform(0.8, 2.0) * scale) * rng.uniform(0.03, 0.25)
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
