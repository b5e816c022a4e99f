"""Synthetic images of paper without writing: plain, ruled, stained, noisy or dusty, of any size, at any quarter turn.

Readers should find no text in them. An image depends only on its kind and seed.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from .random_fields import cloud

HEIGHTS = (24, 40, 48, 56, 64, 80, 100, 150)  # pixels
ASPECTS = (1, 2, 4, 8, 13, 20, 30)
RULINGS = ("line", "lines", "grid", "columns", "frame", "tilted", "dashes", "dots", "double", "staff")


def empty_paper(kind: str, seed: int) -> Image.Image:
    """Draw paper without writing.

    Args:
        kind: one of `KINDS`.
        seed: random seed.
    """
    rng = np.random.default_rng((seed, sorted(KINDS).index(kind)))
    height = int(rng.choice(HEIGHTS))
    paper = rng.integers(170, 256) if rng.random() < 0.8 else rng.integers(0, 256)
    levels = KINDS[kind](np.full((height, height * int(rng.choice(ASPECTS))), float(paper)), rng)
    return _picture(levels).rotate(90 * int(rng.integers(4)), expand=True)


def _picture(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(levels, 0, 255).round().astype(np.uint8))


def _bare(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return levels


def _black(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _grained(np.full_like(levels, rng.integers(0, 20)), rng, 4)


def _grained(levels: np.ndarray, rng: np.random.Generator, most: float = 80) -> np.ndarray:
    return levels + rng.uniform(0, most) * rng.standard_normal(levels.shape)


def _random(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    low, high = sorted(rng.choice(257, 2, replace=False))
    return rng.integers(low, high, levels.shape).astype(float)


def _speckled(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    share, chance = 10 ** rng.uniform(-3, -0.7), rng.random(levels.shape)
    black, white = ((True, True), (True, False), (False, True))[rng.integers(3)]
    levels = np.where(black & (chance < share), 0, levels)
    return np.where(white & (chance > 1 - share), 255, levels)


def _textured(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return levels + rng.uniform(3, 40) * cloud(levels.shape, rng.uniform(1.5, 8), rng)


def _clouded(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 0.7 * levels + 30 + rng.uniform(20, 90) * cloud(levels.shape, rng.uniform(4, 40), rng)


def _shaded(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    down, along = np.linspace(-1, 1, levels.shape[0])[:, None], np.linspace(-1, 1, levels.shape[1])
    return levels + rng.uniform(-80, 80) * along + rng.uniform(-40, 40) * down


def _vignetted(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    down, along = np.linspace(-1, 1, levels.shape[0])[:, None], np.linspace(-1, 1, levels.shape[1])
    return _grained(levels * (1 - rng.uniform(0.1, 0.45) * (down**2 + along**2)), rng, 5)


def _compressed(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    file = io.BytesIO()
    _picture(_grained(levels, rng, 40)).save(file, "JPEG", quality=int(rng.integers(10, 90)))
    return np.asarray(Image.open(file), dtype=float)


def _stained(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[: levels.shape[0], : levels.shape[1]]
    for _ in range(rng.integers(1, 4)):
        radius = rng.uniform(0.3, 2) * len(levels)
        distance = np.hypot(x - rng.uniform(0, levels.shape[1]), y - rng.uniform(0, len(levels)))
        levels = levels - rng.uniform(15, 90) * np.exp(-0.5 * (distance / radius) ** 2)
    return _grained(levels, rng, 5)


def _edged(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return paper with a black background at some of its edges."""
    for side in rng.choice(4, rng.integers(1, 4), replace=False):
        np.rot90(levels, side)[: max(1, int(rng.uniform(0.03, 0.4) * len(levels)))] = 20
    return _grained(levels, rng, 5)


def _dusty(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    image = _picture(levels)
    for _ in range(rng.integers(1, 20)):
        x, y = rng.uniform(0, image.width), rng.uniform(0, image.height)
        radius = rng.uniform(0.2, 0.6) * image.height / 30
        ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=int(rng.integers(0, 120)))
    return _grained(np.asarray(image, dtype=float), rng, 4)


def _ruled(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    image = _picture(np.full_like(levels, rng.integers(170, 256)))
    _rule(image, str(rng.choice(RULINGS)), rng)
    return np.asarray(image, dtype=float)


def _ruled_and_grained(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    levels = _ruled(levels, rng)
    if rng.random() < 0.5:
        return _grained(levels, rng, 20)
    return levels + rng.uniform(3, 40) * cloud(levels.shape, rng.uniform(1.5, 5), rng)


def _rule(image: Image.Image, kind: str, rng: np.random.Generator) -> None:
    """Draw rulings of a kind into a grey image."""
    pen, (width, height) = ImageDraw.Draw(image), image.size
    ink, thick = int(rng.integers(0, 120)), int(rng.integers(1, max(2, height // 14) + 1))
    pitch = int(rng.integers(min(height - 1, max(5, 4 * thick, height // 8)), height))
    start, at, dash = (
        int(rng.integers(pitch)),
        int(rng.uniform(0.1, 0.9) * height),
        int(rng.integers(height // 6, height)),
    )
    levels = {
        "line": [at],
        "double": [at, at + 2 * thick + 2],
        "lines": range(start, height, pitch),
        "grid": range(start, height, pitch),
        "staff": range(height // 7, height, max(4, height // 7)),
    }
    uprights = {"grid": range(start, width, pitch), "columns": rng.integers(0, width, rng.integers(1, 5)).tolist()}
    for y in levels.get(kind, []):
        pen.line((0, y, width, y), fill=ink, width=thick)
    for x in uprights.get(kind, []):
        pen.line((x, 0, x, height), fill=ink, width=thick)
    if kind == "frame":
        margin = int(rng.integers(1, max(2, height // 10)))
        pen.rectangle((margin, margin, width - margin, height - margin), outline=ink, width=thick)
    elif kind == "tilted":
        rise = float(np.tan(np.radians(rng.uniform(-3, 3)))) * width / 2
        pen.line((0, at - rise, width, at + rise), fill=ink, width=thick)
    elif kind == "dashes":
        for x in range(0, width, dash + int(rng.integers(2, height // 3 + 3))):
            pen.line((x, at, x + dash, at), fill=ink, width=thick)
    elif kind == "dots":
        for x in range(0, width, int(rng.integers(4, 12))):
            pen.ellipse((x, at, x + thick, at + thick), fill=ink)


KINDS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "bare": _bare,
    "black": _black,
    "grain": _grained,
    "random": _random,
    "specks": _speckled,
    "texture": _textured,
    "clouds": _clouded,
    "shade": _shaded,
    "vignette": _vignetted,
    "JPEG": _compressed,
    "stains": _stained,
    "edges": _edged,
    "dust": _dusty,
    "rules": _ruled,
    "rules and grain": _ruled_and_grained,
}
