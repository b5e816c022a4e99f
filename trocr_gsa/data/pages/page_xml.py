"""Reads PAGE files, and fills in the texts that were read.

What is written: the line's main TextEquiv with @conf; and in the line's @custom, because the schema has no elements for
them, `orientation {degrees:90;}` and `characterConfidence {mean:0.98; each:0.99 0.97;}`, one number per character. If
the reader gives word positions, new words replace the old ones; otherwise the old words are updated to the new text.
The texts of its regions, which may be nested, are updated too. Everything else is kept, including lines without a
reading. Transkribus marks parts of a text in @custom by their offset (`person {offset:3; length:5;}`); these marks are
removed if the text has changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..doubtful import is_seen
from ..line import Line
from ..numbers import geometric_mean, round_characters, significant
from ..provenance import Provenance
from .page import (
    Page,
    PageLine,
    in_named_order,
    line_elements,
    nested_lines,
    parse_points,
    parsed_points,
    positive_size,
)
from .written_provenance import add_to_page
from .written_words import NewIds, set_page_also, set_page_alternatives, set_page_words
from .xml_files import PageError, XmlDocument, add_child, children, descendants, local_name, namespace_of, remove

NAMESPACE = re.compile(r"https?://schema\.primaresearch\.org/PAGE/gts/pagecontent/(\d{4})-\d\d-\d\d")
OLDEST = 2013
READING_ORDER = re.compile(r"readingOrder\s*\{\s*index\s*:\s*(\d+)")
LAST = 10**9  # stands for an index with more digits
AFTER_TEXT = frozenset({"TextStyle", "UserDefined", "Labels"})  # elements that must follow TextEquiv in the schema
OURS = ("orientation", "characterConfidence")
ENTRY = re.compile(r"[^}]*}?")  # of @custom


def parse_page(document: XmlDocument, name: str) -> Page:
    """Parse a PAGE file.

    Raises:
        PageError: if its version stores points differently, or it does not have exactly one page or has too many lines.
    """
    namespace = namespace_of(document.root)
    version = NAMESPACE.fullmatch(namespace)
    if version is not None and int(version[1]) < OLDEST:
        raise PageError(f"{name}: expected PAGE XML of {OLDEST} or later, got the namespace {namespace!r}.")
    pages = children(document.root, "Page")
    if len(pages) != 1:
        raise PageError(f"{name}: expected one Page, got {len(pages)}. Export each page to a file of its own.")
    page, elements = pages[0], line_elements(document.root, name)
    places, nested = {line: place for place, line in enumerate(elements)}, nested_lines(elements)
    lines = [
        _line(line, region, places[line], nested.get(line)) for region in _in_order(page) for line in _lines_of(region)
    ]
    size = positive_size(page.get("imageWidth"), page.get("imageHeight"))
    return Page(name, "PAGE", page.get("imageFilename", "").strip(), size, tuple(lines), document)


def element_text(element: Any) -> str:
    """Return the text of a line, word or glyph; if it is empty, the text of its words or glyphs.

    A TextEquiv without @index is no alternative, so that its text also counts where the main TextEquiv is empty.
    """
    main = main_equiv(element)
    plain = [equiv for equiv in children(element, "TextEquiv") if _number(equiv.get("index")) is None]
    for equiv in [*([] if main is None else [main]), *plain]:
        own = "".join(text for part in children(equiv, "Unicode")[:1] for text in part.itertext())
        if is_seen(own):
            return own
    words = " ".join(filter(None, map(element_text, children(element, "Word"))))
    return words or "".join(map(element_text, children(element, "Glyph")))


def main_equiv(element: Any) -> Any | None:
    """Return the main TextEquiv: the one with the lowest @index, where one without @index comes between 0 and 1."""
    return min(children(element, "TextEquiv"), key=_rank, default=None)


def _rank(equiv: Any) -> tuple[int, bool]:
    index = _number(equiv.get("index"))
    return (0, True) if index is None else (index, False)


def _number(words: str | None) -> int | None:
    """Parse a whole number ≥ 0; None if it is not one."""
    words = (words or "").strip()
    if not words.isdecimal():
        return None
    digits = words.lstrip("0")
    return LAST if len(digits) > 9 else int(digits or "0")


def _line(line: Any, region: Any, place: int, nesting: str | None) -> PageLine:
    points, problem = parsed_points(line, Coords=partial(_points, "Coords"), Baseline=partial(_points, "Baseline"))
    polygon, baseline = points["Coords"], points["Baseline"]
    text = element_text(line)
    return PageLine(line.get("id", ""), region.get("id", ""), place, text, polygon, baseline, nesting or problem)


def _points(name: str, line: Any) -> np.ndarray | None:
    return next((parse_points(part.get("points", "")) for part in children(line, name)), None)


def _in_order(page: Any) -> list[Any]:
    """Return the regions that have lines, in the order in which ReadingOrder names them or their parents.

    Without such references, the order is that of Transkribus' readingOrder, if all regions of the page have it.
    """
    regions = dict.fromkeys(line.getparent() for line in descendants(page, "TextLine"))
    references = [reference for order in children(page, "ReadingOrder") for reference in _references(order)]
    if not references:
        outer = dict.fromkeys(each for region in regions for each in _ancestors(region) if each.getparent() is page)
        return in_named_order(regions, _by_custom_index(list(outer)))
    by_id = _regions_by_id(page, set(references))
    return in_named_order(regions, (by_id[reference] for reference in references if reference in by_id))


def _ancestors(element: Any) -> list[Any]:
    return [element, *element.iterancestors()]


def _regions_by_id(page: Any, references: set[str]) -> dict[str, Any]:
    """Return the referenced regions by id; of two with the same id, the first."""
    found: dict[str, Any] = {}
    for element in page.iterfind(".//*[@id]") if references else ():
        if element.get("id") in references and local_name(element).endswith("Region"):
            found.setdefault(element.get("id"), element)
    return found


def _references(group: Any) -> Iterator[str]:
    """Yield the regions of a group, sorted by @index if all members have one; nested groups in their place."""
    members = [child for child in group if isinstance(child.tag, str)]
    if all(member.get("index") is not None for member in members):
        members.sort(key=lambda member: _number(member.get("index")) or 0)
    for member in members:
        if member.get("regionRef"):
            yield member.get("regionRef")
        yield from _references(member)


def _lines_of(region: Any) -> list[Any]:
    """Return a region's lines, sorted by @index or Transkribus' readingOrder if all have it, else as in the file."""
    lines = children(region, "TextLine")
    indices = [_number(line.get("index")) for line in lines]
    return _by_custom_index(lines) if None in indices else _sorted_by(indices, lines)


def _by_custom_index(elements: list[Any]) -> list[Any]:
    """Return elements sorted by Transkribus' readingOrder if all have it, else as they are."""
    found = [READING_ORDER.search(element.get("custom", "")) for element in elements]
    indices = [_number(match[1]) if match else None for match in found]
    return elements if None in indices else _sorted_by(indices, elements)


