"""What PAGE and ALTO both say of a page: regions in reading order, their lines, and the words of these.

What is unusual: confidences stay unknown where a file gives none (`nan`), so that nothing is made up on the way from
one format to the other; words are taken over only where they agree with the text of their line.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..words import Character, Word
from .alto import BOX, line_words
from .page import Page, PageLine, box_points, parse_points
from .page_xml import element_text, main_equiv
from .xml_files import children, descendants, local_name

Kind = Literal["text", "picture", "separator"]
UNKNOWN = math.nan  # a confidence that a file does not give
STRUCTURE = re.compile(r"structure\s*\{[^}]*?type\s*:\s*([^;}]*)")  # in @custom, as platforms write it
PICTURES = frozenset({
    "AdvertRegion", "ChartRegion", "ChemRegion", "GraphicRegion", "ImageRegion", "LineDrawingRegion", "MapRegion",
    "MathsRegion", "MusicRegion",
})  # fmt: skip


@dataclass(frozen=True, eq=False)
class LayoutLine:
    """A line.

    Attributes:
        line: as its page has it.
        label: what kind of line it is, as people named it; empty if nobody did.
        confidence: of its text, or `UNKNOWN`.
        words: with their places; empty where these are unknown, or do not agree with the line's text.
    """

    line: PageLine
    label: str
    confidence: float
    words: tuple[Word, ...]


@dataclass(frozen=True, eq=False)
class Region:
    """A part of a page.

    Attributes:
        kind: what it holds.
        name: its id in the file.
        sort: type of the picture or of the text region, as the file has it; may be empty.
        polygon: (point, 2) in the page's units; None where the file gives none.
        rotation: degrees counter-clockwise by which its content is turned; None: the file does not say.
        lines: in reading order.
    """

    kind: Kind
    name: str
    sort: str
    polygon: np.ndarray | None
    rotation: float | None
    lines: tuple[LayoutLine, ...] = ()


def layout_of(page: Page) -> tuple[list[Region], list[str]]:
    """Return the regions of a page, those with lines first, and the number of its other elements, as "2 MapRegion"."""
    read = _PageReader(page) if page.kind == "PAGE" else _AltoReader(page)
    lines: dict[Any, list[LayoutLine]] = {}
    elements = descendants(page.document.root, "TextLine")
    for line in page.lines:
        element = elements[line.position]
        lines.setdefault(element.getparent(), []).append(read.line(element, line))
    regions = [read.region(element, "text", lines[element]) for element in lines]
    others: Counter[str] = Counter()
    for element in read.parts():
        kind = read.kind(element)
        if element not in lines and kind is not None:
            regions.append(read.region(element, kind, ()))
        elif element not in lines:
            others[local_name(element)] += 1
    return regions, [f"{count} {name}" for name, count in sorted(others.items())]


class _Reader:
    """Reads what a file says of regions and lines; points are in units of `Page.size`.

    Args:
        page: as it was read.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    def scaled(self, points: np.ndarray) -> np.ndarray:
        return points * self.page.scale

    def points(self, words: str) -> np.ndarray | None:
        """Return the points that a file gives, None if they cannot be used."""
        try:
            found = parse_points(words)
        except ValueError:
            return None
        return self.scaled(found) if len(found) else None

    def agreeing(self, line: PageLine, words: Sequence[Word | None]) -> tuple[Word, ...]:
        """Return words if all have a place and together say what the line says."""
        found = [word for word in words if word is not None and " " not in word.text]  # else it is a whole line
        whole = len(found) == len(words) and " ".join(word.text for word in found) == " ".join(line.text.split())
        return tuple(found) if whole else ()


