"""Reads ALTO files, and fills in the texts that were read.

What is written: if the reader gives word positions, one String with WC per word. Otherwise the words go into the line's
strings if there are as many strings as words, with the line's confidence; else one String contains the whole line. ALTO
has no orientation of a line; it is written into ROTATION of the block if all lines of the block have the same one.
Everything else is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ..line import Line
from ..names import shown
from ..numbers import significant
from ..provenance import Provenance
from .page import (
    NUMBER,
    Page,
    PageLine,
    box_points,
    in_named_order,
    line_elements,
    nested_lines,
    parse_points,
    parsed_points,
    positive_size,
)
from .written_provenance import add_to_alto
from .written_words import set_alto_words
from .xml_files import PageError, XmlDocument, add_child, children, descendants, local_name, remove

BOX = ("HPOS", "VPOS", "WIDTH", "HEIGHT")
SOFT_HYPHEN = "\u00ad"
HYPHENS = ("-", "\u2010", "\u2011", "¬", "⸗", "=")  # at the end of a line whose last word continues
STALE = ("CC", "CS", "SUBS_TYPE", "SUBS_CONTENT")  # attributes that describe the old text
PIECES = ("String", "SP", "HYP")


def parse_alto(document: XmlDocument, name: str) -> Page:
    """Parse an ALTO file.

    Raises:
        PageError: if it does not have exactly one page, has too many lines, or uses another unit than pixels without
            giving the page's size.
    """
    root = document.root
    pages = descendants(root, "Page")
    if len(pages) != 1:
        raise PageError(f"{name}: expected one Page, got {len(pages)}. Export each page to a file of its own.")
    size = positive_size(pages[0].get("WIDTH"), pages[0].get("HEIGHT"))
    unit = measurement_unit(root)
    if size is None and unit != "pixel":
        problem = f"measures in {shown(unit)}, but does not give the size of the page. Give Page WIDTH, HEIGHT."
        raise PageError(f"{name}: {problem}")
    elements = line_elements(root, name)
    nested = nested_lines(elements)
    places = {element: place for place, element in enumerate(elements)}
    lines = tuple(_line(element, places[element], nested.get(element)) for element in _in_order(root, elements))
    image = root.findtext(".//{*}sourceImageInformation/{*}fileName") or ""
    return Page(name, "ALTO", image.strip(), size, lines, document)


def measurement_unit(root: Any) -> str:
    """Return the unit of an ALTO file in lower case, as some programs write Pixel."""
    return (root.findtext(".//{*}MeasurementUnit") or "pixel").strip().lower()


def line_text(line: Any) -> str:
    """Return the words of a line, with one hyphen at its end if the last word continues on the next line."""
    text = " ".join(line_words(line))
    hyphens = [hyphen.get("CONTENT", "").strip(f" {SOFT_HYPHEN}") or "-" for hyphen in children(line, "HYP")]
    if text.endswith(SOFT_HYPHEN):  # it is visible only at the end of a line
        text = text.rstrip(SOFT_HYPHEN)
        hyphens.append("-")
    return text + hyphens[0] if hyphens and not text.endswith(HYPHENS) else text


def line_words(line: Any) -> list[str]:
    """Return the words of a line: its strings, joined where there is no space between them; without SP, each string."""
    strings = children(line, "String")
    if not children(line, "SP"):
        return [text for string in strings if (text := _string_text(string))]
    words = [""]
    for piece in line:
        if local_name(piece) == "SP":
            words.append("")
        elif local_name(piece) == "String":
            words[-1] += _string_text(piece)
    return [word for word in words if word]


def line_polygon(line: Any) -> np.ndarray | None:
    """Return a line's polygon, else its box, else the box around its strings.

    Raises:
        ValueError: if the numbers in the file are not valid.
    """
    for shape in children(line, "Shape"):
        for polygon in children(shape, "Polygon"):
            return parse_points(polygon.get("POINTS", ""))
    own = _box(line)
    if own is not None:
        return own
    inside = [box for part in line.iterdescendants("{*}String", "{*}Glyph") if (box := _box(part)) is not None]
    if not inside:
        return None
    corners = np.concatenate(inside)
    low = corners.min(axis=0)
    return box_points(*low, *(corners.max(axis=0) - low))


def _string_text(string: Any) -> str:
    """Return the text of a string, or the text of its glyphs."""
    own = string.get("CONTENT", "").strip()
    return own or "".join(glyph.get("CONTENT", "") for glyph in children(string, "Glyph")).strip()


def _box(element: Any) -> np.ndarray | None:
    numbers = [element.get(name) for name in BOX]
    if None in numbers:
        return None
    points = parse_points(" ".join(numbers))
    if len(points) != 2:
        raise ValueError(f"expected a number for each of {', '.join(BOX)}, got {' '.join(numbers)[:40]!r}.")
    return box_points(*points[0], *points[1])


def _line(line: Any, place: int, nesting: str | None) -> PageLine:
    points, problem = parsed_points(line, Polygon=line_polygon, BASELINE=_baseline)
    region, text = line.getparent().get("ID", ""), line_text(line)
    polygon, baseline = points["Polygon"], points["BASELINE"]
    return PageLine(line.get("ID", ""), region, place, text, polygon, baseline, nesting or problem)


def _baseline(line: Any) -> np.ndarray | None:
    words = line.get("BASELINE", "").strip()
    return None if NUMBER.fullmatch(words) else parse_points(words)  # a single number is its height, as in version 3


def _in_order(root: Any, lines: list[Any]) -> list[Any]:
    """Return the lines in the order of ReadingOrder, which names lines, their strings or blocks; then the others."""
    references = [
        reference for order in children(root, "ReadingOrder") for part in order.iter() for reference in _named(part)
    ]
    wanted = set(references)
    by_id: dict[str, Any] = {}
    for element in root.iter() if wanted else ():
        if element.get("ID") in wanted:
            by_id.setdefault(element.get("ID"), _line_around(element))
    return in_named_order(lines, (by_id[reference] for reference in references if reference in by_id))


def _named(element: Any) -> list[str]:
    return element.get("REF", "").split() if isinstance(element.tag, str) else []


def _line_around(element: Any) -> Any:
    """Return the line of a string or glyph; for other elements, the element itself."""
    is_inside = local_name(element) in ("String", "Glyph")
    return next(element.iterancestors("{*}TextLine"), element) if is_inside else element


def write_alto(page: Page, lines_read: Sequence[Line | None], made: Provenance | None = None) -> bytes:
    """Fill in the texts that were read; this changes `page.document`.

    Args:
        page: the page.
        lines_read: the reading of each of `page.lines`, or None.
        made: provenance, written into the file if anything changed.
    """
    elements = descendants(page.document.root, "TextLine")
    orientations: dict[Any, set[int | None]] = {}
    for line, read in zip(page.lines, lines_read, strict=True):
        element = elements[line.position]
        quarter = None if read is None else _quarter(read.orientation)
        orientations.setdefault(element.getparent(), set()).add(quarter)
        if read is not None and read.words:
            set_alto_words(element, read.words, page.scale)
        elif read is not None:
            _fill(element, read)
    for block, quarters in orientations.items():
        if len(quarters) == 1 and (quarter := quarters.pop()) is not None:
            _set_rotation(block, quarter)
    return page.document.to_bytes(made and partial(add_to_alto, page.document.root, made))


def _fill(line: Any, read: Line) -> None:
    strings, words = children(line, "String"), read.text.split()
    spaces = len(children(line, "SP"))  # must be 0, or one between any two words
    if len(strings) != len(words) or not words or 0 < spaces < len(words) - 1:
        strings, words = [_only_string(line)], [read.text]
    for hyphen in children(line, "HYP"):
        remove(hyphen)
    for string, word in zip(strings, words, strict=True):
        for stale in [*children(string, "ALTERNATIVE"), *children(string, "Glyph")]:
            remove(stale)
        for name in STALE:
            string.attrib.pop(name, None)
        string.set("CONTENT", word)
        if math.isfinite(read.confidence):
            string.set("WC", significant(read.confidence))
        else:
            string.attrib.pop("WC", None)


def _only_string(line: Any) -> Any:
    """Reduce a line to one string with the line's box."""
    strings, box = children(line, "String"), _box_attributes(line)
    for piece in [piece for name in PIECES for piece in children(line, name)]:
        if not strings or piece is not strings[0]:
            remove(piece)
    string = strings[0] if strings else add_child(line, "String")
    for shape in children(string, "Shape"):
        remove(shape)
    string.attrib.pop("STYLE", None)
    for name, value in zip(BOX, box, strict=True):
        string.set(name, value)
    return string


def _box_attributes(line: Any) -> list[str]:
    """Return a line's box as in the file, else the box of its polygon or of its strings."""
    own = [line.get(name) for name in BOX]
    if None not in own:
        return own
    polygon = line_polygon(line)
    if polygon is None:
        return ["0"] * 4
    low, extent = polygon.min(axis=0), np.ptp(polygon, axis=0)
    return [f"{value:g}" for value in np.concatenate([low, extent]).round()]


def _quarter(degrees: float) -> int:
    return round(degrees / 90) % 4


def _set_rotation(block: Any, quarter: int) -> None:
    """Write a block's ROTATION, unless the file already has the same one, perhaps more precisely."""
    try:
        given = float(block.get("ROTATION", "0"))
    except ValueError:
        given = float("inf")
    if abs(given) == float("inf") or given != given or _quarter(given) != quarter:
        block.set("ROTATION", str(90 * quarter))
