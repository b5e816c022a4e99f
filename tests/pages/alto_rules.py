"""Checks of ALTO files by the rules of the schema that concern this project: lines of versions 2 to 4, files of 4."""

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
    """Return the violations of the schema in the lines and blocks of an ALTO file."""
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


ROOT = re.compile(r"(Description )?(Styles )?(Tags )?(ReadingOrder )?Layout ")
DESCRIPTION = re.compile(r"MeasurementUnit (sourceImageInformation )?(OCRProcessing )*(Processing )*")
STEP = re.compile(
    r"(processingCategory )?(processingDateTime )?(processingAgency )?(processingStepDescription )*"
    r"(processingStepSettings )?(processingSoftware )?"
)
SPACE = re.compile(r"(Shape )?((TextBlock|Illustration|GraphicalElement|ComposedBlock) )*")
BLOCK = re.compile(r"(Shape )?(TextLine )*")
BLOCK_ATTRIBUTES = {
    "ID", "STYLEREFS", "TAGREFS", "PROCESSINGREFS", "HEIGHT", "WIDTH", "HPOS", "VPOS", "ROTATION", "IDNEXT", "CS",
    "TYPE", "LANG",
}  # fmt: skip
BOX = ("HPOS", "VPOS", "WIDTH", "HEIGHT")
NAME = re.compile(r"[^\W\d][\w.-]*")
ORDERS = {
    "Description": DESCRIPTION, "Processing": STEP, "PrintSpace": SPACE, "TextBlock": BLOCK,
    "Illustration": re.compile("(Shape )?"), "GraphicalElement": re.compile("(Shape )?"),
    "Shape": re.compile("(Polygon|Ellipse|Circle) "), "Glyph": re.compile("(Shape )?(Variant )*"),
}  # fmt: skip


def broken_document_rules(content: bytes) -> list[str]:
    """Return all violations of the schema in an ALTO file of version 4."""
    root = etree.fromstring(content)
    problems = broken_rules(content) + ([] if ROOT.fullmatch(order(root)) else [f"the file holds {order(root)}"])
    for name, pattern in ORDERS.items():
        problems += [f"{name} holds {order(e)}" for e in root.iter(f"{{*}}{name}") if not pattern.fullmatch(order(e))]
    ids = [element.get("ID") for element in root.iter() if element.get("ID") is not None]
    problems += [f"the id {name!r} is there twice" for name in set(ids) if ids.count(name) > 1]
    problems += [f"{name!r} is no id" for name in ids if not NAME.fullmatch(name)]
    for element in root.iter("{*}TextBlock", "{*}Illustration", "{*}GraphicalElement", "{*}Page"):
        if "ID" not in element.attrib:
            problems.append(f"{etree.QName(element).localname} has no @ID")
        extra = {"PHYSICAL_IMG_NR"} if etree.QName(element).localname == "Page" else set()
        problems += [f"@{name} of a block" for name in set(element.attrib) - BLOCK_ATTRIBUTES - extra]
    problems += ["a page has no @PHYSICAL_IMG_NR" for page in root.iter("{*}Page") if not page.get("PHYSICAL_IMG_NR")]
    for element in root.iter():
        problems += [f"{ref} is no tag" for ref in element.get("TAGREFS", "").split() if ref not in ids]
        for name in BOX:
            float(element.get(name, "0"))
    problems += ["a tag has no @LABEL" for tag in root.iter("{*}OtherTag") if "LABEL" not in tag.attrib]
    problems += ["a glyph is no single letter" for g in root.iter("{*}Glyph") if len(g.get("CONTENT", "")) != 1]
    return problems


def order(element: etree._Element) -> str:
    """Return the names of the children of an element, each followed by a space."""
    return "".join(f"{etree.QName(child).localname} " for child in element)
