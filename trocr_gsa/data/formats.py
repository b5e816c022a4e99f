"""The registry of output formats for lines and pages.

To add a format, write a function here and add it to `FORMATS`: the command line, its help and its messages take their
choices from there. A format with one row per line, such as CSV, needs only one function: see `row_format`.

What is unusual: this module imports a writer only when it is called, because `trocr-gsa read --help` needs only the
names.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from .line import FIELDS, Line
from .numbers import csv_row, to_json

if TYPE_CHECKING:
    from .pages.page import Page
    from .provenance import Provenance

LinesRead = Sequence[Line | None]  # in the order of a page's lines; None for a line that could not be read
LINE_FIELDS = FIELDS
PAGE_FIELDS = (
    "source", "region", "line", "text", "confidence", "character_confidence", "orientation", "adapter",
    "character_confidences",
)  # fmt: skip


class WritePage(Protocol):
    """A writer of pages."""

    def __call__(self, page: Page, lines_read: LinesRead, made: Provenance | None = None) -> bytes:
        """Return the content of a page's file.

        Args:
            page: the page.
            lines_read: the readings of its lines.
            made: provenance of the text; None: do not write it.
        """
        ...


@dataclass(frozen=True)
class OutputFormat:
    r"""A format that `trocr-gsa read` writes.

    Attributes:
        name: name of the format on the command line.
        summary: short description of its files, for the help.
        suffix: file suffix, such as ".csv".
        write_page: function from a page, its readings and the provenance to the content of its file.
        write_line: function from the line of an image to its text in the file; None: the format needs a page's layout.
        page_header: header of a file with pages.
        line_header: header of a file with lines of images.
        kind: "PAGE" or "ALTO" if it fills in only files of this kind; None: any page.
        is_appendable: whether one file can contain several pages.
        has_words: whether it contains `Line.words`, if they are given.
        has_alternatives: whether it holds `Line.alternatives`, where they are given.
        wants_words: whether word positions are computed for it by default, if the reader can.
        with_texts_of: function from names of adapters to the format with a place for their texts, `Line.also`; None: it
            has no place for them.
        join: function that joins files of one page each and writes the result to a stream; None: concatenation.
        holds_pictures: whether its files also contain the images of the pages.
        modules: modules of the extra "pages" that it needs.

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
    has_alternatives: bool = False
    wants_words: bool = False
    with_texts_of: Callable[[Sequence[str]], OutputFormat] | None = None
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

    def with_also(self, adapters: Sequence[str]) -> OutputFormat:
        """Return the format with a place for the texts of further adapters.

        Raises:
            ValueError: if it has none.
        """
        if not adapters:
            return self
        if self.with_texts_of is None:
            others = ", ".join(each.name for each in FORMATS.values() if each.with_texts_of is not None)
            raise ValueError(
                f"`also`: `format` {self.name} has no place for a second text of a line. Choose one of {others}."
            )
        return self.with_texts_of(adapters)

    @property
    def needs_layout(self) -> bool:
        """Whether the format can only be written for pages."""
        return self.write_line is None

    def line_writer(self) -> Callable[[Line], str]:
        """Return `write_line`.

        Raises:
            ValueError: if the format needs the layout of a page.
        """
        if self.write_line is None:
            others = ", ".join(each.name for each in FORMATS.values() if not each.needs_layout)
            raise ValueError(f"`format` {self.name} is for pages, but these are pictures of lines. Choose {others}.")
        return self.write_line


