"""What can be written of a page, by the name of its format."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..line import Line
from ..numbers import confidence_fields, csv_row, to_json
from .alto import write_alto
from .hocr import write_hocr
from .page import Page
from .page_xml import write_page

LinesRead = Sequence[Line | None]  # in the order of a page's lines; None where a line could not be read
FIELDS = (
    "source", "region", "line", "text", "confidence", "character_confidence", "orientation", "adapter",
    "character_confidences",
)  # fmt: skip


def write_text(page: Page, lines_read: LinesRead) -> bytes:
    """A line of text for every line that was read."""
    return "".join(f"{read.text}\n" for read in lines_read if read is not None).encode()


def write_jsonl(page: Page, lines_read: LinesRead) -> bytes:
    """A JSON object for every line that was read."""
    lines = (to_json(row, ensure_ascii=False) + "\n" for row in rows(page, lines_read))
    return "".join(lines).encode(errors="backslashreplace")  # in JSON, that is what a name that is not UTF-8 is read as


def write_csv(page: Page, lines_read: LinesRead) -> bytes:
    """A row of a table for every line that was read."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(csv_row, rows(page, lines_read)))
    return text.getvalue().encode(errors="backslashreplace")


def rows(page: Page, lines_read: LinesRead) -> list[dict[str, Any]]:
    """What was read, a row a line, the columns being `FIELDS`."""
    found = []
    for line, read in zip(page.lines, lines_read, strict=True):
        if read is not None:
            told = {"source": page.name, "region": line.region, "line": line.id, "text": read.text,
                    "orientation": read.orientation, "adapter": read.adapter}  # fmt: skip
            told |= confidence_fields(read.confidence, read.character_confidences)
            found.append({name: told[name] for name in FIELDS})
    return found


@dataclass(frozen=True)
class PageFormat:
    """A format.

    Args:
        suffix: of its files.
        write: a page and what was read in its lines → what stands in a file.
        header: what stands above it.
        kind: of the pages that it can be made of, "PAGE" or "ALTO"; None: of either.
        needs_folder: whether it makes a file for every page, and nothing else.
    """

    suffix: str
    write: Callable[[Page, LinesRead], bytes]
    header: bytes = b""
    kind: str | None = None
    needs_folder: bool = False


FORMATS = {
    "page": PageFormat(".xml", write_page, kind="PAGE", needs_folder=True),
    "alto": PageFormat(".xml", write_alto, kind="ALTO", needs_folder=True),
    "hocr": PageFormat(".hocr", write_hocr, needs_folder=True),
    "text": PageFormat(".txt", write_text),
    "jsonl": PageFormat(".jsonl", write_jsonl),
    "csv": PageFormat(".csv", write_csv, (",".join(FIELDS) + "\n").encode()),
}