class _PageReader(_Reader):
    def parts(self) -> list[Any]:
        page = children(self.page.document.root, "Page")[0]
        return [element for element in page.iter() if local_name(element).endswith("Region")]

    def kind(self, element: Any) -> Kind | None:
        name = local_name(element)
        known: dict[str, Kind] = {"TextRegion": "text", "SeparatorRegion": "separator"}
        return "picture" if name in PICTURES else known.get(name)

    def region(self, element: Any, kind: Kind, lines: Sequence[LayoutLine]) -> Region:
        sort = local_name(element) if kind == "picture" else _label(element)
        rotation = _number(element.get("orientation"))
        return Region(kind, element.get("id", ""), sort, self.polygon(element), rotation, tuple(lines))

    def polygon(self, element: Any) -> np.ndarray | None:
        return next((self.points(each.get("points", "")) for each in children(element, "Coords")), None)

    def line(self, element: Any, line: PageLine) -> LayoutLine:
        words = [self.word(word) for word in children(element, "Word")]
        return LayoutLine(line, _label(element), self.confidence(element), self.agreeing(line, words))

    def confidence(self, element: Any) -> float:
        equiv = main_equiv(element)
        return UNKNOWN if equiv is None else _confidence(equiv.get("conf"))

    def word(self, element: Any) -> Word | None:
        placed = self.character(element)
        if placed is None:
            return None
        characters = [self.character(glyph) for glyph in children(element, "Glyph")]
        known = tuple(each for each in characters if each is not None)
        spelt = "".join(each.text for each in known) == placed.text and len(known) == len(characters)
        return Word(placed.text, placed.confidence, placed.polygon, known if spelt else ())

    def character(self, element: Any) -> Character | None:
        polygon, text = self.polygon(element), element_text(element).strip()
        return None if polygon is None or not text else Character(text, self.confidence(element), _tuples(polygon))


class _AltoReader(_Reader):
    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.tags = {
            tag.get("ID"): tag.get("LABEL", "")
            for tags in children(page.document.root, "Tags")
            for tag in tags
            if local_name(tag)
        }

    def parts(self) -> list[Any]:
        root = self.page.document.root
        names = ("TextBlock", "Illustration", "GraphicalElement", "ComposedBlock")
        return [element for element in root.iter() if local_name(element) in names]

    def kind(self, element: Any) -> Kind | None:
        known: dict[str, Kind] = {"TextBlock": "text", "Illustration": "picture", "GraphicalElement": "separator"}
        return known.get(local_name(element))

    def region(self, element: Any, kind: Kind, lines: Sequence[LayoutLine]) -> Region:
        sort = element.get("TYPE", "") if kind == "picture" else self.label(element)
        rotation = _number(element.get("ROTATION"))
        return Region(kind, element.get("ID", ""), sort, self.polygon(element), rotation, tuple(lines))

    def label(self, element: Any) -> str:
        return next((self.tags[tag] for tag in element.get("TAGREFS", "").split() if tag in self.tags), "")

    def polygon(self, element: Any) -> np.ndarray | None:
        for shape in children(element, "Shape"):
            for polygon in children(shape, "Polygon"):
                return self.points(polygon.get("POINTS", ""))
        sides = [_number(element.get(name)) for name in BOX]
        known = [side for side in sides if side is not None]
        return self.scaled(box_points(*known)) if len(known) == len(BOX) else None

    def line(self, element: Any, line: PageLine) -> LayoutLine:
        strings = children(element, "String")
        words = [self.word(string) for string in strings]
        texts = line_words(element)
        if words and words[-1] is not None and len(texts) == len(words):  # a hyphen of its own stands with its word
            last, ending = words[-1], line.text[len(" ".join(texts)) :]
            words[-1] = Word(last.text + ending, last.confidence, last.polygon, () if ending else last.characters)
        sure = {_confidence(string.get("WC")) for string in strings}
        confidence = sure.pop() if len(sure) == 1 else UNKNOWN
        return LayoutLine(line, self.label(element), confidence, self.agreeing(line, words))

    def word(self, string: Any) -> Word | None:
        polygon, text = self.polygon(string), string.get("CONTENT", "").strip()
        if polygon is None or not text:
            return None
        glyphs = [(glyph, self.polygon(glyph)) for glyph in children(string, "Glyph")]
        known = tuple(
            Character(glyph.get("CONTENT", ""), _confidence(glyph.get("GC")), _tuples(place))
            for glyph, place in glyphs
            if place is not None
        )
        spelt = "".join(each.text for each in known) == text and len(known) == len(glyphs)
        return Word(text, _confidence(string.get("WC")), _tuples(polygon), known if spelt else ())


def _label(element: Any) -> str:
    """Return what people called a region or a line of PAGE: @type, else the structure that @custom names."""
    found = STRUCTURE.search(element.get("custom", ""))
    return element.get("type", "") or (found[1].strip() if found else "")


def _number(words: str | None) -> float | None:
    try:
        value = float(words or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _confidence(words: str | None) -> float:
    value = _number(words)
    return value if value is not None and 0 <= value <= 1 else UNKNOWN


def _tuples(points: np.ndarray) -> tuple[tuple[float, float], ...]:
    return tuple((x, y) for x, y in points.tolist())
