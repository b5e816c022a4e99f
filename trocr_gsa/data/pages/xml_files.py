"""Reads untrusted XML files without following references, and writes them back with as few changes as possible.

What is unusual:
- a file whose tree did not change is written back byte by byte;
- for a changed tree, the parts that lxml does not keep (text before and after the root, byte order mark, line endings)
  are stored separately;
- elements are found by name in any namespace, because programs use their own namespaces, old ones, or none.
"""

from __future__ import annotations

import codecs
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # it has no stubs

from ..names import shown
from ..textfiles import IS_POINTER, POINTER

MAX_BYTES = 100_000_000
MAX_PARTS = 1_500_000  # tags and attributes, which need 0.8 GB; a newspaper with a shape for every letter has 600,000
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
XHTML = "http://www.w3.org/1999/xhtml"
XHTML_DOCTYPE = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">'
)
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
BEFORE_ROOT = re.compile(r"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


class PageError(ValueError):
    """A page that cannot be used; the message names it and says what to do."""


@dataclass(frozen=True, eq=False)
class XmlDocument:
    r"""The tree of a file, with the data for writing it back.

    Args:
        content: content of the file.
        root: lxml's root element.
        mark: byte order mark, or empty.
        codec: Python's name of the encoding.
        head: text before the root: the declaration, comments, white space.
        tail: text after the root.
        line_end: "\n" or "\r\n".
    """

    content: bytes
    root: Any
    mark: bytes
    codec: str
    head: str
    tail: str
    line_end: str

    @classmethod
    def read(cls, path: Path, name: str) -> XmlDocument:
        """Read a file without expanding entities or loading other files.

        Raises:
            PageError: if it is missing, not XML, too large, or has a document type.
        """
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise PageError(f"{name}: is not a regular file. Check the path.")
            if found.st_size > MAX_BYTES:
                raise PageError(f"{name}: more than {MAX_BYTES:,} bytes. Split it into pages.")
            content = path.read_bytes()
        except OSError as error:
            raise PageError(f"{name}: cannot be read ({error.strerror}). Check the path.") from error
        return cls.parse(content, name)

    @classmethod
    def parse(cls, content: bytes, name: str) -> XmlDocument:
        """Parse the content of a file.

        Raises:
            PageError: as `read`.
        """
        if content.startswith(POINTER.encode()):
            raise PageError(f"{name}: {IS_POINTER}")
        parts = content.count(b"<") + content.count(b"=")
        if parts > MAX_PARTS:
            raise PageError(f"{name}: about {parts:,} tags and attributes, over {MAX_PARTS:,}. Split it into pages.")
        try:
            tree = _tree(content)
            declared = tree.docinfo.encoding or "utf-8"
            mark, codec = next(((m, c) for m, c in MARKS if content.startswith(m)), (b"", codecs.lookup(declared).name))
            if codec == "utf-16":  # without a mark, the first byte of the declaration shows the byte order
                codec = "utf-16-be" if content.startswith(b"\0") else "utf-16-le"
            text = content[len(mark) :].decode(codec)
        except etree.XMLSyntaxError as error:
            raise PageError(f"{name}: {_what_is_wrong(error)}") from error
        except (LookupError, UnicodeError) as error:
            what = shown(str(error))
            raise PageError(f"{name}: is not in the encoding that it declares ({what}). Save it as UTF-8.") from error
        if tree.docinfo.doctype or tree.docinfo.internalDTD is not None:
            raise PageError(f"{name}: has a document type (<!DOCTYPE …>), which a page does not need. Remove it.")
        found = BEFORE_ROOT.match(text)
        head, tail = found.group() if found else "", _after_root(tree, text)
        return cls(content, tree.getroot(), mark, codec, head, tail, "\r\n" if "\r\n" in text else "\n")

    def to_bytes(self, sign: Callable[[], None] | None = None) -> bytes:
        """Return the original bytes if the tree did not change, else the new file in its original encoding.

        Characters that this encoding does not have become character references.

        Args:
            sign: called if the tree changed, to add metadata to it.
        """
        body = etree.tostring(self.root, encoding="unicode", with_tail=False)
        if body == etree.tostring(_tree(self.content).getroot(), encoding="unicode", with_tail=False):
            return self.content
        if sign is not None:
            sign()
            body = etree.tostring(self.root, encoding="unicode", with_tail=False)
        if self.line_end != "\n":
            body = body.replace("\n", self.line_end)
        return self.mark + (self.head + body + self.tail).encode(self.codec, errors="xmlcharrefreplace")


def root_name(path: Path) -> str | None:
    """Return the name of a file's root element without its namespace; None if it is not XML, or too large."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        with path.open("rb") as stream:
            for _, element in etree.iterparse(stream, events=("start",), **SAFE):
                return etree.QName(element).localname
    except (etree.XMLSyntaxError, OSError, ValueError):
        pass
    return None


def namespace_of(element: Any) -> str:
    """Return an element's namespace; empty if it has none."""
    return etree.QName(element).namespace or ""


def children(element: Any, name: str) -> list[Any]:
    """Return an element's children with this name."""
    return list(element.iterchildren(f"{{*}}{name}"))


def descendants(element: Any, name: str) -> list[Any]:
    """Return the elements with this name in an element, at any depth, including the element itself."""
    return list(element.iter(f"{{*}}{name}"))


def local_name(element: Any) -> str:
    """Return an element's name without its namespace; empty for comments and processing instructions."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def add_child(parent: Any, name: str, before: frozenset[str] = frozenset()) -> Any:
    """Add a child before the first of the named siblings, with the same indentation."""
    place = next((i for i, child in enumerate(parent) if local_name(child) in before), len(parent))
    added = parent.makeelement(f"{{{namespace_of(parent)}}}{name}")
    if place:
        added.tail, parent[place - 1].tail = parent[place - 1].tail, parent.text
    else:
        added.tail = parent.text
    parent.insert(place, added)
    return added


def append_child(parent: Any, tag: str, **attributes: str) -> Any:
    """Add a child after all others, in constant time."""
    child = etree.SubElement(parent, f"{{{namespace_of(parent)}}}{tag}")
    child.attrib.update(attributes)
    return child


def new_html() -> Any:
    """Return the root of an empty XHTML document."""
    return etree.Element(f"{{{XHTML}}}html", nsmap={None: XHTML})


def html_bytes(root: Any) -> bytes:
    """Return an XHTML document as bytes."""
    return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True, doctype=XHTML_DOCTYPE)


def without_controls(text: str) -> str:
    """Return a text without the characters that XML does not allow."""
    return NOT_IN_XML.sub("", text)


def remove(element: Any) -> None:
    """Remove an element and its indentation."""
    parent, previous = element.getparent(), element.getprevious()
    if element.getnext() is None:
        if previous is not None:
            previous.tail = element.tail
        else:
            parent.text = None
    parent.remove(element)


def _tree(content: bytes) -> Any:
    return etree.fromstring(content, etree.XMLParser(**SAFE)).getroottree()


def _after_root(tree: Any, text: str) -> str:
    """Return the text after the root: white space and comments."""
    after = "".join(f"\n{_as_written(node)}" for node in tree.getroot().itersiblings())
    return after + text[len(text.rstrip()) :]


def _as_written(node: Any) -> str:
    """Return a comment or a processing instruction; lxml's own function goes through all siblings each time."""
    if node.tag is etree.Comment:
        return f"<!--{node.text}-->"
    return f"<?{node.target} {node.text}?>" if node.text else f"<?{node.target}?>"


def _what_is_wrong(error: Exception) -> str:
    message = str(error)
    if re.search(r"HUGE|[Ee]xcessive depth|too (long|large)|amplification", message):
        return "is nested too deep or has too much text for a page. Split it into pages."
    return f"is not well-formed XML ({shown(message)}). Export it again."
