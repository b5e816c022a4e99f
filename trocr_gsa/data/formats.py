"""What can be written of lines and of pages: the registry of output formats.

To add a format, write a function here and enter it in `FORMATS`: the command line, its help and its messages take their
choices from there. A format with one row for each line, such as CSV, needs one function: see `row_format`.

What is unusual: this module imports no writer before it is called, as `trocr-gsa read --help` needs only the names.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from .line import FIELDS, Line
from .numbers import csv_row, to_json

if TYPE_CHECKING:
    from .pages.page import Page
    from .provenance import Provenance

LinesRead = Sequence[Line | None]  # in the order of a page's lines; None where a line could not be read
LINE_FIELDS = FIELDS
PAGE_FIELDS = (
    "source", "region", "line", "text", "confidence", "character_confidence", "orientation", "adapter",
    "character_confidences",
)  # fmt: skip


class WritePage(Protocol):
    """What writes a page."""

    def __call__(self, page: Page, lines_read: LinesRead, made: Provenance | None = None) -> bytes:
        """Return what a file holds of a page.

        Args:
            page: the page.
            lines_read: what was read in its lines.
            made: what read it; None: nothing is said of that.
        """
        ...


@dataclass(frozen=True)
class OutputFormat:
    r"""A format that `trocr-gsa read` writes.

    Attributes:
        name: as it is chosen by.
        summary: what a file of it holds, in a few words, for the help.
        suffix: of its files, such as ".csv".
        write_page: a page, what was read in its lines, and what read it → what a file holds of it.
        write_line: the line of a picture → what a file holds of it; None: the format needs the layout of a page.
        page_header: what stands above all pages of a file.
        line_header: what stands above all lines of pictures.
        kind: "PAGE" or "ALTO" if it fills in files of that kind alone; None: any page.
        is_appendable: whether several pages can stand in one file.
        has_words: whether it holds `Line.words`, where they are given.
        wants_words: whether it is given the words' places without being asked, if the reader knows them.
        join: files of one page each → one file of all of them, written to a stream; None: their contents follow one
            another.
        holds_pictures: whether it holds the pages' images too.
        modules: that it needs, of the extra "pages".

    Example:
        >>> find_format("text").line_writer()(Line("Anno 1784", 0.9, 0.0))
        'Anno 1784\n'
    """

    name: str
    summary: str
    suffix: str
    write_page: WritePage
    write_line: Callable[[Line], str] | None = None
    page_header: str = ""
    line_header: str = ""
    kind: str | None = None
    is_appendable: bool = True
    has_words: bool = False
    wants_words: bool = False
    join: Callable[[Iterable[Path], IO[bytes]], None] | None = None
    holds_pictures: bool = False
    modules: tuple[str, ...] = ()

    def check_modules(self) -> None:
        """Refuse a format whose modules are missing.

        Raises:
            ValueError: if one is.
        """
        missing = [module for module in self.modules if find_spec(module) is None]
        if missing:
            needed = ", ".join(missing)
            raise ValueError(f"`format` {self.name} needs {needed}, not installed: pip install 'trocr-gsa[pages]'")

    @property
    def needs_layout(self) -> bool:
        """Whether it can be written of pages alone."""
        return self.write_line is None

    def line_writer(self) -> Callable[[Line], str]:
        """Return `write_line`.

        Raises:
            ValueError: if the format needs the layout of a page.
        """
        if self.write_line is None:
            others = ", ".join(each.name for each in FORMATS.values() if not each.needs_layout)
            raise ValueError(f"`format` {self.name} is for pages, and these are pictures of lines. Choose {others}.")
        return self.write_line


def row_format(
    name: str,
    summary: str,
    suffix: str,
    write_row: Callable[[Mapping[str, Any]], str],
    header: Callable[[Sequence[str]], str] = lambda fields: "",
    has_words: bool = False,
) -> OutputFormat:
    """Return a format with one row for each line that was read, of pictures and of pages.

    Args:
        name: as it is chosen by.
        summary: for the help.
        suffix: of its files.
        write_row: what is known of a line, by the names in `LINE_FIELDS` or `PAGE_FIELDS` → its row.
        header: these names → what stands above the rows.
        has_words: whether `words` is known of a line too, where they are given.
    """

    def words_of(line: Line) -> dict[str, Any]:
        given = line.words is not None and has_words
        return {"words": [word.as_fields() for word in line.words or ()]} if given else {}

    def write_page(page: Page, lines_read: LinesRead, made: Provenance | None = None) -> bytes:
        # in JSON, a name that is not UTF-8 is read back from its escape
        read = (line for line in lines_read if line is not None)
        rows = zip(page_rows(page, lines_read), read, strict=True)
        return "".join(write_row(row | words_of(line)) for row, line in rows).encode(errors="backslashreplace")

    def write_line(line: Line) -> str:
        return write_row(line.as_fields() | words_of(line))

    return OutputFormat(
        name, summary, suffix, write_page, write_line, header(PAGE_FIELDS), header(LINE_FIELDS), has_words=has_words
    )


def page_rows(page: Page, lines_read: LinesRead) -> list[dict[str, Any]]:
    """Return what is known of each line of a page that was read, by the names in `PAGE_FIELDS`."""
    found = []
    for line, read in zip(page.lines, lines_read, strict=True):
        if read is not None:
            fields = read.as_fields() | {"source": page.name, "region": line.region, "line": line.id}
            found.append({name: fields[name] for name in PAGE_FIELDS})
    return found


def find_format(name: str) -> OutputFormat:
    """Return a format by its name.

    Raises:
        ValueError: if there is none; the message names all formats, and the nearest.
    """
    if name in FORMATS:
        return FORMATS[name]
    near = difflib.get_close_matches(name, FORMATS, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(f"`format` must be one of {', '.join(FORMATS)}, got {name!r}.{hint}")


def _text_row(fields: Mapping[str, Any]) -> str:
    return f"{fields['text']}\n"


def _json_row(fields: Mapping[str, Any]) -> str:
    return to_json(fields, ensure_ascii=False) + "\n"


def _csv_row(fields: Mapping[str, Any]) -> str:
    return _csv(csv_row(fields))


def _csv(values: Sequence[Any]) -> str:
    row = io.StringIO()
    csv.writer(row, lineterminator="\n").writerow(values)
    return row.getvalue()


def _write_page_xml(page: Page, lines_read: LinesRead, made: Provenance | None = None) -> bytes:
    from .pages.page_xml import write_page

    return write_page(page, lines_read, made)


def _write_alto(page: Page, lines_read: LinesRead, made: Provenance | None = None) -> bytes:
    from .pages.alto import write_alto

    return write_alto(page, lines_read, made)


def _write_hocr(page: Page, lines_read: LinesRead, made: Provenance | None = None) -> bytes:
    from .pages.hocr import write_hocr

    return write_hocr(page, lines_read, made)


def _write_pdf(page: Page, lines_read: LinesRead, made: Provenance | None = None) -> bytes:
    from .pages.searchable_pdf import write_pdf

    return write_pdf(page, lines_read, made)


def _join_pdfs(parts: Iterable[Path], stream: IO[bytes]) -> None:
    from .pages.searchable_pdf import join_pdfs

    join_pdfs(parts, stream)


def _write_tei(page: Page, lines_read: LinesRead, made: Provenance | None = None) -> bytes:
    from .pages.tei import write_tei

    return write_tei(page, lines_read, made)


def _join_tei(parts: Iterable[Path], stream: IO[bytes]) -> None:
    from .pages.tei import join_tei

    join_tei(parts, stream)


def _page_format(name: str, summary: str, suffix: str, write_page: WritePage, kind: str | None = None) -> OutputFormat:
    """Return a format with a file for each page, and with its words."""
    return OutputFormat(name, summary, suffix, write_page, kind=kind, is_appendable=False, has_words=True)


FORMATS = {
    each.name: each
    for each in (
        row_format("text", "the text of each line", ".txt", _text_row),
        row_format(
            "jsonl",
            "an object for each line, with source, confidence and orientation",
            ".jsonl",
            _json_row,
            has_words=True,
        ),
        row_format("csv", "the same as a table", ".csv", _csv_row, _csv),
        _page_format("page", "PAGE files, filled in", ".xml", _write_page_xml, kind="PAGE"),
        _page_format("alto", "ALTO files, filled in", ".xml", _write_alto, kind="ALTO"),
        _page_format("hocr", "an hOCR file for each page", ".hocr", _write_hocr),
        OutputFormat(
            "tei",
            "the pages as TEI, with a facsimile",
            ".tei.xml",
            _write_tei,
            has_words=True,
            join=_join_tei,
        ),
        OutputFormat(
            "pdf",
            "the pages as a PDF that can be searched",
            ".pdf",
            _write_pdf,
            has_words=True,
            wants_words=True,
            join=_join_pdfs,
            holds_pictures=True,
            modules=("fontTools", "pikepdf"),
        ),
    )
}
