"""What the HTTP API does with an upload: reads a line or a page, and writes the result in a registered format.

What is unusual: a client's file names appear in messages and output files, but never as paths. Files that other
programs have to open lie in a temporary folder, under names of ours.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from threading import BoundedSemaphore
from typing import Any

from trocr_gsa.data.formats import FORMATS, OutputFormat, find_format
from trocr_gsa.data.frames import PicturePage
from trocr_gsa.data.images import load_image, read_header
from trocr_gsa.data.line import Line
from trocr_gsa.data.names import writable
from trocr_gsa.data.pages import (
    KrakenSegmenter,
    Page,
    PageError,
    PageFile,
    PagePicture,
    Scan,
    SegmentedPage,
    fit_picture,
    segmented_pages,
)
from trocr_gsa.data.pages.conversion import filled_in
from trocr_gsa.data.pages.scans import find_scans
from trocr_gsa.data.provenance import Provenance, current_date
from trocr_gsa.reader import LineReader
from trocr_gsa.reader.pages import ReadPage, read_pages

from .limits import Limits

JSON = "json"
AT_ONCE = 2  # requests that are read at the same time: one computes while the other one's picture is decoded
LONGEST_NAME = 100  # characters of a file name
MOST_ALTERNATIVES = 20
PDF_MARK, PDF_HEAD = b"%PDF-", 1024  # a PDF may begin with some other bytes


@dataclass(frozen=True)
class Wanted:
    """What a request asks for.

    Args:
        format: "json", or the name of a registered format.
        adapter: name of an adapter, or None.
        orientation: possible angles in degrees; empty: any.
        words: whether words are written with their positions.
        alternatives: number of alternative texts of each line.
    """

    format: str = JSON
    adapter: str | None = None
    orientation: Sequence[float] = ()
    words: bool = False
    alternatives: int = 0

    @property
    def written(self) -> OutputFormat:
        """The registered format that is written; for JSON, one with a JSON object for each line.

        Raises:
            ValueError: if there is no such format, it has no room for what is asked for, or a module is missing.
        """
        format = FORMATS["jsonl"] if self.format == JSON else find_format(self.format)
        format.check_modules()
        if self.words and not format.has_words:
            raise ValueError(f"`words`: the format {format.name} has no positions of words. Choose {JSON}.")
        if self.alternatives and not format.has_alternatives:
            raise ValueError(f"`alternatives`: the format {format.name} has no room for them. Choose {JSON}.")
        if not 0 <= self.alternatives <= MOST_ALTERNATIVES:
            raise ValueError(f"`alternatives` must lie in 0 … {MOST_ALTERNATIVES}, got {self.alternatives}.")
        return format

    @property
    def prior(self) -> Any:
        """The prior over orientations."""
        return {angle: 1.0 for angle in self.orientation} or "any"


@dataclass(frozen=True)
class Upload:
    """A file of a request.

    Args:
        content: its bytes.
        name: the name that the client gave it.
    """

    content: bytes
    name: str | None = None

    def called(self, otherwise: str) -> str:
        """Return its name without folders, for messages and output files."""
        last = writable(PureWindowsPath(self.name or "").name)[-LONGEST_NAME:]
        return last or otherwise

    @property
    def is_pdf(self) -> bool:
        """Whether it is a PDF."""
        return PDF_MARK in self.content[:PDF_HEAD]


@dataclass(frozen=True)
class Answer:
    """The answer to a request.

    Attributes:
        content: in the requested format, or an object for JSON.
        suffix: file suffix of the format.
        left_out: messages about what could not be read.
    """

    content: bytes | dict[str, Any]
    suffix: str
    left_out: Sequence[str] = field(default=())


class Service:
    """Reads uploads; several threads may call it.

    Args:
        reader: shared by all threads.
        limits: of a request.
        made_with: returns the provenance of a text from the name of its adapter.
    """

    def __init__(
        self,
        reader: LineReader,
        limits: Limits,
        made_with: Callable[[str | None], Provenance | None] = lambda adapter: None,
    ) -> None:
        self.reader, self.limits, self.made_with = reader, limits, made_with
        self._turn = BoundedSemaphore(AT_ONCE)

    @property
    def model_name(self) -> str:
        """The name of the model, as it is written into files."""
        made = self.made_with(None)
        return (self.reader.model.name_or_path or "") if made is None else made.model.name

    def _check_adapter(self, name: str | None) -> None:
        if name is not None and name not in self.reader.adapters:
            there = f"has {', '.join(self.reader.adapters)}" if self.reader.adapters else "has none"
            raise ValueError(f"`adapter`: there is no {name[:LONGEST_NAME]!r} on this server, which {there}.")

    def read_line(self, picture: Upload, wanted: Wanted) -> Answer:
        """Read a picture of one line.

        Raises:
            ValueError: if it cannot be read, or the request does not make sense.
        """
        self._check_adapter(wanted.adapter)
        format, name = wanted.written, picture.called("picture")
        write = format.line_writer()
        header = read_header(picture.content, name)
        self.limits.check_pixels(header.size, name)
        with self._turn:
            image = load_image(picture.content, name)
            image.filename = name  # pyright: ignore[reportAttributeAccessIssue]  # for messages
            (line,) = self.reader.read(
                [image],
                wanted.prior,
                adapter=wanted.adapter,
                with_words=wanted.words,
                alternatives=wanted.alternatives,
            )
        if line.error is not None:
            raise ValueError(line.error)
        row = write(line.noted(header.unread).without_characters())
        if wanted.format == JSON:
            return Answer(json.loads(row), ".json")
        return Answer((format.line_header + row).encode(errors="backslashreplace"), format.suffix)

    def read_page(self, picture: Upload, layout: Upload | None, number: int | None, wanted: Wanted) -> Answer:
        """Read a page.

        Args:
            picture: its picture, or a PDF or TIFF.
            layout: a PAGE or ALTO file with its lines; None: kraken finds them.
            number: which page of a PDF or TIFF, counted from 1; needed if it has several.
            wanted: what to write.

        Raises:
            ValueError: if it cannot be read, or the request does not make sense.
        """
        self._check_adapter(wanted.adapter)
        format = wanted.written
        with self._turn, tempfile.TemporaryDirectory(prefix="trocr-gsa-") as temporary:
            folder = Path(temporary)
            if layout is None:
                source = self._segmented(picture, number, folder, format.kind or "PAGE")
            else:
                source = self._described(picture, layout, number, folder)
            read = self._read(source, wanted, format)
            return self._written(read, wanted, format)

    def _described(self, picture: Upload, layout: Upload, number: int | None, folder: Path) -> _Opened:
        """Return a page whose layout was uploaded with its picture."""
        name = layout.called("layout.xml")
        if picture.is_pdf or number is not None:
            raise ValueError("`layout`: describes one picture. Send this picture, not a PDF, and no `page`.")
        (folder / "page.xml").write_bytes(layout.content)
        (folder / "page.png").write_bytes(picture.content)  # found by the page's name; its format shows in its bytes
        called = picture.called("picture")
        self.limits.check_pixels(read_header(folder / "page.png", called, is_scan=True).size, called)
        page = PageFile(folder / "page.xml", folder, name, is_named=True).read()
        assert page is not None  # because of `is_named`
        opened = fit_picture(replace(page, image=""), folder / "page.xml", folder)
        return _Opened(name, (replace(opened[0], image=page.image), opened[1]))

    def _segmented(self, picture: Upload, number: int | None, folder: Path, kind: str) -> _Opened:
        """Return a page whose lines kraken found."""
        try:
            segmenter = KrakenSegmenter.find()
        except ValueError as error:
            raise ValueError(
                "`layout`: the program kraken, which finds the lines of pages, is not installed on this server. Send "
                "a PAGE or ALTO file as `layout`; or cut the page into lines, and send each to /lines."
            ) from error
        scan = self._scan(picture, number, folder)
        pages = segmented_pages([scan], segmenter, kind)
        return _Opened(scan.name, next(pages).open(), pages)

    def _scan(self, picture: Upload, number: int | None, folder: Path) -> Scan:
        """Return the picture of a page, or a page of a PDF or TIFF."""
        name = picture.called("page")
        file = folder / ("upload.pdf" if picture.is_pdf else "upload")
        file.write_bytes(picture.content)
        scans, problems = find_scans(file)
        if problems:
            raise ValueError(problems[0].replace(file.name, name, 1))
        if number is None and len(scans) > 1:
            raise ValueError(f"`page`: {name} has {len(scans)} pages. Say which one: 1 … {len(scans)}.")
        if number is not None and not 1 <= number <= len(scans):
            raise ValueError(f"`page` must lie in 1 … {len(scans)}, the pages of {name}, got {number}.")
        scan = scans[(number or 1) - 1]
        own_name = name if scan.page is None else f"{Path(name).stem}-{scan.page:04}.jpg"
        scan = replace(scan, name=own_name)
        if not picture.is_pdf:  # pages of PDFs are drawn with a bounded number of pixels
            source = file if scan.page is None else PicturePage(file, scan.page)
            self.limits.check_pixels(read_header(source, own_name).size, own_name)
        return scan

    def _read(self, source: _Opened, wanted: Wanted, format: OutputFormat) -> ReadPage:
        self.limits.check_lines(len(source.opened[0].lines), source.name)
        with_words = wanted.words or (format.wants_words and self.reader.can_place_words)
        (read,) = read_pages(
            self.reader,
            [source],
            wanted.prior,
            adapters=[wanted.adapter],
            with_words=with_words,
            alternatives=wanted.alternatives,
        )
        if read.page is None:
            raise PageError("; ".join(read.problems))
        return read

    def _written(self, read: ReadPage, wanted: Wanted, format: OutputFormat) -> Answer:
        assert read.page is not None
        lines: list[Line | None] = [None if line is None else line.without_characters() for line in read.readings]
        made = self.made_with(wanted.adapter)
        if made is not None:
            made = replace(made, date=current_date())  # of this page, not of the server's start
        content, notes = filled_in(read.page, lines, format, made)
        if wanted.format == JSON:
            rows = [json.loads(row) for row in content.decode().split("\n") if row]
            return Answer({"lines": rows, "left_out": read.problems, "notes": [*read.notes, *notes]}, ".json")
        return Answer(format.page_header.encode() + content, format.suffix, read.problems)


@dataclass(frozen=True)
class _Opened:
    """A page that was opened already, as a `PageSource`.

    Args:
        name: of the page.
        opened: the page and its picture.
        keeper: the iterator that removes the picture's temporary file when it goes on.
    """

    name: str
    opened: tuple[Page, PagePicture]
    keeper: Iterator[SegmentedPage] | None = None

    def open(self) -> tuple[Page, PagePicture]:
        """Return the page and its picture."""
        return self.opened
