"""An ALTO file with what was read filled in.

What is written: the words into the line's strings with their WC, where the file has as many strings as there are
words; else one String for the whole line, for nothing is known of where its words are. A line has no place for its
orientation; ROTATION of the block gets it where all lines of the block lie the same way. Everything else stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..numbers import significant
from .alto import BOX, line_polygon
from .page import LineReading, Page
from .xml import add_child, children, descendants, remove

STALE = ("CC", "CS", "SUBS_TYPE", "SUBS_CONTENT")  # attributes that say something of the former text
PIECES = ("String", "SP", "HYP")


def write_alto(page: Page, readings: Sequence[LineReading | None]) -> bytes:
    """Fill in the readings of the page's lines, in the order of `page.lines`; changes `page.document`."""
    elements = descendants(page.document.root, "TextLine")
    orientations: dict[Any, set[int | None]] = {}
    for line, reading in zip(page.lines, readings, strict=True):
        element = elements[line.position]
        quarter = None if reading is None else _quarter(reading.orientation)
        orientations.setdefault(element.getparent(), set()).add(quarter)
        if reading is not None:
            _fill(element, reading)
    for block, quarters in orientations.items():
        if len(quarters) == 1 and (quarter := quarters.pop()) is not None:
            _set_rotation(block, quarter)
    return page.document.to_bytes()


def _fill(line: Any, reading: LineReading) -> None:
    strings, words = children(line, "String"), reading.text.split()
    spaces = len(children(line, "SP"))  # either none is written, or one between any two words
    if len(strings) != len(words) or not words or 0 < spaces < len(words) - 1:
        strings, words = [_only_string(line)], [reading.text]
    for hyphen in children(line, "HYP"):
        remove(hyphen)
    for string, word in zip(strings, words, strict=True):
        for stale in [*children(string, "ALTERNATIVE"), *children(string, "Glyph")]:
            remove(stale)
        for name in STALE:
            string.attrib.pop(name, None)
        string.set("CONTENT", word)
        string.set("WC", significant(reading.confidence))


def _only_string(line: Any) -> Any:
    """Leave a line one string, as large as the line."""
    strings, box = children(line, "String"), _box(line)
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


def _box(line: Any) -> list[str]:
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
