"""Writes words and characters with their positions into PAGE and ALTO files.

What is unusual: existing words are replaced, because their positions belong to another text. ALTO has boxes parallel to
the sides of the page; for slanted words the corners are also written as a Shape, if the version has it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from typing import Any

from ..line import Alternative, OtherText
from ..numbers import significant
from ..words import Character, Word
from .xml_files import add_child, append_child, children, namespace_of, remove

AFTER_WORDS = frozenset({"TextEquiv", "TextStyle", "UserDefined", "Labels"})  # elements that must follow Word in PAGE
AFTER_TEXT = AFTER_WORDS - {"TextEquiv"}
ALTERNATIVE, BY_ADAPTER = "alternative", "adapter {}"  # @comments of a TextEquiv
ALTO_VERSION = re.compile(r"/ns-v(\d)#$")
WITH_SHAPES, WITH_GLYPHS = 3, 4  # first versions of ALTO in which strings have shapes and glyphs
Scale = tuple[float, float]  # pixels in a unit of the file, across and down
MAX_OFFSET = 0.5  # pixels by which the corners of a word that is not slanted may differ from its box


class NewIds:
    """Generates ids that are not used in a PAGE or ALTO file.

    Args:
        root: root element of the file.
    """

    def __init__(self, root: Any) -> None:
        self._used = _ids_in(root)

    def release(self, element: Any) -> None:
        """Allow the ids of an element and its descendants to be used again."""
        self._used -= _ids_in(element)

    def new(self, wanted: str) -> str:
        """Return an unused id similar to the wanted one, with only the characters that XML allows."""
        name = "".join(letter if _may_be_in_name(letter) else "_" for letter in wanted)
        name = name if name[:1].isalpha() or name[:1] == "_" else f"_{name}"
        found, number = name, 1
        while found in self._used:
            number += 1
            found = f"{name}_{number}"
        self._used.add(found)
        return found


def _ids_in(root: Any) -> set[str | None]:
    """Return the ids of an element and its descendants: `id` in PAGE, `ID` in ALTO."""
    elements = [element for element in root.iter() if isinstance(element.tag, str)]
    return {element.get(name) for element in elements for name in ("id", "ID")}


def _may_be_in_name(letter: str) -> bool:
    """Whether XML allows a character in an id: letters and digits, but not ª, º, µ, ² and the like."""
    is_letter = letter.isalpha() or letter.isdecimal()
    return letter in "._-" or (is_letter and not "\x80" <= letter < "\xc0")


def set_page_words(line: Any, words: Sequence[Word], scale: Scale, ids: NewIds) -> None:
    """Replace the words of a TextLine in a PAGE file."""
    for former in children(line, "Word"):
        ids.release(former)
        remove(former)
    base = line.get("id") or "line"
    for number, word in enumerate(words, 1):
        element = add_child(line, "Word", AFTER_WORDS)
        name = ids.new(f"{base}_w{number}")
        element.set("id", name)
        _add_coords(element, word, scale)
        for place, character in enumerate(word.characters, 1):
            glyph = append_child(element, "Glyph")
            glyph.set("id", ids.new(f"{name}_g{place}"))
            _add_coords(glyph, character, scale)
            _add_text(glyph, character)
        _add_text(element, word)


def set_page_alternatives(line: Any, alternatives: Sequence[Alternative], text: str) -> None:
    """Replace the alternatives that an earlier reading left in a TextLine of a PAGE file.

    Args:
        line: with its text filled in.
        alternatives: of the line; the text itself is none.
        text: of the line.
    """
    _remove_equivs(line, [ALTERNATIVE])
    for each in alternatives:
        if each.text != text:
            _add_equiv(line, each.text, each.probability, ALTERNATIVE)


def set_page_also(line: Any, others: Sequence[OtherText]) -> None:
    """Write what further adapters read into a TextLine of a PAGE file, in place of what they read before.

    Args:
        line: with its text filled in.
        others: a TextEquiv each, whose @comments names the adapter.
    """
    _remove_equivs(line, [BY_ADAPTER.format(other.adapter) for other in others])
    for other in others:
        _add_equiv(line, other.text, other.confidence, BY_ADAPTER.format(other.adapter))


def _remove_equivs(line: Any, comments: Collection[str]) -> None:
    """Remove the texts of a line with one of these @comments."""
    for former in [equiv for equiv in children(line, "TextEquiv") if equiv.get("comments") in comments]:
        remove(former)


def _add_equiv(line: Any, text: str, confidence: float, comments: str) -> None:
    """Add a text to a line, with the lowest free @index after all others."""
    equivs = children(line, "TextEquiv")
    indices = [int(equiv.get("index")) for equiv in equivs if (equiv.get("index") or "").isdecimal()]
    equiv = add_child(line, "TextEquiv", AFTER_TEXT)
    equiv.set("index", str(max(indices, default=0) + 1))
    if math.isfinite(confidence):
        equiv.set("conf", significant(confidence))
    equiv.set("comments", comments)
    append_child(equiv, "Unicode").text = text


def set_alto_words(line: Any, words: Sequence[Word], scale: Scale) -> None:
    """Replace the strings of a TextLine in an ALTO file by these words, with spaces between them."""
    for former in [piece for name in ("String", "SP", "HYP") for piece in children(line, name)]:
        remove(former)
    found = ALTO_VERSION.search(namespace_of(line))
    version = int(found[1]) if found else 0
    for place, word in enumerate(words):
        if place:
            _add_space(add_child(line, "SP"), words[place - 1], word, scale)
        string = add_child(line, "String")
        _set_box(string, word, scale)
        string.set("CONTENT", word.text)
        _set_confidence(string, "WC", word)
        if version >= WITH_SHAPES and _is_slanted(word):
            polygon = append_child(append_child(string, "Shape"), "Polygon")
            polygon.set("POINTS", _points(word, scale))
        # a Glyph is a single code point, and the glyphs must be in the order of the word's code points
        are_single = all(len(character.text) == 1 for character in word.characters)
        for character in word.characters if version >= WITH_GLYPHS and are_single else ():
            glyph = append_child(string, "Glyph")
            _set_box(glyph, character, scale)
            glyph.set("CONTENT", character.text)
            _set_confidence(glyph, "GC", character)


def _add_coords(element: Any, placed: Character, scale: Scale) -> None:
    append_child(element, "Coords").set("points", _points(placed, scale))


def _add_text(element: Any, read: Character) -> None:
    equiv = append_child(element, "TextEquiv")
    _set_confidence(equiv, "conf", read)
    append_child(equiv, "Unicode").text = read.text


def _set_confidence(element: Any, name: str, read: Character) -> None:
    """Set the confidence of a text, unless it is unknown (NaN)."""
    if math.isfinite(read.confidence):
        element.set(name, significant(read.confidence))


def _points(placed: Character, scale: Scale) -> str:
    """Return corners in the file's units, as whole numbers, which PAGE requires."""
    across, down = scale
    return " ".join(f"{round(x / across)},{round(y / down)}" for x, y in placed.polygon)


def _box(placed: Character, scale: Scale) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom in the file's units."""
    (left, top, right, bottom), (across, down) = placed.box, scale
    return round(left / across), round(top / down), round(right / across), round(bottom / down)


def _set_box(element: Any, placed: Character, scale: Scale) -> None:
    left, top, right, bottom = _box(placed, scale)
    _set(element, HPOS=left, VPOS=top, WIDTH=right - left, HEIGHT=bottom - top)


def _add_space(element: Any, before: Word, after: Word, scale: Scale) -> None:
    """Set the position of a space: between two words side by side, or one above the other in a vertical line."""
    one, two = _box(before, scale), _box(after, scale)
    left, top = min(one[2], two[2]), min(one[1], two[1])
    _set(element, HPOS=left, VPOS=top, WIDTH=max(0, max(one[0], two[0]) - left))


def _is_slanted(placed: Character) -> bool:
    left, top, right, bottom = placed.box
    return any(
        min(x - left, right - x) > MAX_OFFSET or min(y - top, bottom - y) > MAX_OFFSET for x, y in placed.polygon
    )


def _set(element: Any, **values: int) -> None:
    for name, value in values.items():
        element.set(name, str(value))
