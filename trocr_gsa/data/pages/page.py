"""A page as described by a PAGE XML or ALTO file: the name of its image, and its lines in reading order."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from ..names import shown
from .xml_files import PageError, XmlDocument, descendants

MAX_POINTS = 10_000  # of a polygon or baseline; usual ones have hundreds
MAX_LINES = 20_000  # of a page; a newspaper page has up to 5,000
NESTED = "lies inside of another line. Export the page again."
AROUND = "contains another line. Export the page again."
MAX_COORDINATE = 1e6  # larger than on any real page, and small enough for sums to stay finite
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
SCALE_TOLERANCE = 0.02  # relative difference between the horizontal and vertical scales of a page and its image


@dataclass(frozen=True, eq=False)
class PageLine:
    """One line of a page.

    Args:
        id: id in the file; not necessarily unique.
        region: id of the line's region or block.
        position: index among the file's TextLine elements.
        text: text in the file; may be empty.
        polygon: (point, 2) x right, y down, in the page's units; None if the file has neither polygon nor box.
        baseline: (point, 2), normally in the direction of writing.
        problem: why the line cannot be cut, according to its description.
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
        name: name of the page in messages.
        kind: "PAGE" or "ALTO".
        image: name of the image in the file; may be empty.
        size: width and height in the file's units; None if they are not given.
        lines: the lines in reading order.
        document: the parsed file.
        problem: a message about the page, which can be used all the same.
        scale: horizontal and vertical size of the file's unit, in the units of `size` and of the lines' points.
        picture: its image, when it has been found.
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
        """Return the page with its points in pixels of an image of the given size.

        Raises:
            PageError: if the image has another aspect ratio than the page.
        """
        if self.size is None or self.size == size:
            return replace(self, size=size)
        scale = np.array(size) / np.array(self.size)
        if abs(scale[0] / scale[1] - 1) > SCALE_TOLERANCE:
            raise PageError(
                f"{self.name}: describes a page of {self.size[0]:g} × {self.size[1]:g}, but its picture has "
                f"{size[0]} × {size[1]} pixels. Give the picture from which the file was made."
            )
        lines = tuple(
            replace(line, polygon=_times(line.polygon, scale), baseline=_times(line.baseline, scale))
            for line in self.lines
        )
        across, down = (scale * self.scale).tolist()
        return replace(self, size=size, lines=lines, scale=(across, down))

    def line_name(self, line: PageLine) -> str:
        """Return the name of a line for messages."""
        return f"{self.name}: line {shown(line.id) or line.position + 1}"


def parse_points(words: str) -> np.ndarray:
    """Parse `x,y x,y …` or `x y x y …`, as (point, 2).

    Raises:
        ValueError: if it is neither, or a coordinate is too large.
    """
    numbers = NUMBER.findall(words)
    if NUMBER.sub("", words).strip(" ,\t\r\n") or len(numbers) % 2:
        raise ValueError(f"expected points such as 10,20 30,20, got {words[:40]!r}.")
    if len(numbers) > 2 * MAX_POINTS:
        raise ValueError(f"{len(numbers) // 2:,} points, more than {MAX_POINTS:,}. Draw it more simply.")
    points = np.array([float(number) for number in numbers]).reshape(-1, 2)
    if points.size and not np.abs(points).max() <= MAX_COORDINATE:
        raise ValueError(f"a point lies more than {MAX_COORDINATE:g} from the page's corner.")
    return points


def format_points(points: np.ndarray) -> str:
    """Return points (point, 2) as `x,y x,y …`, in whole pixels of the page."""
    return " ".join(f"{x},{y}" for x, y in points.round().clip(0).astype(int).tolist())


def box_points(left: float, top: float, width: float, height: float) -> np.ndarray:
    """Return the corners of a box, (4, 2)."""
    right, bottom = left + width, top + height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def line_elements(root: Any, name: str) -> list[Any]:
    """Return the elements of a page's lines, in the order of the file.

    Raises:
        PageError: if there are too many.
    """
    found = descendants(root, "TextLine")
    if len(found) > MAX_LINES:
        raise PageError(f"{name}: has {len(found):,} lines, more than {MAX_LINES:,}. Split it into pages.")
    return found


def in_named_order(elements: Iterable[Any], named: Iterable[Any]) -> list[Any]:
    """Sort elements in the order in which they, or their nearest named ancestors, are named; then the others."""
    places: dict[Any, float] = {element: place for place, element in enumerate(dict.fromkeys(named))}

    def place_of(element: Any) -> float:
        passed = []
        while element is not None and element not in places:
            passed.append(element)
            element = element.getparent()
        place = math.inf if element is None else places[element]
        places.update(dict.fromkeys(passed, place))  # so that each element is visited once
        return place

    return sorted(elements, key=place_of)


def nested_lines(lines: Iterable[Any]) -> dict[Any, str]:
    """Return the problems of lines that are inside of another line, which no format allows, or contain one."""
    found: dict[Any, str] = {}
    for line in lines:
        for outer in line.iterancestors("{*}TextLine"):
            found.setdefault(outer, AROUND)
            found[line] = NESTED
    return found


def parsed_points(element: Any, **parts: Callable[[Any], np.ndarray | None]) -> tuple[dict[str, Any], str | None]:
    """Parse the points of a line.

    Args:
        element: the line.
        parts: by the name of the part in the file, a function that returns its points.

    Returns: the points by the same names, None where there are none or they cannot be used; and what is wrong with the
        first that cannot be used.
    """
    found: dict[str, Any] = dict.fromkeys(parts)
    problem = None
    for name, parse in parts.items():
        try:
            found[name] = parse(element)
        except ValueError as error:
            problem = problem or f"`{name}`: {error}"
    return found, problem


def positive_size(width: str | None, height: str | None) -> tuple[float, float] | None:
    """Return a page's size from its attributes, or None if it is not given."""
    try:
        size = float(width or 0), float(height or 0)
    except ValueError:
        return None
    return size if all(0 < side <= MAX_COORDINATE for side in size) else None


def _times(points: np.ndarray | None, scale: np.ndarray) -> np.ndarray | None:
    return None if points is None else points * scale