def row_format(
    name: str,
    summary: str,
    suffix: str,
    write_row: Callable[[Mapping[str, Any]], str],
    header: Callable[[Sequence[str]], str] = lambda fields: "",
    has_details: bool = False,
    also: Sequence[str] = (),
) -> OutputFormat:
    """Return a format with one row per line, for images and for pages.

    Args:
        name: name of the format on the command line.
        summary: short description, for the help.
        suffix: file suffix.
        write_row: function from the fields of a line, by the names in `LINE_FIELDS` or `PAGE_FIELDS`, to its row. If
            other adapters read the line too, `also` holds what they read: adapter, text and confidence of each.
        header: function from these names to the header.
        has_details: whether the fields include `words` and `alternatives`, if they are given.
        also: adapters with texts in `Line.also`, which the header names.
    """
    columns = [column for adapter in also for column in (f"also_{adapter}", f"also_{adapter}_confidence")]

    def details_of(line: Line) -> dict[str, Any]:
        given = {"words": line.words, "alternatives": line.alternatives} if has_details else {}
        given["also"] = line.also or None
        return {name: [each.as_fields() for each in value] for name, value in given.items() if value is not None}

    def write_page(page: Page, lines_read: LinesRead, made: Provenance | None = None) -> bytes:
        # in JSON, a name that is not UTF-8 can be recovered from its escape
        read = (line for line in lines_read if line is not None)
        rows = zip(page_rows(page, lines_read), read, strict=True)
        return "".join(write_row(row | details_of(line)) for row, line in rows).encode(errors="backslashreplace")

    def write_line(line: Line) -> str:
        return write_row(line.as_fields() | details_of(line))

    return OutputFormat(
        name,
        summary,
        suffix,
        write_page,
        write_line,
        header([*PAGE_FIELDS, *columns]),
        header([*LINE_FIELDS, *columns]),
        has_words=has_details,
        has_alternatives=has_details,
        with_texts_of=partial(row_format, name, summary, suffix, write_row, header, has_details),
    )


def page_rows(page: Page, lines_read: LinesRead) -> list[dict[str, Any]]:
    """Return the fields of each line of a page that was read, by the names in `PAGE_FIELDS`."""
    found = []
    for line, read in zip(page.lines, lines_read, strict=True):
        if read is not None:
            fields = read.as_fields() | {"source": page.name, "region": line.region, "line": line.id}
            found.append({name: fields[name] for name in PAGE_FIELDS})
    return found


def find_format(name: str) -> OutputFormat:
    """Return a format by its name.

    Raises:
        ValueError: if there is no such format; the message names all formats, and the most similar one.
    """
    if name in FORMATS:
        return FORMATS[name]
    near = difflib.get_close_matches(name, FORMATS, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(f"`format` must be one of {', '.join(FORMATS)}, got {name!r}.{hint}")


def _text_row(fields: Mapping[str, Any]) -> str:
    return "\t".join([fields["text"], *(other["text"] for other in fields.get("also", ()))]) + "\n"


def _json_row(fields: Mapping[str, Any]) -> str:
    return to_json(fields, ensure_ascii=False) + "\n"


def _csv_row(fields: Mapping[str, Any]) -> str:
    also = {
        f"also_{other['adapter']}{end}": other[name]
        for other in fields.get("also", ())
        for name, end in (("text", ""), ("confidence", "_confidence"))
    }
    return _csv(csv_row({name: value for name, value in fields.items() if name != "also"} | also))


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


def _page_format(
    name: str, summary: str, suffix: str, write_page: WritePage, kind: str | None = None, wants_words: bool = False
) -> OutputFormat:
    """Return a format with one file per page, which includes words; PAGE alone has room for other texts of a line."""
    made = OutputFormat(
        name,
        summary,
        suffix,
        write_page,
        kind=kind,
        is_appendable=False,
        has_words=True,
        has_alternatives=kind == "PAGE",
        wants_words=wants_words,
    )
    return replace(made, with_texts_of=lambda adapters: made) if kind == "PAGE" else made


FORMATS = {
    each.name: each
    for each in (
        row_format("text", "the text of each line", ".txt", _text_row),
        row_format(
            "jsonl",
            "an object for each line, with source, confidence and orientation",
            ".jsonl",
            _json_row,
            has_details=True,
        ),
        row_format("csv", "the same as a table", ".csv", _csv_row, _csv),
        _page_format("page", "PAGE files, filled in", ".xml", _write_page_xml, kind="PAGE"),
        _page_format("alto", "ALTO files, filled in", ".xml", _write_alto, kind="ALTO"),
        _page_format("hocr", "an hOCR file for each page, with its words", ".hocr", _write_hocr, wants_words=True),
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
