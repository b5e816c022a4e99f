"""Reads and writes METS: the files of a work by groups, and the order of its pages.

What is unusual: a file that METS names is read only if it lies in the folder of the METS file.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # it has no stubs

from ..names import FolderNames, NameProblem, shown
from ..provenance import Provenance
from .page_files import PAGE_ROOTS, PageFile, root_name
from .scans import Scan
from .xml_files import XmlDocument, append_child, children, descendants

METS = "http://www.loc.gov/METS/"
XLINK = "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
PICTURE = "image/"  # how the MIME type of an image begins
GROUPS = {"picture": "IMAGES", "text": "TEXT"}  # of what is written
MIME_TYPES = {".xml": "application/xml", ".hocr": "text/vnd.hocr+html", ".tei.xml": "application/tei+xml"}


def is_mets(path: Path) -> bool:
    """Whether a file is METS."""
    return root_name(path) == "mets"


def pages_in_mets(path: Path, group: str | None = None) -> tuple[list[PageFile], list[str]]:
    """Return the PAGE and ALTO files of one of its groups, in the order of the pages, and what is not there.

    Args:
        path: the METS file.
        group: USE or ID of the group; None: the only one that has such files.

    Raises:
        ValueError: if there is no such group, or several have such files.
    """
    groups = _groups(path)
    if group is None:
        holding = [use for use, files in groups.items() if _has_pages(files)]
        if len(holding) != 1:
            several, none = "several groups have pages", "no group has pages (PAGE, ALTO)"
            raise ValueError(f"`--file-group`: in {path}, {_which(holding, groups, several, none)}")
        group = holding[0]
    files = _chosen(groups, group, path)
    pages = [PageFile(file.path, path.parent, file.name, is_named=True) for file in files if file.path is not None]
    return pages, _missing(path, files)


def scans_in_mets(path: Path, group: str | None = None) -> tuple[list[Scan], list[str]]:
    """Return the images of one of its groups, in the order of the pages, and what is not there.

    Raises:
        ValueError: as `pages_in_mets`.
    """
    groups = _groups(path)
    if group is None:
        holding = [use for use, files in groups.items() if all(file.mime.startswith(PICTURE) for file in files)]
        if len(holding) != 1:
            several, none = "several groups hold images", "no group holds images"
            raise ValueError(f"`--file-group`: in {path}, {_which(holding, groups, several, none)}")
        group = holding[0]
    files = _chosen(groups, group, path)
    return [Scan(file.path, path.parent, file.name) for file in files if file.path is not None], _missing(path, files)


@dataclass(frozen=True)
class MetsFile:
    """A file that METS names.

    Attributes:
        href: as it is named.
        mime: its MIME type; may be empty.
        path: where it is; None if it is not there, or not in the folder.
        name: below the folder of the METS file.
    """

    href: str
    mime: str
    path: Path | None
    name: str


def _groups(path: Path) -> dict[str, list[MetsFile]]:
    """Return the files of each group, in the order of the pages."""
    root = XmlDocument.read(path, path.name).root
    order = _order(root)
    names = FolderNames(path.parent)
    groups: dict[str, list[tuple[float, MetsFile]]] = {}
    for group in descendants(root, "fileGrp"):
        for file in children(group, "file"):
            href = next((place.get(HREF, "") for place in children(file, "FLocat")), "")
            mime = file.get("MIMETYPE") or mimetypes.guess_type(href)[0] or ""
            entry = _locate(href, mime, path.parent, names)
            groups.setdefault(_name(group), []).append((order.get(file.get("ID"), float("inf")), entry))
    return {use: [entry for _, entry in sorted(files, key=lambda each: each[0])] for use, files in groups.items()}


def _which(holding: Sequence[str], groups: Collection[str], several: str, none: str) -> str:
    """Say why no group could be chosen, and what to do."""
    if holding:
        return f"{several}: {', '.join(holding)}. Name one of them."
    return f"{none}. Groups are {', '.join(groups) or 'missing'}."


def _name(group: Any) -> str:
    """Return the name of a group of files: Transkribus writes it as its ID."""
    return group.get("USE") or group.get("ID", "")


def _order(root: Any) -> dict[str, int]:
    """Return the place of each file among the pages of the physical structure."""
    maps = [each for each in descendants(root, "structMap") if each.get("TYPE", "").upper() == "PHYSICAL"]
    divisions = [part for each in maps for part in descendants(each, "div") if children(part, "fptr")]
    if all((part.get("ORDER") or "").isdecimal() for part in divisions):
        divisions.sort(key=lambda part: int(part.get("ORDER")))
    return {pointer.get("FILEID"): n for n, part in enumerate(divisions) for pointer in children(part, "fptr")}


def _locate(href: str, mime: str, folder: Path, names: FolderNames) -> MetsFile:
    try:
        address = urlsplit(href)
        local = unquote(address.path) if address.scheme == "file" else href if not address.scheme else ""
        found = names.find(folder, local) if local else None
    except (NameProblem, ValueError):  # outside of the folder, or no name of a file
        found = None
    name = href if found is None else found.resolve().relative_to(folder.resolve()).as_posix()
    return MetsFile(href, mime, found, name)


def _has_pages(files: Sequence[MetsFile]) -> bool:
    return any(root_name(file.path) in PAGE_ROOTS for file in files if file.path is not None)


def _chosen(groups: dict[str, list[MetsFile]], group: str, path: Path) -> list[MetsFile]:
    if group not in groups:
        known = ", ".join(groups) or "none"
        raise ValueError(f"`--file-group`: {path} has no group {group!r}. Its groups are {known}.")
    return groups[group]


def _missing(path: Path, files: Sequence[MetsFile]) -> list[str]:
    return [
        f"{path.name}: {shown(file.href)} is not in the folder of the METS file. Download it there."
        for file in files
        if file.path is None
    ]


def write_mets(pages: Sequence[tuple[str, str | None]], made: Provenance) -> bytes:
    """Return a METS file of pages in their order.

    Args:
        pages: of each, where its text is and where its image is, relative to the METS file; None: unknown.
        made: what made the texts.
    """
    root = etree.Element(f"{{{METS}}}mets", nsmap={"mets": METS, "xlink": XLINK})
    header = append_child(root, "metsHdr", CREATEDATE=made.date)
    agent = append_child(header, "agent", ROLE="CREATOR", TYPE="OTHER", OTHERTYPE="SOFTWARE")
    append_child(agent, "name").text = made.software
    append_child(agent, "note").text = str(made)
    section = append_child(root, "fileSec")
    groups = {kind: [page[place] for page in pages] for place, kind in ((1, "picture"), (0, "text"))}
    for kind, hrefs in groups.items():
        if any(href is not None for href in hrefs):
            group = append_child(section, "fileGrp", USE=GROUPS[kind])
            for number, href in enumerate(hrefs, 1):
                if href is not None:
                    _add_file(group, f"{kind}_{number:04}", href)
    sequence = append_child(append_child(root, "structMap", TYPE="PHYSICAL"), "div", TYPE="physSequence")
    for number, (text, picture) in enumerate(pages, 1):
        division = append_child(sequence, "div", TYPE="page", ORDER=str(number), ID=f"page_{number:04}")
        for kind, href in (("picture", picture), ("text", text)):
            if href is not None:
                append_child(division, "fptr", FILEID=f"{kind}_{number:04}")
    etree.indent(root)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True) + b"\n"


def _add_file(group: Any, name: str, href: str) -> None:
    known = next((mime for suffix, mime in reversed(MIME_TYPES.items()) if href.endswith(suffix)), None)
    mime = known or mimetypes.guess_type(href)[0] or "application/octet-stream"
    place = append_child(
        append_child(group, "file", ID=name, MIMETYPE=mime), "FLocat", LOCTYPE="OTHER", OTHERLOCTYPE="FILE"
    )
    place.set(HREF, quote(href))
