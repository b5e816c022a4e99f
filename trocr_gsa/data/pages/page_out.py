"""A PAGE file with what was read filled in.

What is written: the line's main TextEquiv with @conf; and in the line's @custom, as the schema has no place for them,
`orientation {degrees:90;}` and `characterConfidence {mean:0.98; each:0.99 0.97;}`, a number for each character of the
text (a Glyph would need a place on the page, and none is known). What repeats the text is brought in line with it:
words and the region's text, where the file has them. Everything else stays as it is; so do the lines for which there is
no reading. Transkribus marks parts of a text in @custom by where they begin (`person {offset:3; length:5;}`): where the
text is another now, such marks go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from ..numbers import geometric_mean, round_characters, significant
from .page import LineReading, Page
from .pagexml import element_text, main_equiv
from .xml import add_child, children, descendants, remove

BEHIND_TEXT = frozenset({"TextStyle", "UserDefined", "Labels"})  # what the schema wants behind TextEquiv
OURS = ("orientation", "characterConfidence")
ENTRY = re.compile(r"[^}]*}?")  # of @custom


def write_page(page: Page, readings: Sequence[LineReading | None]) -> bytes:
    """Fill in the readings of the page's lines, in the order of `page.lines`; changes `page.document`."""
    elements = descendants(page.document.root, "TextLine")
    regions: dict[Any, list[Any]] = {}
    changed: dict[Any, None] = {}
    for line, reading in zip(page.lines, readings, strict=True):
        element = elements[line.position]
        regions.setdefault(element.getparent(), []).append(element)
        if reading is not None:
            _fill(element, reading)
            changed[element.getparent()] = None
    for region in changed:
        if main_equiv(region) is not None:
            texts = [element_text(line) for line in regions[region]]
            _set_text(region, "\n".join(filter(None, texts)), None)
    return page.document.to_bytes()


def _fill(line: Any, reading: LineReading) -> None:
    _set_text(line, reading.text, reading.confidence)
    words, parts = children(line, "Word"), reading.text.split()
    for number, word in enumerate(words):
        for glyph in children(word, "Glyph"):
            _clear_text(glyph)
        if len(words) == len(parts):
            _set_text(word, parts[number], None)
        else:
            _clear_text(word)
    custom = _without(line.get("custom", ""), lambda tag, _: tag in OURS)
    line.set("custom", f"{custom} {_custom(reading)}".strip())


def _custom(reading: LineReading) -> str:
    orientation = f"orientation {{degrees:{reading.orientation:g};}}"
    of_characters = round_characters(reading.character_confidences)
    if not of_characters:
        return orientation
    mean, each = significant(geometric_mean(of_characters, 0.0)), " ".join(map(str, of_characters))
    return f"{orientation} characterConfidence {{mean:{mean}; each:{each};}}"


def _without(custom: str, is_dropped: Callable[[str, list[str]], bool]) -> str:
    """Leave out of @custom, which is `tag {key:value; key:value;} tag {…}`, what is dropped by its tag and keys."""
    kept = []
    for entry in ENTRY.findall(custom):
        tag, _, values = entry.partition("{")
        if not is_dropped(tag.strip(), [value.partition(":")[0].strip() for value in values.strip("}").split(";")]):
            kept.append(entry)
    return "".join(kept).strip()


def _drop_marks(element: Any) -> None:
    """Leave out of @custom what says where in the text something begins."""
    custom = _without(element.get("custom", ""), lambda _, keys: "offset" in keys)
    if custom:
        element.set("custom", custom)
    else:
        element.attrib.pop("custom", None)


def _set_text(element: Any, text: str, confidence: float | None) -> None:
    """Make this the text of the TextEquiv that counts; what was said of another text goes."""
    if text != element_text(element):
        _drop_marks(element)
    equiv = main_equiv(element)
    if equiv is None:
        equiv = add_child(element, "TextEquiv", BEHIND_TEXT)
    for plain in children(equiv, "PlainText"):
        remove(plain)
    unicode = next(iter(children(equiv, "Unicode")), None)
    if unicode is None:
        unicode = add_child(equiv, "Unicode")
    for child in list(unicode):
        unicode.remove(child)
    unicode.text = text
    if confidence is not None:
        equiv.set("conf", significant(confidence))
    else:
        equiv.attrib.pop("conf", None)


def _clear_text(element: Any) -> None:
    _drop_marks(element)
    for equiv in children(element, "TextEquiv"):
        remove(equiv)
