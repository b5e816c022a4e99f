"""Cuts a line out of its page: along its polygon, levelled by its baseline, on a background of paper colour.

What is unusual: a line is levelled only to the nearest quarter turn. Upside-down and vertical lines are not rotated to
upright: the reader reads them as they are and predicts their orientation. A curved baseline is straightened by shifting
columns, so that the letters keep their shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ..images import MIN_SIDE, ImageError

MAX_RISE = 0.5  # pixels: a line that rises by no more over its length is not levelled
MIN_BEND = 0.06  # of the line's height: a baseline that deviates more from its chord is straightened
MAX_BEND = 2  # times the line's height: a baseline that deviates more cannot belong to the line
MAX_PIXELS = 50_000_000  # of a line
MAX_PIECES = 20_000  # of the outline of a bent line: half a million pixels
MIN_BASELINE = 0.2  # of the polygon's diagonal: a shorter baseline says nothing about the line's direction
PIECE = 24  # pixels between two columns that are shifted by the baseline; columns in between are interpolated
MIN_ON_PAGE = 0.1  # share of the polygon's box that is on the page; of a line that ends beyond the edge, more is
PAPER_SAMPLES = 10_000


@dataclass(frozen=True, eq=False)
class LineCut:
    """How to cut a line: a coordinate frame along its baseline, and the polygon in this frame.

    A point p of the page is u = p·(cos θ, −sin θ), v = p·(sin θ, cos θ) − b(u) in the frame, θ the baseline's angle.

    Args:
        quarter: angle of the baseline in quarter turns counter-clockwise, rounded to an integer; 0 to 3.
        skew: remaining angle of the baseline, degrees counter-clockwise in [−45, 45].
        bend: (point, 2): u, and the distance in pixels of the baseline below its chord there; None if it is straight.
        sides: (point, 2): the polygon in the frame, before the baseline is straightened.
        has_direction: whether `quarter` comes from a baseline.
    """

    quarter: int
    skew: float
    bend: np.ndarray | None
    sides: np.ndarray
    has_direction: bool

    @classmethod
    def of(cls, polygon: np.ndarray | None, baseline: np.ndarray | None, size: tuple[int, int], name: str) -> LineCut:
        """Plan the cut.

        Args:
            polygon: (point, 2) in pixels.
            baseline: (point, 2) in pixels; if it is None or too short, the line is cut without levelling.
            size: the page's width and height.
            name: name of the line in error messages.

        Raises:
            ImageError: if the polygon is missing, outside of the page or too large, or the baseline is far from it.
        """
        polygon = _on_page(polygon, size, name)
        chord = _chord(polygon, baseline)
        if baseline is None or chord is None:
            return cls(0, 0.0, None, polygon, False)
        degrees = math.degrees(math.atan2(-chord[1], chord[0]))
        quarter = round(degrees / 90)
        skew = degrees - 90 * quarter
        if abs(math.sin(math.radians(skew))) * np.ptp(polygon, axis=0).max() <= MAX_RISE:
            skew = 0.0
        axes = _axes(90 * quarter + skew)
        outline, line = polygon @ axes, baseline @ axes
        bend = line - [0.0, line[0, 1]]
        if (np.diff(line[:, 0]) <= 0).any() or np.ptp(bend[:, 1]) <= MIN_BEND * np.ptp(outline[:, 1]):
            bend = None
        else:
            _check_bend(bend, outline, name)
        cut = cls(quarter % 4, skew, bend, outline, True)
        if cut.num_points > MAX_PIECES:
            raise ImageError(f"{name}: its polygon is {MAX_PIECES * PIECE:,} pixels long or more. Draw it again.")
        _check_size(cut.outline, name)
        return cut

    @property
    def num_points(self) -> int:
        """Number of points in the outline."""
        return len(self.sides) if self.bend is None else int(_pieces(self.sides).sum())

    @property
    def outline(self) -> np.ndarray:
        """(point, 2): the polygon in the frame; for a bent line it is not stored, because it has many points."""
        if self.bend is None:
            return self.sides
        outline = _fine(self.sides)
        outline[:, 1] -= np.interp(outline[:, 0], *self.bend.T)
        return outline

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the line image."""
        _, (width, height) = self._box(self.outline)
        return (height, width) if self.quarter % 2 else (width, height)

    def cut(self, page: Image.Image) -> Image.Image:
        """Cut the line out of the page, in the mode of the page."""
        outline = self.outline
        paper = self._paper(page, outline)
        corner, (width, height) = self._box(outline)
        if self.bend is None and not self.skew:
            line = self._straight(page, corner, (width, height))
        else:
            mesh = self._mesh(corner, width, height)
            line = page.transform(
                (width, height), Image.Transform.MESH, mesh, Image.Resampling.BICUBIC, fillcolor=paper
            )
        mask = Image.new("1", (width, height))
        ImageDraw.Draw(mask).polygon((outline - corner).ravel().tolist(), fill=1)
        cut = Image.new(page.mode, (width, height), paper)
        cut.paste(line, mask=mask)
        return cut.rotate(90 * self.quarter, expand=True) if self.quarter else cut

    def to_page(self, points: np.ndarray) -> np.ndarray:
        """Return where points (point, 2) of the picture are on the page, both with x right and y down, in pixels."""
        corner, (width, height) = self._box(self.outline)
        frame = (points - np.array(self.size) / 2) @ _axes(90 * self.quarter) + np.array([width, height]) / 2
        return self._page_points(corner + frame)

    def _box(self, outline: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """Return the frame's top left corner, and its width and height in pixels."""
        low, high = outline.min(axis=0), outline.max(axis=0)
        if self.bend is None and not self.skew:
            low, high = np.floor(low), np.ceil(high)  # exactly the pixels of the page
        extent = np.ceil((high - low).round(3))
        return (low + high - extent) / 2, (int(extent[0]), int(extent[1]))

    def _page_points(self, points: np.ndarray) -> np.ndarray:
        """Convert points of the frame to points of the page."""
        if self.bend is not None:
            shift = np.interp(points[:, 0], *self.bend.T)
            points = points + np.stack([np.zeros_like(shift), shift], axis=1)
        return points @ _axes(90 * self.quarter + self.skew).T

    def _straight(self, page: Image.Image, corner: np.ndarray, size: tuple[int, int]) -> Image.Image:
        """Cut a line without interpolation."""
        ends = self._page_points(np.stack([corner, corner + size])).round().astype(int)
        (left, top), (right, bottom) = ends.min(axis=0).tolist(), ends.max(axis=0).tolist()
        line = page.crop((left, top, right, bottom))
        return line.rotate(-90 * self.quarter, expand=True) if self.quarter else line

    def _mesh(self, corner: np.ndarray, width: int, height: int) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
        """Return the pieces of the line image, each with its quadrilateral on the page."""
        count = 1 if self.bend is None else max(2, width // PIECE)
        columns = np.linspace(0, width, count + 1).round().astype(int)
        top = self._page_points(corner + np.stack([columns, np.zeros_like(columns)], axis=1))
        bottom = self._page_points(corner + np.stack([columns, np.full_like(columns, height)], axis=1))
        return [
            (
                (int(columns[i]), 0, int(columns[i + 1]), height),
                tuple(float(c) for point in (top[i], bottom[i], bottom[i + 1], top[i + 1]) for c in point),
            )
            for i in range(count)
        ]

    def _paper(self, page: Image.Image, outline: np.ndarray) -> int | tuple[int, ...]:
        """Return the paper's colour: the median over the line's box, as ink covers less than half of it."""
        around = self._page_points(outline)
        (left, top), (right, bottom) = np.floor(around.min(axis=0)), np.ceil(around.max(axis=0))
        box = (max(int(left), 0), max(int(top), 0), min(int(right), page.width), min(int(bottom), page.height))
        pixels = np.asarray(page.crop(box))
        step = max(1, math.isqrt(pixels.shape[0] * pixels.shape[1] // PAPER_SAMPLES))
        sample = pixels[::step, ::step]
        middle = np.median(sample.reshape(-1, *sample.shape[2:]), axis=0).astype(int)
        return int(middle) if middle.ndim == 0 else tuple(middle.tolist())


def _on_page(polygon: np.ndarray | None, size: tuple[int, int], name: str) -> np.ndarray:
    """Return the part of a polygon that is on the page."""
    if polygon is None:
        raise ImageError(f"{name}: has neither polygon nor box. Segment the page again, or remove the line.")
    if len(polygon) < 3:
        raise ImageError(f"{name}: a polygon needs 3 points or more, got {len(polygon)}. Draw it again.")
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    if (high <= 0).any() or (low >= size).any():
        raise ImageError(
            f"{name}: lies outside its picture, which has {size[0]} × {size[1]} pixels. Does the picture belong to it?"
        )
    clipped = np.clip(polygon, 0, size)
    on_page = math.prod(np.ptp(clipped, axis=0) / np.maximum(high - low, 1))
    if on_page < MIN_ON_PAGE and (high - low).min() >= 1:
        raise ImageError(
            f"{name}: lies mostly outside its picture, which has {size[0]} × {size[1]} pixels: its polygon goes from "
            f"{low[0]:.0f},{low[1]:.0f} to {high[0]:.0f},{high[1]:.0f}. Does the picture belong to it?"
        )
    _check_size(clipped, name)
    return clipped


def _check_size(outline: np.ndarray, name: str) -> None:
    """Check that a polygon is neither too small nor too large for a line."""
    width, height = np.ceil(np.ptp(outline, axis=0)).astype(int)
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{name}: a polygon of {width} × {height} pixels is too small to hold text. Draw it again.")
    if width * height > MAX_PIXELS:
        raise ImageError(f"{name}: {width} × {height} pixels are too many for one line. Segment the page again.")


def _check_bend(bend: np.ndarray, outline: np.ndarray, name: str) -> None:
    """Check that the baseline fits the polygon; otherwise the image would become too large."""
    deviation, height = float(np.ptp(bend[:, 1])), float(np.ptp(outline[:, 1]))
    if deviation > MAX_BEND * height:
        raise ImageError(
            f"{name}: its baseline deviates {deviation:.0f} pixels from a straight line, but its polygon is only "
            f"{height:.0f} pixels high. Draw the baseline again."
        )


def _chord(polygon: np.ndarray, baseline: np.ndarray | None) -> np.ndarray | None:
    """Return the vector from a baseline's first to its last point; None if it is too short to have a direction."""
    if baseline is None or len(baseline) < 2:
        return None
    chord = baseline[-1] - baseline[0]
    return chord if np.hypot(*chord) >= MIN_BASELINE * np.hypot(*np.ptp(polygon, axis=0)) else None


def _axes(degrees: float) -> np.ndarray:
    """Return the frame's axes as columns, in the page's coordinates (y down); exact at quarter turns."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    if degrees % 90 == 0:
        sine, cosine = round(sine), round(cosine)
    return np.array([[cosine, sine], [-sine, cosine]], dtype=float)


def _pieces(sides: np.ndarray) -> np.ndarray:
    """Return the number of pieces into which each side of a polygon is divided, so that it can be bent."""
    return np.maximum(1, np.hypot(*(np.roll(sides, -1, axis=0) - sides).T) // PIECE).astype(int)


def _fine(sides: np.ndarray) -> np.ndarray:
    """Return a polygon with additional points on its sides."""
    counts = _pieces(sides)
    steps = (np.roll(sides, -1, axis=0) - sides) / counts[:, None]
    numbers = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)  # 0, 1, … on each side
    return numbers[:, None] * np.repeat(steps, counts, axis=0) + np.repeat(sides, counts, axis=0)
