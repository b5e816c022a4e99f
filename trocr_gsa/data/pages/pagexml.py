"""PAGE XML, 2013 to 2019: regions within regions, their lines, and the order to read them in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .page import Page, PageLine, parse_points, positive_size
from .xml import PageError, XmlDocument, children, namespace_of

NAMESPACE = re.compile(r"https?://schema\.primaresearch\.org/PAGE/gts/pagecontent/(\d{4})-\d\d-\d\d")
READING_ORDER = re.compile(r"readingOrder\s*\{\s*index\s*:\s*(\d+)")


def parse_page(document: XmlDocument, name: str) -> Page:
    """Read a PAGE file's description.

    Raises:
        PageError: if it is of a version whose points are stored in another way, or does not hold one page.
    """
    namespace = namespace_of(document.root)
    version = NAMESPACE.fullmatch(namespace)
    if version is None or int(version[1]) < 2013:
        raise PageError(f"{name}: expected PAGE XML of 2013 or later, got the namespace {namespace or '(none)'!r}.")
    pages = children(document.root, "Page")
    if len(pages) != 1:
        raise PageError(f"{name}: expected one Page, got {len(pages)}. Export each page to a file of its own.")
    page, places = pages[0], {line: place for place, line in enumerate(document.root.iter(f"{{{namespace}}}TextLine"))}
    lines = [_line(line, region, places[line]) for region in _in_order(page) for line in _lines_of(region)]
    size = positive_size(page.get("imageWidth"), page.get("imageHeight"))
    return Page(name, "PAGE", page.get("imageFilename", "").strip(), size, tuple(lines), document)


def line_text(line: Any) -> str:
    """A line's own text, or that of its words."""
    own = main_text(line)
    return own if own is not None else " ".join(filter(None, map(main_text, children(line, "Word"))))


def main_equiv(element: Any) -> Any | None:
    """The TextEquiv that counts: the one of the lowest @index, where none stands for 0."""
    return min(children(element, "TextEquiv"), key=lambda equiv: _number(equiv.get("index")), default=None)


def main_text(element: Any) -> str | None:
    """What the TextEquiv that counts says in Unicode; None if there is none."""
    equiv = main_equiv(element)
    texts = [] if equiv is None else children(equiv, "Unicode")
    return "".join(texts[0].itertext()) if texts else None


def _number(words: str | None) -> int:
    return int(words) if words and words.strip().isdecimal() else 0


def _line(line: Any, region: Any, place: int) -> PageLine:
    polygon = baseline = problem = None
    try:
        polygon = next((parse_points(c.get("points", "")) for c in children(line, "Coords")), None)
    except ValueError as error:
        problem = f"`Coords`: {error}"
    try:
        baseline = next((parse_points(b.get("points", "")) for b in children(line, "Baseline")), None)
    except ValueError:
        pass  # the line can be cut without, only not levelled
    return PageLine(line.get("id", ""), region.get("id", ""), place, line_text(line), polygon, baseline, problem)


def _in_order(page: Any) -> Iterator[Any]:
    """Yield every region that has lines once: as ReadingOrder names them, then the others as they stand."""
    lines = page.iter(f"{{{namespace_of(page)}}}TextLine")
    left = dict.fromkeys(line.getparent() for line in lines)
    references = [reference for order in children(page, "ReadingOrder") for reference in _references(order)]
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
        if element.get("id") in references and element.tag.endswith("Region"):
            found.setdefault(element.get("id"), element)
    return found


def _references(group: Any) -> Iterator[str]:
    """Yield the regions that a group names: by @index where its members have one, a nested group in its place."""
    members = [child for child in group if isinstance(child.tag, str)]
    if all(member.get("index") is not None for member in members):
        members.sort(key=lambda member: _number(member.get("index")))
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
    return _number(line.get("index")) if line.get("index") else None


def _custom_index(line: Any) -> int | None:
    found = READING_ORDER.search(line.get("custom", ""))
    return int(found[1]) if found else None
