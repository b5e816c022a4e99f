"""A PAGE file with what was read filled in.

What is written: the line's main TextEquiv with @conf; and in the line's @custom, as the schema has no place for them,
`orientation {degrees:90;}` and `characterConfidence {mean:0.98; each:0.99 0.97;}`, a number for each character of the
text. Where the reader told where words are, they replace the file's; otherwise the file's words are brought in line
with the text, as the region's text is. Everything else stays as it is; so do the lines for which there is
no reading. Transkribus marks parts of a text in @custom by where they begin (`person {offset:3; length:5;}`): where the
text is another now, such marks go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from ..doubtful import is_seen
from ..line import Line
from ..numbers import geometric_mean, round_characters, significant
from ..provenance import Provenance
from .page import (
    NESTED,
    Page,
    PageLine,
    in_named_order,
    line_elements,
    nested_lines,
    parse_points,
    positive_size,
)
from .written_provenance import add_to_page
from .written_words import NewIds, set_page_words
from .xml_files import PageError, XmlDocument, add_child, children, descendants, local_name, namespace_of, remove

NAMESPACE = re.compile(r"https?://schema\.primaresearch\.org/PAGE/gts/pagecontent/(\d{4})-\d\d-\d\d")
OLDEST = 2013
READING_ORDER = re.compile(r"readingOrder\s*\{\s*index\s*:\s*(\d+)")
LAST = 10**9  # an index of more digits is behind all others
BEHIND_TEXT = frozenset({"TextStyle", "UserDefined", "Labels"})  # what the schema wants behind TextEquiv
OURS = ("orientation", "characterConfidence")
ENTRY = re.compile(r"[^}]*}?")  # of @custom


def parse_page(document: XmlDocument, name: str) -> Page:
    """Read a PAGE file's description.

    Raises:
        PageError: if it is of a version whose points are stored in another way, does not hold one page, or holds more
            lines than a page has.
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
        _line(line, region, places[line], line in nested) for region in _in_order(page) for line in _lines_of(region)
    ]
    size = positive_size(page.get("imageWidth"), page.get("imageHeight"))
    return Page(name, "PAGE", page.get("imageFilename", "").strip(), size, tuple(lines), document)


def element_text(element: Any) -> str:
    """The text of a line, word or glyph: its own or, if that is empty, that of what it is made of."""
    equiv = main_equiv(element)
    own = "" if equiv is None else "".join(text for part in children(equiv, "Unicode")[:1] for text in part.itertext())
    if is_seen(own):
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


def _in_order(page: Any) -> list[Any]:
    """Every region that has lines, once: as ReadingOrder names them or those around them, the others behind."""
    regions = dict.fromkeys(line.getparent() for line in descendants(page, "TextLine"))
    references = [reference for order in children(page, "ReadingOrder") for reference in _references(order)]
    by_id = _regions_by_id(page, set(references))
    return in_named_order(regions, (by_id[reference] for reference in references if reference in by_id))


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


def write_page(page: Page, lines_read: Sequence[Line | None], made: Provenance | None = None) -> bytes:
    """Fill in what was read in each of `page.lines`, None where nothing was; changes `page.document`.

    Args:
        page: as it was read.
        lines_read: its readings.
        made: what read it, which a file says in which something changed.
    """
    elements = descendants(page.document.root, "TextLine")
    regions: dict[Any, list[Any]] = {}
    changed: dict[Any, None] = {}
    ids = NewIds(page.document.root)
    for line, read in zip(page.lines, lines_read, strict=True):
        element = elements[line.position]
        regions.setdefault(element.getparent(), []).append(element)
        if read is not None:
            _fill(element, read, page, ids)
            changed[element.getparent()] = None
    for region in changed:
        if main_equiv(region) is not None:
            texts = [element_text(line) for line in regions[region]]
            _set_text(region, "\n".join(filter(None, texts)), None)
    return page.document.to_bytes(made and partial(add_to_page, page.document.root, made))


def _fill(line: Any, read: Line, page: Page, ids: NewIds) -> None:
    _set_text(line, read.text, read.confidence)
    if read.words:
        set_page_words(line, read.words, page, ids)
    else:
        _update_words(line, read.text.split())
    custom = _without(line.get("custom", ""), lambda tag, _: tag in OURS)
    line.set("custom", f"{custom} {_custom(read)}".strip())


def _update_words(line: Any, parts: list[str]) -> None:
    """Bring the words that a line has in line with its text."""
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
    """Leave out of @custom, which is `tag {key:value; key:value;} tag {…}`, what is dropped by its tag and keys."""
    kept = []
    for entry in ENTRY.findall(custom):
        tag, _, values = entry.partition("{")
        if not is_dropped(tag.strip(), [value.partition(":")[0].strip() for value in values.strip("}").split(";")]):
            kept.append(entry)
    return "".join(kept).strip()


def _drop_marks(element: Any) -> None:
    """Leave out of @custom what says where in the text something begins."""
    custom = _without(element.get("custom", ""), lambda _, keys: "offset" in map(str.lower, keys))
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