def _sorted_by(indices: Sequence[int | None], elements: Sequence[Any]) -> list[Any]:
    pairs = sorted(zip(indices, elements, strict=True), key=lambda pair: pair[0] or 0)
    return [element for _, element in pairs]


def write_page(page: Page, lines_read: Sequence[Line | None], made: Provenance | None = None) -> bytes:
    """Fill in the texts that were read; this changes `page.document`.

    Args:
        page: the page.
        lines_read: the reading of each of `page.lines`, or None.
        made: provenance, written into the file if anything changed.
    """
    elements = descendants(page.document.root, "TextLine")
    regions: dict[Any, list[Any]] = {}
    changed: dict[Any, None] = {}
    ids = NewIds(page.document.root)
    for line, read in zip(page.lines, lines_read, strict=True):
        element = elements[line.position]
        around = dict.fromkeys([element.getparent(), *element.iterancestors("{*}TextRegion")])
        for region in around:
            regions.setdefault(region, []).append(element)
        if read is not None:
            _fill(element, read, page, ids)
            changed |= around
    for region in changed:
        if main_equiv(region) is not None:
            texts = [element_text(line) for line in regions[region]]
            _set_text(region, "\n".join(filter(None, texts)), None)
    return page.document.to_bytes(made and partial(add_to_page, page.document.root, made))


def _fill(line: Any, read: Line, page: Page, ids: NewIds) -> None:
    _set_text(line, read.text, read.confidence)
    if read.words:
        set_page_words(line, read.words, page.scale, ids)
    else:
        _update_words(line, read.text.split())
    if read.alternatives is not None:
        set_page_alternatives(line, read.alternatives, read.text)
    set_page_also(line, read.also)
    custom = _without(line.get("custom", ""), lambda tag, _: tag in OURS)
    line.set("custom", f"{custom} {_custom(read)}".strip())


def _update_words(line: Any, parts: list[str]) -> None:
    """Update the words of a line to its new text."""
    words = children(line, "Word")
    for number, word in enumerate(words):
        for glyph in children(word, "Glyph"):
            _clear_text(glyph)
        if len(words) == len(parts):
            _set_text(word, parts[number], None)
        else:
            _clear_text(word)


def _custom(read: Line) -> str:
    orientation = f"orientation {{degrees:{read.orientation:g};}}"
    of_characters = round_characters(read.character_confidences)
    if not of_characters:
        return orientation
    mean, each = significant(geometric_mean(of_characters, 0.0)), " ".join(map(str, of_characters))
    return f"{orientation} characterConfidence {{mean:{mean}; each:{each};}}"


def _without(custom: str, is_dropped: Callable[[str, list[str]], bool]) -> str:
    """Remove entries from @custom, which has the form `tag {key:value; key:value;} tag {…}`, by their tag and keys."""
    kept = []
    for entry in ENTRY.findall(custom):
        tag, _, values = entry.partition("{")
        if not is_dropped(tag.strip(), [value.partition(":")[0].strip() for value in values.strip("}").split(";")]):
            kept.append(entry)
    return "".join(kept).strip()


def _drop_marks(element: Any) -> None:
    """Remove the entries of @custom that refer to positions in the text."""
    custom = _without(element.get("custom", ""), lambda _, keys: "offset" in map(str.lower, keys))
    if custom:
        element.set("custom", custom)
    else:
        element.attrib.pop("custom", None)


def _set_text(element: Any, text: str, confidence: float | None) -> None:
    """Set the text of the main TextEquiv, and remove metadata about the old text."""
    if text != element_text(element):
        _drop_marks(element)
    equiv = main_equiv(element)
    if equiv is None:
        equiv = add_child(element, "TextEquiv", AFTER_TEXT)
    for plain in children(equiv, "PlainText"):
        remove(plain)
    unicode = next(iter(children(equiv, "Unicode")), None)
    if unicode is None:
        unicode = add_child(equiv, "Unicode")
    for child in list(unicode):
        unicode.remove(child)
    unicode.text = text
    if confidence is not None and math.isfinite(confidence):
        equiv.set("conf", significant(confidence))
    else:
        equiv.attrib.pop("conf", None)


def _clear_text(element: Any) -> None:
    _drop_marks(element)
    for equiv in children(element, "TextEquiv"):
        remove(equiv)
