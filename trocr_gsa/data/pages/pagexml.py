"""PAGE XML, 2013 to 2019: regions within regions, their lines, and the order to read them in.

What is unusual: of several texts of a line, the one with an explicit index of 0 wins over one without index, which wins
over the others; where it is empty, the words' texts count, and where those are empty, the glyphs'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .page import NESTED, Page, PageLine, nested_lines, parse_points, positive_size
from .xml import PageError, XmlDocument, children, descendants, local_name, namespace_of

NAMESPACE = re.compile(r"https?://schema\.primaresearch\.org/PAGE/gts/pagecontent/(\d{4})-\d\d-\d\d")
OLDEST = 2013
READING_ORDER = re.compile(r"readingOrder\s*\{\s*index\s*:\s*(\d+)")
LAST = 10**9  # an index of more digits is behind all others


def parse_page(document: XmlDocument, name: str) -> Page:
    """Read a PAGE file's description.

    Raises:
        PageError: if it is of a version whose points are stored in another way, or does not hold one page.
    """
    namespace = namespace_of(document.root)
    version = NAMESPACE.fullmatch(namespace)
    if version is not None and int(version[1]) < OLDEST:
        raise PageError(f"{name}: expected PAGE XML of {OLDEST} or later, got the namespace {namespace!r}.")
    pages = children(document.root, "Page")
    if len(pages) != 1:
        raise PageError(f"{name}: expected one Page, got {len(pages)}. Export each page to a file of its own.")
    page, elements = pages[0], descendants(document.root, "TextLine")
    places, nested = {line: place for place, line in enumerate(elements)}, nested_lines(elements)
    lines = [
        _line(line, region, places[line], line in nested) for region in _in_order(page) for line in _lines_of(region)
    ]
    size = positive_size(page.get("imageWidth"), page.get("imageHeight"))
    return Page(name, "PAGE", page.get("imageFilename", "").strip(), size, tuple(lines), document)


def element_text(element: Any) -> str:
    """The text of a line, word or glyph: its own or, if that is empty, that of what it is made of."""
    equiv = main_equiv(element)
    own = "" if equiv is None else "".join(text for part in children(equiv, "Unicode")[:1] for text in part.itertext())
    if own.strip():
        return own
    words = " ".join(filter(None, map(element_text, children(element, "Word"))))
    return words or "".join(map(element_text, children(element, "Glyph")))


def main_equiv(element: Any) -> Any | None:
    """The TextEquiv that counts: the one of the lowest @index; one without stands behind 0 and before 1."""
    return min(children(element, "TextEquiv"), key=_rank, default=None)


def _rank(equiv: Any) -> tuple[int, bool]:
    index = _number(equiv.get("index"))
    return (0, True) if index is None else (index, False)


def _number(words: str | None) -> int | None:
    """A whole number from 0 on; None if it is none."""
    words = (words or "").strip()
    if not words.isdecimal():
        return None
    digits = words.lstrip("0")
    return LAST if len(digits) > 9 else int(digits or "0")


def _line(line: Any, region: Any, place: int, is_nested: bool) -> PageLine:
    polygon = baseline = problem = None
    try:
        polygon = next((parse_points(c.get("points", "")) for c in children(line, "Coords")), None)
    except ValueError as error:
        problem = f"`Coords`: {error}"
    try:
        baseline = next((parse_points(b.get("points", "")) for b in children(line, "Baseline")), None)
    except ValueError:
        pass  # the line can be cut without, only not levelled
    if is_nested:
        problem = NESTED
    return PageLine(line.get("id", ""), region.get("id", ""), place, element_text(line), polygon, baseline, problem)


def _in_order(page: Any) -> Iterator[Any]:
    """Yield every region that has lines once: as ReadingOrder names them, then the others as they stand."""
    left = dict.fromkeys(line.getparent() for line in descendants(page, "TextLine"))
    references = dict.fromkeys(
        reference for order in children(page, "ReadingOrder") for reference in _references(order)
    )
    named = _regions_by_id(page, set(references))
    for reference in references:
        for region in [] if reference not in named else named[reference].iter():
            has_its_own_place = region.get("id") in named and region is not named[reference]
            if region in left and not has_its_own_place:
                del left[region]
                yield region
    yield from list(left)


def _regions_by_id(page: Any, references: set[str]) -> dict[str, Any]:
    """Return the regions that are referred to; of two with one id the first."""
    found: dict[str, Any] = {}
    for element in page.iterfind(".//*[@id]") if references else ():
        if element.get("id") in references and local_name(element).endswith("Region"):
            found.setdefault(element.get("id"), element)
    return found


def _references(group: Any) -> Iterator[str]:
    """Yield the regions that a group names: by @index where its members have one, a nested group in its place."""
    members = [child for child in group if isinstance(child.tag, str)]
    if all(member.get("index") is not None for member in members):
        members.sort(key=lambda member: _number(member.get("index")) or 0)
    for member in members:
        if member.get("regionRef"):
            yield member.get("regionRef")
        yield from _references(member)


def _lines_of(region: Any) -> list[Any]:
    """A region's own lines: by @index, or else by Transkribus' readingOrder, where all have one; else as they stand."""
    lines = children(region, "TextLine")
    for key in (_index, _custom_index):
        places = [key(line) for line in lines]
        if None not in places:
            return sorted(lines, key=lambda line: key(line) or 0)
    return lines


def _index(line: Any) -> int | None:
    return _number(line.get("index"))


def _custom_index(line: Any) -> int | None:
    found = READING_ORDER.search(line.get("custom", ""))
    return _number(found[1]) if found else None
