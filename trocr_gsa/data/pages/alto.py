"""An ALTO file with what was read filled in.

What is written: where the reader told where words are, a String with its WC for each. Otherwise the words go into the
line's strings, where the file has as many strings as there are words, with the line's confidence; else one String
stands for the whole line. A line has no place for its
orientation; ROTATION of the block gets it where all lines of the block lie the same way. Everything else stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ..line import Line
from ..names import shown
from ..numbers import significant
from ..provenance import Provenance
from .page import (
    NESTED,
    Page,
    PageLine,
    box_points,
    in_named_order,
    line_elements,
    nested_lines,
    parse_points,
    positive_size,
)
from .written_provenance import add_to_alto
from .written_words import set_alto_words
from .xml_files import PageError, XmlDocument, add_child, children, descendants, local_name, remove

BOX = ("HPOS", "VPOS", "WIDTH", "HEIGHT")
SOFT_HYPHEN = "\u00ad"
HYPHENS = ("-", "\u2010", "\u2011", "¬", "⸗", "=")  # what stands at the end of a line for a word that goes on
STALE = ("CC", "CS", "SUBS_TYPE", "SUBS_CONTENT")  # attributes that say something of the former text
PIECES = ("String", "SP", "HYP")


def parse_alto(document: XmlDocument, name: str) -> Page:
    """Read an ALTO file's description.

    Raises:
        PageError: if it does not hold one page, holds more lines than a page has, or measures a page of unknown size
            in inches.
    """
    root = document.root
    pages = descendants(root, "Page")
    if len(pages) != 1:
        raise PageError(f"{name}: expected one Page, got {len(pages)}. Export each page to a file of its own.")
    size = positive_size(pages[0].get("WIDTH"), pages[0].get("HEIGHT"))
    unit = (root.findtext(".//{*}MeasurementUnit") or "pixel").strip()
    if size is None and unit != "pixel":
        problem = f"measures in {shown(unit)}, and does not say how large the page is. Give Page WIDTH, HEIGHT."
        raise PageError(f"{name}: {problem}")
    elements = line_elements(root, name)
    nested = nested_lines(elements)
    places = {element: place for place, element in enumerate(elements)}
    lines = tuple(_line(element, places[element], element in nested) for element in _in_order(root, elements))
    image = root.findtext(".//{*}sourceImageInformation/{*}fileName") or ""
    return Page(name, "ALTO", image.strip(), size, lines, document)


def line_text(line: Any) -> str:
    """The words of a line, and one hyphen at its end where the last of them goes on in the next line."""
    text = " ".join(line_words(line))
    hyphens = [hyphen.get("CONTENT", "").strip(f" {SOFT_HYPHEN}") or "-" for hyphen in children(line, "HYP")]
    if text.endswith(SOFT_HYPHEN):  # where a line ends, and there alone, it is seen
        text = text.rstrip(SOFT_HYPHEN)
        hyphens.append("-")
    return text + hyphens[0] if hyphens and not text.endswith(HYPHENS) else text


def line_words(line: Any) -> list[str]:
    """The words of a line: its strings as its spaces divide them or, where it has no space, each for itself."""
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
    """A line's polygon, or else its box, or else the box around its strings.

    Raises:
        ValueError: if what the file gives cannot be understood.
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
    """What a string says, or what its glyphs do."""
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


def _line(line: Any, place: int, is_nested: bool) -> PageLine:
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
    if is_nested:
        problem = NESTED
    return PageLine(line.get("ID", ""), block.get("ID", ""), place, line_text(line), polygon, baseline, problem)


def _in_order(root: Any, lines: list[Any]) -> list[Any]:
    """The lines as ReadingOrder names them, a string in them, or a block around them; the others behind."""
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
    """The line that a string or a letter is in; else the element itself."""
    is_inside = local_name(element) in ("String", "Glyph")
    return next(element.iterancestors("{*}TextLine"), element) if is_inside else element


def write_alto(page: Page, lines_read: Sequence[Line | None], made: Provenance | None = None) -> bytes:
    """Fill in what was read in each of `page.lines`, None where nothing was; changes `page.document`.

    Args:
        page: as it was read.
        lines_read: its readings.
        made: what read it, which a file says in which something changed.
    """
    elements = descendants(page.document.root, "TextLine")
    orientations: dict[Any, set[int | None]] = {}
    for line, read in zip(page.lines, lines_read, strict=True):
        element = elements[line.position]
        quarter = None if read is None else _quarter(read.orientation)
        orientations.setdefault(element.getparent(), set()).add(quarter)
        if read is not None and read.words:
            set_alto_words(element, read.words, page)
        elif read is not None:
            _fill(element, read)
    for block, quarters in orientations.items():
        if len(quarters) == 1 and (quarter := quarters.pop()) is not None:
            _set_rotation(block, quarter)
    return page.document.to_bytes(made and partial(add_to_alto, page.document.root, made))


def _fill(line: Any, read: Line) -> None:
    strings, words = children(line, "String"), read.text.split()
    spaces = len(children(line, "SP"))  # either none is written, or one between any two words
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
        string.set("WC", significant(read.confidence))


def _only_string(line: Any) -> Any:
    """Leave a line one string, as large as the line."""
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
    """A line's box as it stands in the file, or else that of its polygon or of its strings."""
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
    """Say how a block's text lies, unless it says so already, perhaps more finely."""
    try:
        said = float(block.get("ROTATION", "0"))
    except ValueError:
        said = float("inf")
    if abs(said) == float("inf") or said != said or _quarter(said) != quarter:
        block.set("ROTATION", str(90 * quarter))
