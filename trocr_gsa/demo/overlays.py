"""Draws a reading as HTML without scripts: pointing at a letter highlights its patches.

What is unusual: the image is shown with its rotation, and the strip below it upright, so that a rotation moves the
patches but does not change the strip.
"""

import base64
import html
import io
import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from PIL import Image
from torch import Tensor

from trocr_gsa.data.pages import Page
from trocr_gsa.evaluation.evaluate import rotate_image
from trocr_gsa.reader import LetterPlaces

SHOWN_SIDE = 1600  # pixels of the longer side that the browser gets
MIN_WEIGHT = 0.12  # of a letter's largest weight; patches below it are not drawn
STRIP_WIDTH, STRIP_HEIGHT = 1000.0, 150.0  # maximum size of the image in the strip, in its own units
LINES_HEIGHT, TEXT_HEIGHT = 46.0, 34.0  # of the lines between image and letters, and of the letters


def draw_looking(picture: Image.Image, places: LetterPlaces, orientation: float) -> str:
    """Return the image with the patches of each letter, and the strip with the letters.

    Args:
        picture: the image that was read.
        places: positions of its letters.
        orientation: angle in degrees by which it is rotated counter-clockwise from upright.
    """
    count = len(places.letters)
    lit = "".join(
        f".looking:has(.t{i}:hover) .p{i},.looking:not(:has(.t:hover)):has(.t{i}:focus) .p{i}{{opacity:1!important}}"
        for i in range(count)
    )
    return (
        f'<style>{lit}</style><div class="looking">{draw_stage(picture, places)}'
        f"{_strip(picture, places, orientation) if count else ''}</div>"
    )


def draw_stage(picture: Image.Image, places: LetterPlaces | None = None) -> str:
    """Return the image, with patches if a text was read."""
    patches = "".join(_patches(places)) if places else ""
    return (
        f'<div class="stage"><svg viewBox="0 0 {picture.width} {picture.height}" role="img" '
        f'aria-label="the picture">{_image(picture, picture.width, picture.height)}{patches}</svg></div>'
    )


def draw_page(picture: Image.Image, page: Page) -> str:
    """Return the image of a page with the outlines of its lines."""
    outlines = "".join(
        f'<polygon class="outline" points="{_points(line.polygon.tolist())}"/>'
        for line in page.lines
        if line.polygon is not None
    )
    return (
        f'<div class="stage page"><svg viewBox="0 0 {picture.width} {picture.height}" role="img" '
        f'aria-label="the page, with its lines">{_image(picture, picture.width, picture.height)}{outlines}</svg></div>'
    )


def hue(index: int, count: int) -> str:
    """Return the colour of a letter, from blue to red to orange along the line, dark enough to be read on white."""
    return f"hsl({(205 + 185 * index / max(count - 1, 1)) % 360:.0f} 60% 40%)"


def _image(picture: Image.Image, width: float, height: float) -> str:
    shown = picture.copy()
    shown.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    stream = io.BytesIO()
    shown.save(stream, "JPEG", quality=90)
    data = base64.b64encode(stream.getvalue()).decode()
    return (
        f'<image href="data:image/jpeg;base64,{data}" width="{width:.2f}" height="{height:.2f}" '
        'preserveAspectRatio="none"/>'
    )


def _patches(places: LetterPlaces) -> Iterator[str]:
    """Yield a group of patches per letter, with an opacity according to their attention weights."""
    count = len(places.letters)
    outlines = [_points(corners) for corners in places.corners.tolist()]
    for index, weights in enumerate(places.weights):
        strength = (weights / weights.max()).tolist()
        drawn = "".join(
            f'<polygon points="{outline}" fill-opacity="{0.6 * share:.2f}"/>'
            for outline, share in zip(outlines, strength, strict=True)
            if share > MIN_WEIGHT
        )
        yield f'<g class="p p{index}" fill="{hue(index, count)}">{drawn}</g>'


def _points(corners: Iterable[Sequence[float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _strip(picture: Image.Image, places: LetterPlaces, orientation: float) -> str:
    """Return the upright line, with a curve from each position to its letter."""
    upright = rotate_image(picture, -orientation)
    scale = min(STRIP_WIDTH / upright.width, STRIP_HEIGHT / upright.height)
    width, height = upright.width * scale, upright.height * scale
    seen = levelled(places.centres, orientation, picture.size, upright.size) * scale
    count = len(places.letters)
    pitch = STRIP_WIDTH / count
    left, size = (STRIP_WIDTH - width) / 2, min(26.0, 1.5 * pitch)
    total = height + LINES_HEIGHT + TEXT_HEIGHT
    parts = []
    for index, (letter, (x, y)) in enumerate(zip(places.letters, seen.tolist(), strict=True)):
        foot, bend = (index + 0.5) * pitch, height + LINES_HEIGHT / 2
        parts.append(
            f'<g class="t t{index}" tabindex="0" fill="{hue(index, count)}" stroke="{hue(index, count)}">'
            f'<path d="M{left + x:.1f} {height:.1f}C{left + x:.1f} {bend:.1f} {foot:.1f} {bend:.1f} '
            f'{foot:.1f} {total - TEXT_HEIGHT:.1f}"/><circle cx="{left + x:.1f}" cy="{y:.1f}" r="3.5"/>'
            f'<rect class="hit" x="{foot - pitch / 2:.1f}" y="{height:.1f}" width="{pitch:.1f}" '
            f'height="{total - height:.1f}"/>'
            f'<text x="{foot:.1f}" y="{total - 8:.1f}" font-size="{size:.1f}">'
            f"{html.escape(letter if letter.strip() else '·')}</text></g>"
        )
    return (
        f'<div class="letters"><svg class="strip" viewBox="0 0 {STRIP_WIDTH:.0f} {total:.0f}" role="group" '
        f'aria-label="where each letter was looked for"><g transform="translate({left:.1f} 0)">'
        f"{_image(upright, width, height)}</g>{''.join(parts)}</svg></div>"
    )


def levelled(points: Tensor, orientation: float, size: tuple[int, int], upright: tuple[int, int]) -> Tensor:
    """Map points (…, 2) of an image rotated counter-clockwise by `orientation` to the upright image.

    Both are rotated about their centres; y points down, so the inverse rotation is [[cos, −sin], [sin, cos]].
    """
    angle = math.radians(orientation)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=points.dtype)
    middle, upright_middle = (torch.tensor(sides, dtype=points.dtype) / 2 for sides in (size, upright))
    return (points - middle) @ turn.T + upright_middle
