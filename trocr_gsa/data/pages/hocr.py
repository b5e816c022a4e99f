"""Writes a page as hOCR 1.2: one ocr_line per line, with its box, confidence and orientation.

A line has an ocrx_word per word, and a word has an ocrx_cinfo per character, if the reader gives their positions. If it
does not, the whole text is one ocrx_word: programs such as hocr-pdf look at nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from ..line import Line
from ..names import writable
from ..numbers import DIGITS
from ..provenance import SOFTWARE, Provenance
from ..words import Word
from .page import Page, PageLine
from .xml_files import append_child, html_bytes, new_html

CAPABILITIES = "ocr_page ocr_carea ocr_line ocrp_wconf"
WITH_WORDS, WITH_CHARACTERS = "ocrx_word", "ocrx_cinfo"


def write_hocr(page: Page, lines_read: Sequence[Line | None], made: Provenance | None = None) -> bytes:
    """Return the hOCR file of a page whose points are pixels: the lines that were read, and the provenance `made`."""
    html = new_html()
    head = append_child(html, "head")
    append_child(head, "title").text = writable(page.name)
    append_child(head, "meta", name="ocr-system", content=SOFTWARE if made is None else writable(str(made)))
    if made is not None:
        append_child(head, "meta", name="DCTERMS.created", content=made.date)
    append_child(head, "meta", name="ocr-capabilities", content=_capabilities(lines_read))
    width, height = page.size or (0, 0)
    title = f'image "{_quoted(page.image)}"; bbox 0 0 {width:g} {height:g}'
    body = append_child(append_child(html, "body"), "div", **{"class": "ocr_page", "id": "page_1", "title": title})
    pairs = [(line, read) for line, read in zip(page.lines, lines_read, strict=True) if read is not None]
    numbered = enumerate(pairs, 1)
    for place, (_, group) in enumerate(groupby(numbered, key=lambda item: item[1][0].region), 1):
        lines = list(group)
        points = np.concatenate([line.polygon for _, (line, _) in lines if line.polygon is not None])
        area = append_child(body, "div", **{"class": "ocr_carea", "id": f"area_1_{place}", "title": _box(points)})
        for number, (line, read) in lines:
            title = _box(line.polygon)
            if math.isfinite(read.confidence):
                title += f"; x_wconf {_per_cent(read.confidence)}"
            if read.orientation:
                title += f"; textangle {read.orientation:g}"
            span = append_child(area, "span", **{"class": "ocr_line", "id": f"line_1_{number}", "title": title})
            span.text = ""  # so that the file's indentation does not come between the characters of a word
            _add_words(span, read.words or _whole(line, read), f"word_1_{number}")
    return html_bytes(html)


def _capabilities(lines_read: Sequence[Line | None]) -> str:
    words = [word for read in lines_read if read is not None for word in read.words or ()]
    has_text = any(read is not None and read.text for read in lines_read)
    more = [WITH_WORDS] * has_text + [WITH_CHARACTERS] * any(word.characters for word in words)
    return " ".join([CAPABILITIES, *more])


def _whole(line: PageLine, read: Line) -> tuple[Word, ...]:
    """Return the text of a line as one word over the whole line; no word if there is no text."""
    if not read.text or line.polygon is None:
        return ()
    return (Word(read.text, read.confidence, tuple((x, y) for x, y in line.polygon.tolist())),)


def _add_words(line: Any, words: Sequence[Word], name: str) -> None:
    """Add the words of a line, separated by spaces."""
    for number, word in enumerate(words, 1):
        title = f"{_box(np.array(word.polygon))}; x_wconf {_per_cent(word.confidence)}"
        span = append_child(line, "span", **{"class": WITH_WORDS, "id": f"{name}_{number}", "title": title})
        span.tail = " " if number < len(words) else None
        if not word.characters:
            span.text = word.text
        for character in word.characters:
            box = _box(np.array(character.polygon)).replace("bbox", "x_bboxes")
            title = f"{box}; x_conf {_per_cent(character.confidence)}"
            append_child(span, "span", **{"class": "ocrx_cinfo", "title": title}).text = character.text


def _per_cent(confidence: float) -> str:
    """Format a confidence for hOCR, 0 to 100, without an exponent, which many programs do not understand."""
    return np.format_float_positional(100 * confidence, precision=DIGITS, fractional=False, trim="-")


def _box(points: Any) -> str:
    (left, top), (right, bottom) = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))
    return f"bbox {left:.0f} {top:.0f} {right:.0f} {bottom:.0f}"


def _quoted(name: str) -> str:
    return writable(name.replace("\\", "/").replace('"', "%22"))
