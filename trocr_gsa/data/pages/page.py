"""A page as it is described by PAGE XML or ALTO: its picture's name, and its lines in reading order."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from ..names import shown
from .xml_files import PageError, XmlDocument, descendants

MOST_POINTS = 10_000  # of a polygon or baseline; drawn ones have hundreds
MOST_LINES = 20_000  # of a page; a newspaper's has up to 5,000
NESTED = "lies inside of another line or holds one. Export the page again."
FARTHEST = 1e6  # of a point from the page's corner; nothing real lies further, and sums of such numbers stay finite
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
SAME_SHAPE = 0.02  # relative difference of the two scales by which a page and its picture may still belong together


@dataclass(frozen=True, eq=False)
class PageLine:
    """One line of a page.

    Args:
        id: the file's; two lines may have the same.
        region: the id of the region or block it belongs to.
        position: place among the file's TextLine elements.
        text: empty where the file has none.
        polygon: (point, 2) x right, y down, in the page's units; None where the file gives neither polygon nor box.
        baseline: the same, in the direction of writing as far as the file tells.
        problem: why the line cannot be cut, as far as its description shows.
    """

    id: str
    region: str
    position: int
    text: str
    polygon: np.ndarray | None
    baseline: np.ndarray | None = None
    problem: str | None = None


class PageImage(Protocol):
    """The image of a page, not yet decoded."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    def load(self) -> Image.Image:
        """Decode the image.

        Raises:
            PageError: if it cannot be decoded.
        """
        ...


@dataclass(frozen=True, eq=False)
class Page:
    """One page.

    Args:
        name: what to call it in messages.
        kind: "PAGE" or "ALTO".
        image: the picture's name, as the file gives it; may be empty.
        size: width and height in the file's units; None where it gives none.
        lines: in reading order.
        document: the file, as read.
        problem: what to say of the page although it can be used.
        scale: units of `size` and of the lines' points in one of the file's, across and down.
        picture: its image, once it has been found.
    """

    name: str
    kind: str
    image: str
    size: tuple[float, float] | None
    lines: tuple[PageLine, ...]
    document: XmlDocument = field(repr=False)
    problem: str | None = None
    scale: tuple[float, float] = (1.0, 1.0)
    picture: PageImage | None = field(default=None, repr=False)

    def scaled_to(self, size: tuple[int, int]) -> Page:
        """The page with its points in pixels of a picture of that size.

        Raises:
            PageError: if the picture has not the page's shape.
        """
        if self.size is None or self.size == size:
            return replace(self, size=size)
        scale = np.array(size) / np.array(self.size)
        if abs(scale[0] / scale[1] - 1) > SAME_SHAPE:
            raise PageError(
                f"{self.name}: describes a page of {self.size[0]:g} × {self.size[1]:g}, and its picture has "
                f"{size[0]} × {size[1]} pixels. Give it the picture that it was made from."
            )
        lines = tuple(
            replace(line, polygon=_times(line.polygon, scale), baseline=_times(line.baseline, scale))
            for line in self.lines
        )
        across, down = (scale * self.scale).tolist()
        return replace(self, size=size, lines=lines, scale=(across, down))

    def line_name(self, line: PageLine) -> str:
        """What to call a line in messages."""
        return f"{self.name}: line {shown(line.id) or line.position + 1}"


def parse_points(words: str) -> np.ndarray:
    """Understand `x,y x,y …` or `x y x y …`; (point, 2).

    Raises:
        ValueError: if it is neither, or a point lies absurdly far away.
    """
    numbers = NUMBER.findall(words)
    if NUMBER.sub("", words).strip(" ,\t\r\n") or len(numbers) % 2:
        raise ValueError(f"expected points such as 10,20 30,20, got {words[:40]!r}.")
    if len(numbers) > 2 * MOST_POINTS:
        raise ValueError(f"{len(numbers) // 2:,} points, more than {MOST_POINTS:,}. Draw it more simply.")
    points = np.array([float(number) for number in numbers]).reshape(-1, 2)
    if points.size and not np.abs(points).max() <= FARTHEST:
        raise ValueError(f"a point lies more than {FARTHEST:g} from the page's corner.")
    return points


def box_points(left: float, top: float, width: float, height: float) -> np.ndarray:
    """The corners of a box, (4, 2)."""
    right, bottom = left + width, top + height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def line_elements(root: Any, name: str) -> list[Any]:
    """The elements that are a page's lines, in the file's order.

    Raises:
        PageError: if there are more than a page has.
    """
    found = descendants(root, "TextLine")
    if len(found) > MOST_LINES:
        raise PageError(f"{name}: has {len(found):,} lines, more than {MOST_LINES:,}. Split it into pages.")
    return found


def in_named_order(elements: Iterable[Any], named: Iterable[Any]) -> list[Any]:
    """Elements in the order in which they, or the nearest of what they lie in, are named; the others behind."""
    places: dict[Any, float] = {element: place for place, element in enumerate(dict.fromkeys(named))}

    def place_of(element: Any) -> float:
        passed = []
        while element is not None and element not in places:
            passed.append(element)
            element = element.getparent()
        place = math.inf if element is None else places[element]
        places.update(dict.fromkeys(passed, place))  # however deep things lie, each is looked at once
        return place

    return sorted(elements, key=place_of)


def nested_lines(lines: Iterable[Any]) -> set[Any]:
    """The elements that are lines inside of a line, which no format knows, and those that they are in."""
    found: set[Any] = set()
    for line in lines:
        for outer in line.iterancestors("{*}TextLine"):
            found |= {line, outer}
    return found


def positive_size(width: str | None, height: str | None) -> tuple[float, float] | None:
    """A page's size from its attributes, None if they give none."""
    try:
        size = float(width or 0), float(height or 0)
    except ValueError:
        return None
    return size if all(0 < side <= FARTHEST for side in size) else None


def _times(points: np.ndarray | None, scale: np.ndarray) -> np.ndarray | None:
    return None if points is None else points * scale
