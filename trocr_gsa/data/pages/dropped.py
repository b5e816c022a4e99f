"""Counts what a PAGE or ALTO file says that a file of the other kind has no place for, apart from regions.

What is unusual: the label of a region or line, its reading order and its rotation are converted, so that only the rest
of @custom and of TAGREFS counts. See `layout.py` for regions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..names import shown
from .page import Page
from .page_xml import ENTRY
from .xml_files import children, local_name

MAX_NAMED = 12  # different things named in a message
CONVERTED_TAGS = ("readingOrder", "structure")
PAGE_ELEMENTS = frozenset({"TextStyle", "UserDefined", "Labels", "Relations", "Layers", "AlternativeImage"})
PAGE_ATTRIBUTES = (
    "language", "primaryLanguage", "secondaryLanguage", "script", "primaryScript", "secondaryScript", "production",
    "readingDirection",
)  # fmt: skip
ALTO_ELEMENTS = frozenset({"ALTERNATIVE"})
ALTO_ATTRIBUTES = ("LANG", "STYLE", "STYLEREFS", "SUBS_CONTENT")
LABELLED = ("TextBlock", "TextLine")  # elements of ALTO whose first tag is converted


def dropped_from(page: Page) -> list[str]:
    """Return what is dropped, with its number, as "2 TextStyle"."""
    find = _of_page if page.kind == "PAGE" else _of_alto
    elements = (element for element in page.document.root.iter() if isinstance(element.tag, str))
    counts = Counter(name for element in elements for name in find(element))
    named = [f"{count} {name}" for name, count in sorted(counts.most_common(MAX_NAMED))]
    others = counts.total() - sum(count for _, count in counts.most_common(MAX_NAMED))
    return [*named, f"{others} others"] if others else named


def _of_page(element: Any) -> Iterator[str]:
    for entry in ENTRY.findall(element.get("custom", "")):  # as `person {offset:3; length:5;}`
        tag, brace, _ = entry.partition("{")
        if brace and tag.strip() not in CONVERTED_TAGS:
            yield f"{shown(tag.strip())} in custom"
    yield from ("further TextEquiv" for _ in children(element, "TextEquiv")[1:])
    yield from (name for name in PAGE_ATTRIBUTES if element.get(name))
    if local_name(element) in PAGE_ELEMENTS and local_name(element.getparent()) != "MetadataItem":
        yield local_name(element)


def _of_alto(element: Any) -> Iterator[str]:
    kept = 1 if local_name(element) in LABELLED else 0
    yield from ("TAGREFS" for _ in element.get("TAGREFS", "").split()[kept:])
    yield from (name for name in ALTO_ATTRIBUTES if element.get(name))
    if local_name(element) in ALTO_ELEMENTS:
        yield local_name(element)
