"""What ALTO 2 to 4 allow inside of a TextLine, and on a TextBlock, as far as the project writes there."""

import re

from lxml import etree

LINE = re.compile(r"(Shape )?(String (SP )?)+(HYP )?")
IN_STRING = re.compile(r"(Shape )?(ALTERNATIVE )*(Glyph )*")
LINE_ATTRIBUTES = {
    "ID", "STYLEREFS", "TAGREFS", "PROCESSINGREFS", "HEIGHT", "WIDTH", "HPOS", "VPOS", "BASELINE", "LANG", "CS",
    "BASEDIRECTION",
}  # fmt: skip
STRING_ATTRIBUTES = {
    "ID", "STYLEREFS", "TAGREFS", "PROCESSINGREFS", "HEIGHT", "WIDTH", "HPOS", "VPOS", "CONTENT", "STYLE", "SUBS_TYPE",
    "SUBS_CONTENT", "WC", "CC", "CS", "LANG",
}  # fmt: skip


def broken_rules(content: bytes) -> list[str]:
    """What an ALTO file has in its lines and blocks that the schema does not allow."""
    root = etree.fromstring(content)
    namespace = etree.QName(root).namespace
    problems = []
    for line in root.iter(f"{{{namespace}}}TextLine"):
        if not LINE.fullmatch(order(line)):
            problems.append(f"a line holds {order(line)}")
        problems += [f"a line has @{name}" for name in set(line.attrib) - LINE_ATTRIBUTES]
    for string in root.iter(f"{{{namespace}}}String"):
        if not IN_STRING.fullmatch(order(string)):
            problems.append(f"a string holds {order(string)}")
        problems += [f"a string has @{name}" for name in set(string.attrib) - STRING_ATTRIBUTES]
        if "CONTENT" not in string.attrib:
            problems.append("a string has no @CONTENT")
        if not 0 <= float(string.get("WC", "0")) <= 1:
            problems.append("@WC is no number in [0, 1]")
    for block in root.iter(f"{{{namespace}}}TextBlock"):
        float(block.get("ROTATION", "0"))
    return problems


def order(element: etree._Element) -> str:
    """The names of an element's children, each with a space behind it."""
    return "".join(f"{etree.QName(child).localname} " for child in element)
