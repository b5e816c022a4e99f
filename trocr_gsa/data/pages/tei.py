"""A page as TEI P5: a facsimile with a zone for every line and word, and a text with a break for every page and line.

What is unusual: several pages become one document by joining their documents, so that a run that was stopped goes on.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import quote, unquote

import numpy as np
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # it has no stubs

from ..line import Line
from ..names import writable
from ..numbers import significant
from ..provenance import SOFTWARE, Provenance
from .page import Page, PageLine, format_points
from .xml_files import append_child, children

NAMESPACE = "http://www.tei-c.org/ns/1.0"
ID = "{http://www.w3.org/XML/1998/namespace}id"
PAGE = "page_1"  # how ids of a page begin; joined documents count on
VERSION = re.compile(r"\d+[a-z]*\d*(\.\d+[a-z]*\d*){0,3}")  # as TEI wants versions
NOT_IN_ADDRESS = ' %#?:"<>[]^`{|}\\'  # signs with a meaning in an address, or not allowed there
UNPUBLISHED = "Recognised text, not published."


def write_tei(page: Page, lines_read: Sequence[Line | None], made: Provenance | None = None) -> bytes:
    """Return a TEI document of one page, with the lines that were read in the order of `page.lines`.

    Args:
        page: with points in pixels of its image.
        lines_read: its readings; where their words are known, these are marked up.
        made: what read it, for the header.
    """
    root = etree.Element(f"{{{NAMESPACE}}}TEI", nsmap={None: NAMESPACE})
    _add_header(root, page, made)
    width, height = page.size or (0, 0)
    corners = {"ulx": "0", "uly": "0", "lrx": f"{width:g}", "lry": f"{height:g}"}
    surface = append_child(append_child(root, "facsimile"), "surface", **{ID: PAGE}, **corners)
    append_child(surface, "graphic", url=_address(page), width=f"{width:g}px", height=f"{height:g}px")
    division = append_child(append_child(append_child(root, "text"), "body"), "div")
    append_child(division, "pb", facs=f"#{PAGE}")
    pairs = [(line, read) for line, read in zip(page.lines, lines_read, strict=True) if read is not None]
    numbered = enumerate(pairs, 1)
    for place, (_, group) in enumerate(groupby(numbered, key=lambda item: item[1][0].region), 1):
        block = append_child(division, "ab", n=str(place))
        for number, (line, read) in group:
            _add_line(surface, block, number, line, read)
    return _as_file(root)


def _address(page: Page) -> str:
    """Return the address of a page's image, in which the signs of a file name are not taken for those of an address."""
    image = page.image.replace("\\", "/")
    if "://" in image:  # it is an address
        return writable(image).replace(" ", "%20")
    plain = unquote(image)
    if page.picture is not None and page.picture.path.name == PurePosixPath(plain).name:  # it was escaped in the file
        image = plain
    return "".join(quote(letter) if letter in NOT_IN_ADDRESS else letter for letter in writable(image))


def join_tei(parts: Iterable[Path], stream: IO[bytes]) -> None:
    """Write one document of several that `write_tei` returned, in the order given."""
    whole: Any = None
    for number, part in enumerate(parts, 1):
        root = etree.fromstring(part.read_bytes())
        for element in root.iter():
            for name in (ID, "facs"):
                if value := element.get(name):
                    element.set(name, value.replace(PAGE, f"page_{number}", 1))
        if whole is None:
            whole = root
            continue
        for path in ("{*}facsimile", "{*}text/{*}body", "{*}teiHeader/{*}fileDesc/{*}sourceDesc"):
            whole.find(path).extend(root.find(path))
        _join_applications(whole, root)
    stream.write(b"" if whole is None else _as_file(whole))


def _join_applications(whole: Any, root: Any) -> None:
    """Name what made a page in the header of the whole, once."""
    path = "{*}teiHeader/{*}encodingDesc/{*}appInfo"
    said, new = whole.find(path), root.find(path)
    if said is None or new is None:
        return
    known = {etree.tostring(each) for each in said}
    said.extend(copy.deepcopy(each) for each in new if etree.tostring(each) not in known)


def _add_header(root: Any, page: Page, made: Provenance | None) -> None:
    header = append_child(root, "teiHeader")
    file = append_child(header, "fileDesc")
    append_child(append_child(file, "titleStmt"), "title").text = writable(page.name)
    append_child(append_child(file, "publicationStmt"), "p").text = UNPUBLISHED
    append_child(append_child(file, "sourceDesc"), "p").text = writable(page.image or page.name)
    if made is None:
        return
    version = made.version if VERSION.fullmatch(made.version) else "0"
    applications = append_child(append_child(header, "encodingDesc"), "appInfo")
    application = append_child(applications, "application", ident=SOFTWARE, version=version, when=made.date)
    append_child(application, "label").text = SOFTWARE
    append_child(application, "desc").text = writable(str(made))


def _add_line(surface: Any, block: Any, number: int, line: PageLine, read: Line) -> None:
    """Add a line's zone to the surface, and its break and text to its block."""
    name = f"{PAGE}_line_{number}"
    sure = significant(read.confidence) if math.isfinite(read.confidence) else "unknown"
    zone = append_child(surface, "zone", **{ID: name, "type": "line", "cert": sure})
    zone.set("points", format_points(line.polygon if line.polygon is not None else np.zeros((3, 2))))
    if turned := round(-read.orientation) % 360:  # clockwise, as TEI counts it
        zone.set("rotate", str(turned))
    ending = append_child(block, "lb", n=str(number), facs=f"#{name}")
    if not read.words:
        ending.tail = read.text
        return
    for place, word in enumerate(read.words, 1):
        of_word = f"{name}_word_{place}"
        inner = append_child(
            zone, "zone", **{ID: of_word, "type": "word", "points": format_points(np.array(word.polygon))}
        )
        for character in word.characters:
            append_child(
                inner, "zone", type="character", n=character.text, points=format_points(np.array(character.polygon))
            )
        marked = append_child(block, "w", facs=f"#{of_word}", cert=significant(word.confidence))
        marked.text = word.text
        marked.tail = " " if place < len(read.words) else None


def _as_file(root: Any) -> bytes:
    for block in root.iter(f"{{{NAMESPACE}}}ab"):
        for ending in children(block, "lb"):  # each line of the text on a line of the file
            before = ending.getprevious()
            if before is None:
                block.text = "\n"
            elif not (before.tail or "").endswith("\n"):
                before.tail = f"{before.tail or ''}\n"
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)
