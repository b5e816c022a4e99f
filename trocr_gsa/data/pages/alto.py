"""ALTO 2 to 4: blocks within blocks, their lines, and the strings, spaces and hyphens that a line is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from .page import Page, PageLine, box_points, parse_points, positive_size
from .xml import PageError, XmlDocument, children, local_name, namespace_of

NAMESPACE = re.compile(r"https?://www\.loc\.gov/standards/alto/ns-v([234])#")
BOX = ("HPOS", "VPOS", "WIDTH", "HEIGHT")


def parse_alto(document: XmlDocument, name: str) -> Page:
    """Read an ALTO file's description.

    Raises:
        PageError: if it is of another version, does not hold one page, or measures a page of unknown size in inches.
    """
    namespace = namespace_of(document.root)
    if NAMESPACE.fullmatch(namespace) is None:
        raise PageError(f"{name}: expected ALTO 2, 3 or 4, got the namespace {namespace or '(none)'!r}.")
    pages = list(document.root.iter(f"{{{namespace}}}Page"))
    if len(pages) != 1:
        raise PageError(f"{name}: expected one Page, got {len(pages)}. Export each page to a file of its own.")
    size = positive_size(pages[0].get("WIDTH"), pages[0].get("HEIGHT"))
    unit = (document.root.findtext(f".//{{{namespace}}}MeasurementUnit") or "pixel").strip()
    if size is None and unit != "pixel":
        raise PageError(f"{name}: measures in {unit}, and does not say how large the page is. Give Page WIDTH, HEIGHT.")
    elements = list(document.root.iter(f"{{{namespace}}}TextLine"))
    lines = [_line(element, place) for place, element in enumerate(elements)]
    image = document.root.findtext(f".//{{{namespace}}}sourceImageInformation/{{{namespace}}}fileName") or ""
    ordered = tuple(lines[place] for place in _in_order(document.root, namespace, elements))
    return Page(name, "ALTO", image.strip(), size, ordered, document)


def line_text(line: Any) -> str:
    """The strings, a space between two of them, and the hyphen at the end."""
    words = [string.get("CONTENT", "") for string in children(line, "String")]
    return " ".join(words) + "".join(hyphen.get("CONTENT", "") for hyphen in children(line, "HYP"))


def line_polygon(line: Any) -> np.ndarray | None:
    """A line's polygon, or else its box.

    Raises:
        ValueError: if what the file gives cannot be understood.
    """
    for shape in children(line, "Shape"):
        for polygon in children(shape, "Polygon"):
            return parse_points(polygon.get("POINTS", ""))
    numbers = [line.get(name) for name in BOX]
    if None in numbers:
        return None
    corner, extent = parse_points(" ".join(numbers))
    return box_points(*corner, *extent)


def _line(line: Any, place: int) -> PageLine:
    polygon = baseline = problem = None
    try:
        polygon = line_polygon(line)
    except ValueError as error:
        problem = f"`Polygon`: {error}"
    try:
        baseline = parse_points(line.get("BASELINE", ""))
    except ValueError:
        pass  # a single number, its height: nothing to level by
    block = line.getparent()
    return PageLine(line.get("ID", ""), block.get("ID", ""), place, line_text(line), polygon, baseline, problem)


def _in_order(root: Any, namespace: str, lines: list[Any]) -> Iterator[int]:
    """Yield the lines' places: those that ReadingOrder names, in its order, then the others as they stand."""
    places = {line: place for place, line in enumerate(lines)}
    left = dict.fromkeys(range(len(lines)))
    order = children(root, "ReadingOrder")
    by_id = {element.get("ID"): element for element in reversed(list(root.iter())) if order and element.get("ID")}
    for reference in (ref for group in order for element in group.iter() for ref in _references(element)):
        for place in _places(by_id.get(reference), places, f"{{{namespace}}}TextLine"):
            if place in left:
                del left[place]
                yield place
    yield from list(left)


def _references(element: Any) -> list[str]:
    return element.get("REF", "").split() if isinstance(element.tag, str) else []


def _places(named: Any | None, places: dict[Any, int], tag: str) -> list[int]:
    """Return the places of the lines in a block, of a line, or of the line that a string is in."""
    if named is None:
        return []
    if local_name(named) in ("String", "Glyph"):
        return [places[line] for line in named.iterancestors(tag)]
    return [places[line] for line in named.iter(tag)]
