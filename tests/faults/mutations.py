"""Reproducible damage to files: to bytes, to numbers and values, and to the structure of XML."""

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

from lxml import etree

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
VALUE = re.compile(rb'="[^"]*"')
NUMBERS = [b"0", b"-1", b"1", b"3", b"65536", b"1000000", b"999999999", b"2147483648", b"-2147483649", b"1e309", b"nan",
           b"0.0000001", b"9" * 400, b"9" * 5000, b""]  # fmt: skip
VALUES = ["", " ", "0", "-1", "nan", "inf", "1e309", "9" * 5000, "0,0", "0,0 1e6,1e6 0,1e6", "a" * 3000, "x y",
          "10,20 30", "0,0 400,0 400,300 0,300", "-5,-5 500,-5 500,400 -5,400", "../../etc/passwd", "/etc/passwd", "..",
          "http://[x/0001.png", "//\u2100.com/x.png", "file:%00", "file:///etc/passwd", "%2e%2e/%2e%2e/x", "0001.PNG",
          "a/" * 300, "\u200b\ufeff\ufffd", "\u05d0\u05d1", "readingOrder {index:" + "9" * 5000 + ";}", "{" * 500,
          "person {offset:1; length:2;}", "\n\t", "&#38;"]  # fmt: skip
ENCODINGS = ["utf-16", "utf-16-le", "latin-1", "utf-8-sig", "cp1252", "utf-32", "utf-7"]
DECLARED = [b"UTF-16", b"ISO-8859-1", b"cp1252", b"ascii", b"no-such-code", b"rot13", b"idna", b"hex", b"utf-7", b""]
TAGS = ["TextLine", "TextRegion", "TextBlock", "String", "SP", "HYP", "Glyph", "Word", "TextEquiv", "Unicode", "Coords",
        "Baseline", "Shape", "Polygon", "Page", "PcGts", "alto", "mets", "ReadingOrder", "x"]  # fmt: skip
HEADS = [b"<!DOCTYPE x>", b'<!DOCTYPE x [<!ENTITY e "eee">]>', b"<!-- c -->", b"<?p i?>", b"\0", b"\xff\xfe", b" " * 99]


def mutated(content: bytes, random: Random, is_xml: bool) -> bytes:
    """Return the content of a file with one to four mutations."""
    kinds = [*BYTES, *XML] if is_xml else BYTES
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        content = random.choice(kinds)(content, random) or content
    return content


def put(path: Path, content: bytes) -> None:
    """Replace a file by a new one.

    Writing into a file that is still memory-mapped, even by a reader that is about to be deleted, kills this process
    (SIGBUS).
    """
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def flipped(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 3, 20))):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def cut(content: bytes, random: Random) -> bytes:
    start, end = places(content, random)
    return content[:start] + content[end:]


def ended(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content))]


def repeated(content: bytes, random: Random) -> bytes:
    start, end = places(content, random)
    return content[:end] + content[start:end] * random.choice((1, 2, 50)) + content[end:]


def exchanged(content: bytes, random: Random) -> bytes:
    (a, b), (c, d) = sorted([places(content, random), places(content, random)])
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:] if b <= c else content


def another_number(content: bytes, random: Random) -> bytes:
    found = list(NUMBER.finditer(content))
    if not found:
        return content
    one = random.choice(found)
    return content[: one.start()] + random.choice(NUMBERS) + content[one.end() :]


def places(content: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(content))
    return start, min(len(content), start + random.choice((1, 4, 30, 300)))


def another_value(content: bytes, random: Random) -> bytes:
    found = list(VALUE.finditer(content))
    if not found:
        return content
    one = random.choice(found)
    value = random.choice(VALUES).replace('"', "").replace("<", "").encode()
    return content[: one.start()] + b'="' + value + b'"' + content[one.end() :]


def another_encoding(content: bytes, random: Random) -> bytes:
    text = content.decode("utf-8", errors="replace")
    if random.random() < 0.5:
        encoding = random.choice(ENCODINGS)
        return text.replace("UTF-8", encoding).encode(encoding, errors="replace")
    return content.replace(b"UTF-8", random.choice(DECLARED), 1)


def another_head(content: bytes, random: Random) -> bytes:
    head, end, body = content.partition(b"?>")
    return head + end + random.choice(HEADS) + body


def another_structure(content: bytes, random: Random) -> bytes:
    """Move, copy, nest, rename or drop elements; return b"" if the content is not valid XML any more."""
    try:
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    except (etree.XMLSyntaxError, ValueError):
        return b""
    elements = [element for element in root.iter() if isinstance(element.tag, str) and element is not root]
    if not elements:
        return b""
    one, other = random.choice(elements), random.choice(elements)
    random.choice(STRUCTURE)(one, other, random)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _dropped(one, other, random):
    one.getparent().remove(one)


def _copied(one, other, random):
    copy = etree.tostring(one, with_tail=False)  # only once: `other` can be inside of `one`
    for _ in range(random.choice((1, 1, 3, 200))):
        other.append(etree.fromstring(copy))


def _moved(one, other, random):
    if one not in list(other.iterancestors()) and one is not other:
        other.append(one)


def _renamed(one, other, random):
    name = random.choice(TAGS)
    one.tag = random.choice([name, one.tag.partition("}")[2] or one.tag, f"{{urn:other}}{name}"])


def _nested(one, other, random):
    for _ in range(random.choice((2, 100, 300))):
        one = etree.SubElement(one, one.tag, dict(one.attrib))


def _without(one, other, random):
    for name in random.sample(sorted(one.attrib), random.randint(0, len(one.attrib))):
        del one.attrib[name]


def _set(one, other, random):
    if one.attrib:
        one.set(random.choice(sorted(one.attrib)), random.choice(VALUES))
    one.text = random.choice([one.text, "", "a\u200bb", "\u05d0", "x" * 2000])


STRUCTURE: list[Callable] = [_dropped, _copied, _moved, _renamed, _nested, _without, _set, _set]
BYTES = [flipped, cut, ended, repeated, exchanged, another_number, another_number]
XML = [another_value, another_value, another_encoding, another_head, *[another_structure] * 5]
