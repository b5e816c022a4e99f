"""PAGE files as ALTO, and ALTO files as PAGE.

What is unusual: both are written anew, of what both know: regions, lines and words with their polygons, labels, texts
and confidences, baselines and the reading order. What only one of them knows is named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # it has no stubs

from ..names import writable
from ..numbers import significant
from ..provenance import SOFTWARE, current_date, own_version
from .alto import measurement_unit
from .dropped import dropped_from
from .layout import PICTURES, LayoutLine, Region, layout_of
from .page import Page, format_points
from .page_files import PAGE_ROOTS, PageFile, named_errors
from .written_words import NewIds, set_alto_words, set_page_words
from .xml_files import PageError, XmlDocument, append_child, local_name

if TYPE_CHECKING:
    from ..formats import OutputFormat
    from ..line import Line
    from ..provenance import Provenance

ALTO = "http://www.loc.gov/standards/alto/ns-v4#"
ALTO_SCHEMA = "http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"
PAGE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
AS_IT_IS = (1.0, 1.0)
STEP = "format-conversion"
TEXT_TYPES = frozenset({
    "paragraph", "heading", "caption", "header", "footer", "page-number", "drop-capital", "credit", "floating",
    "signature-mark", "catch-word", "marginalia", "footnote", "footnote-continued", "endnote", "TOC-entry",
    "list-label", "other",
})  # fmt: skip
ALTO_PICTURES = {"picture": "Illustration", "separator": "GraphicalElement"}


def convert_page(page: Page, kind: str, date: str | None = None) -> tuple[bytes, list[str]]:
    """Return a page as a file of the other kind, and what of it that file has no place for.

    Args:
        page: as it was read, of known size, in pixels.
        kind: "PAGE" or "ALTO"; of a page that is of that kind already, its bytes are returned.
        date: of the conversion; None: now.

    Raises:
        PageError: if the page's size is not known.
    """
    if page.kind == kind:
        return page.document.content, []
    if page.size is None:
        raise PageError(f"{page.name}: does not say how large the page is. Put its image beside it.")
    regions, dropped = layout_of(page)
    date = date or current_date()
    root = _alto(page, regions, date) if kind == "ALTO" else _page_xml(page, regions, date)
    etree.indent(root)
    content = etree.tostring(root, encoding="UTF-8", xml_declaration=True) + b"\n"
    return content, [*dropped, *dropped_from(page)]


def converted(page: Page, kind: str, date: str | None = None) -> tuple[Page, list[int], list[str]]:
    """Return a page as one of the other kind, to be filled in.

    Args:
        page: in pixels of its image.
        kind: "PAGE" or "ALTO", not its own.
        date: of the conversion; None: now.

    Returns: the page; the place of each of its lines among the lines of the first; and what the other kind has no
        place for.
    """
    content, dropped = convert_page(page, kind, date)
    document = XmlDocument.parse(content, page.name)
    other = PAGE_ROOTS[local_name(document.root)](document, page.name)
    places = {id(line): place for place, line in enumerate(page.lines)}
    regions, _ = layout_of(page)
    order = [places[id(each.line)] for region in regions for each in region.lines]
    return replace(other, picture=page.picture), order, dropped


def filled_in(
    page: Page, lines: Sequence[Line | None], format: OutputFormat, made: Provenance | None = None
) -> tuple[bytes, list[str]]:
    """Return a page's file in a format, and notes about what this format has no place for.

    Args:
        page: in pixels of its image.
        lines: the reading of each of its lines, or None.
        format: PAGE and ALTO files are filled in; a page of the other kind is converted first.
        made: provenance of the texts; None: do not write it.

    Raises:
        PageError: if the page cannot be written.
    """
    notes: list[str] = []
    with named_errors(page.name):
        if format.kind is not None and format.kind != page.kind:
            # with the date of the reading: nothing was changed before it was created
            page, order, dropped = converted(page, format.kind, None if made is None else made.date)
            lines = [lines[place] for place in order]
            notes = [f"{page.name}: {format.kind} has no place for {', '.join(dropped)}."] if dropped else []
        return format.write_page(page, lines, made), notes


def in_pixels(file: PageFile) -> Page | None:
    """Return a page in pixels, None if the file is no page; its image is looked for only if its size decides.

    Raises:
        PageError: if the file, or an image that is needed, cannot be used.
    """
    page = file.read()
    if page is None:
        return None
    if page.size is not None and measurement_unit(page.document.root) == "pixel":
        return page
    opened = file.open()
    return None if opened is None else opened[0]


def _alto(page: Page, regions: Sequence[Region], date: str) -> Any:
    root = etree.Element(f"{{{ALTO}}}alto", nsmap={None: ALTO, "xsi": XSI})
    root.set(f"{{{XSI}}}schemaLocation", f"{ALTO} {ALTO_SCHEMA}")
    description = append_child(root, "Description")
    append_child(description, "MeasurementUnit").text = "pixel"
    append_child(append_child(description, "sourceImageInformation"), "fileName").text = writable(page.image)
    processing = append_child(description, "Processing", ID="conversion")
    append_child(processing, "processingCategory").text = "contentModification"
    append_child(processing, "processingDateTime").text = date
    append_child(processing, "processingStepDescription").text = f"{STEP} from PAGE"
    software = append_child(processing, "processingSoftware")
    append_child(software, "softwareName").text = SOFTWARE
    append_child(software, "softwareVersion").text = own_version()
    labels = _add_tags(root, regions)
    ids = NewIds(root)
    width, height = (str(math.ceil(side)) for side in page.size or (0, 0))
    sheet = append_child(
        append_child(root, "Layout"), "Page", ID=ids.new("page"), PHYSICAL_IMG_NR="1", WIDTH=width, HEIGHT=height
    )
    space = append_child(sheet, "PrintSpace", HPOS="0", VPOS="0", WIDTH=width, HEIGHT=height)
    for region in regions:
        block = append_child(space, ALTO_PICTURES.get(region.kind, "TextBlock"), ID=ids.new(region.name or "block"))
        if region.kind == "text" and region.sort:
            block.set("TAGREFS", labels["region", region.sort])
        if region.kind == "picture" and region.sort:
            block.set("TYPE", region.sort)
        _set_place(block, region.polygon)
        if region.rotation:
            block.set("ROTATION", f"{region.rotation % 360:g}")
        for each in region.lines:
            _add_alto_line(block, each, ids, labels)
    return root


def _add_tags(root: Any, regions: Sequence[Region]) -> dict[tuple[str, str], str]:
    """Add a tag for each label; return the ids of the tags by what they are of, and the label."""
    named = [("region", region.sort) for region in regions if region.kind == "text" and region.sort]
    named += [("line", each.label) for region in regions for each in region.lines if each.label]
    ids = {key: f"tag_{number}" for number, key in enumerate(dict.fromkeys(named), 1)}
    if ids:
        tags = append_child(root, "Tags")
        for (of, label), name in ids.items():
            append_child(tags, "OtherTag", ID=name, TYPE=of, LABEL=writable(label))
    return ids


def _add_alto_line(block: Any, each: LayoutLine, ids: NewIds, labels: dict[tuple[str, str], str]) -> None:
    line = append_child(block, "TextLine", ID=ids.new(each.line.id or "line"))
    if each.label:
        line.set("TAGREFS", labels["line", each.label])
    if each.line.baseline is not None and len(each.line.baseline):
        line.set("BASELINE", format_points(each.line.baseline))
    _set_place(line, each.line.polygon)
    if each.words:
        set_alto_words(line, each.words, AS_IT_IS)
        return
    string = append_child(line, "String", CONTENT=each.line.text)
    _set_box(string, each.line.polygon)
    if math.isfinite(each.confidence):
        string.set("WC", significant(each.confidence))


def _set_place(element: Any, polygon: np.ndarray | None) -> None:
    """Say where something is: its box, and its polygon if it has any."""
    _set_box(element, polygon)
    if polygon is not None and len(polygon) >= 3:
        append_child(append_child(element, "Shape"), "Polygon", POINTS=format_points(polygon))


def _set_box(element: Any, polygon: np.ndarray | None) -> None:
    if polygon is not None and len(polygon):
        (left, top), (right, bottom) = np.floor(polygon.min(axis=0)), np.ceil(polygon.max(axis=0))
        for name, value in (("HPOS", left), ("VPOS", top), ("WIDTH", right - left), ("HEIGHT", bottom - top)):
            element.set(name, f"{value:.0f}")


def _page_xml(page: Page, regions: Sequence[Region], date: str) -> Any:
    root = etree.Element(f"{{{PAGE}}}PcGts", nsmap={None: PAGE, "xsi": XSI})
    root.set(f"{{{XSI}}}schemaLocation", f"{PAGE} {PAGE}/pagecontent.xsd")
    metadata = append_child(root, "Metadata")
    software = f"{SOFTWARE} {own_version()}"
    for name, text in (("Creator", software), ("Created", date), ("LastChange", date)):
        append_child(metadata, name).text = text
    append_child(metadata, "MetadataItem", type="processingStep", name=STEP, value=f"{software}, from ALTO", date=date)
    width, height = (str(math.ceil(side)) for side in page.size or (0, 0))
    sheet = append_child(root, "Page", imageFilename=writable(page.image), imageWidth=width, imageHeight=height)
    ids = NewIds(root)
    names = [ids.new(region.name or "region") for region in regions]
    if regions:
        order = append_child(append_child(sheet, "ReadingOrder"), "OrderedGroup", id=ids.new("reading_order"))
        for place, name in enumerate(names):
            append_child(order, "RegionRefIndexed", index=str(place), regionRef=name)
    for region, name in zip(regions, names, strict=True):
        _add_page_region(sheet, region, name, ids)
    return root


def _add_page_region(sheet: Any, region: Region, name: str, ids: NewIds) -> None:
    tag = {"text": "TextRegion", "separator": "SeparatorRegion"}.get(region.kind, "ImageRegion")
    element = append_child(sheet, region.sort if region.sort in PICTURES else tag, id=name)
    if region.rotation and region.kind == "text":
        element.set("orientation", f"{180 - (180 - region.rotation) % 360:g}")
    if region.kind == "text":
        _set_label(element, region.sort, TEXT_TYPES)
    append_child(element, "Coords", points=format_points(_outline(region)))
    texts = []
    for each in region.lines:
        line = append_child(element, "TextLine", id=ids.new(each.line.id or "line"))
        _set_label(line, each.label, frozenset())
        append_child(line, "Coords", points=format_points(_corners(each.line.polygon)))
        if each.line.baseline is not None and len(each.line.baseline) > 1:
            append_child(line, "Baseline", points=format_points(each.line.baseline))
        set_page_words(line, each.words, AS_IT_IS, ids)
        equiv = append_child(line, "TextEquiv")
        if math.isfinite(each.confidence):
            equiv.set("conf", significant(each.confidence))
        append_child(equiv, "Unicode").text = each.line.text
        texts.append(each.line.text)
    if region.lines:
        append_child(append_child(element, "TextEquiv"), "Unicode").text = "\n".join(texts)


def _set_label(element: Any, label: str, types: frozenset[str]) -> None:
    """Say what people called something: as the schema's type, if it is one, and as platforms read it."""
    if label in types:
        element.set("type", label)
    elif label:
        element.set("custom", f"structure {{type:{writable(label)};}}")


def _outline(region: Region) -> np.ndarray:
    """Return a region's polygon, or else a box around its lines, as PAGE wants one."""
    known = [each.line.polygon for each in region.lines if each.line.polygon is not None]
    if (region.polygon is None or not len(region.polygon)) and known:
        points = np.concatenate(known)
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return _corners(region.polygon)


def _corners(polygon: np.ndarray | None) -> np.ndarray:
    """Return a polygon of as many points as PAGE wants; one that is nowhere lies in the corner."""
    return np.zeros((3, 2)) if polygon is None or len(polygon) < 2 else polygon
