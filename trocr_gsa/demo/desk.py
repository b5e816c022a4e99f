"""Rotates and reads an image for the page, and draws the result."""

import base64
import html
import math
import time
from pathlib import Path

from PIL import Image

from trocr_gsa.data.numbers import percent, to_json
from trocr_gsa.evaluation.evaluate import rotate_image
from trocr_gsa.reader import Line, LineReader

from .dropped_pages import PDF_SUFFIX, open_page, read_dropped
from .overlays import draw_looking, draw_page, draw_stage

NO_ADAPTER = "none"
EMPTY = '<div class="stage"></div>'


class Desk:
    """Reads images for the page, one at a time.

    Args:
        reader: the reader, with the adapters that can be chosen.
    """

    def __init__(self, reader: LineReader) -> None:
        self.reader = reader

    @property
    def choices(self) -> list[str]:
        """The choices of adapters: none, or one of the reader's."""
        return [NO_ADAPTER, *self.reader.adapters]

    def read(
        self, file: str | None, turn: float, adapter: str = NO_ADAPTER, page: int | None = 1
    ) -> tuple[str, str, str]:
        """Rotate an image and read it; a page of a PDF, and any image that is a page, line by line.

        Args:
            file: path of the image or PDF, or None.
            turn: degrees counter-clockwise.
            adapter: one of `choices`.
            page: number of the page in a file with several, counted from 1; None: the first.

        Returns: the text; confidence and other facts, and the image with the positions of its letters, as HTML.
        """
        if file is None:
            return "", "", EMPTY
        name, is_pdf = Path(file).name, Path(file).suffix.lower() == PDF_SUFFIX
        chosen = None if adapter == NO_ADAPTER else adapter
        try:
            opened = open_page(Path(file), page or 1)
            picture = rotate_image(opened.picture, turn)
        except ValueError as error:
            return "", _problem(str(error)), EMPTY
        where = f" · page {opened.number} of {opened.count}" if is_pdf or opened.count > 1 else ""
        if is_pdf:
            return self._read_page(picture, name, chosen, where)
        picture.filename = name  # pyright: ignore[reportAttributeAccessIssue] as for files that Pillow opened
        started = time.perf_counter()
        try:
            (line,) = self.reader.read([picture], adapter=chosen)
        except ValueError as error:
            return "", _problem(str(error)), EMPTY
        seconds = time.perf_counter() - started
        if line.error is not None:
            return self._read_page(picture, name, chosen, where, line.error)  # the picture is sound, but no line
        if not line.text and line.note is not None:
            return "", _problem(line.note), draw_stage(picture)
        try:
            places = self.reader.letter_places(picture, line.text, {line.orientation: 1.0}, chosen)
        except ValueError:  # an exported reader has no cross-attention weights
            return line.text, _facts(line, seconds, where), draw_stage(picture)
        return line.text, _facts(line, seconds, where), draw_looking(picture, places, line.orientation)

    def _read_page(
        self, picture: Image.Image, name: str, adapter: str | None, where: str, refused: str = ""
    ) -> tuple[str, str, str]:
        """Read a page as `read` does; `where` says which page it is, and `refused` why it is no line."""
        started = time.perf_counter()
        try:
            page = read_dropped(self.reader, picture, name, adapter)
        except ValueError as error:
            return "", _problem(f"{refused} {error}".strip()), draw_stage(picture)
        seconds = time.perf_counter() - started
        lines = [line for line in page.readings if line is not None]
        facts = (
            f'<p class="facts"><b>{_percent(page.confidence)}</b> sure · <b>{len(lines)}</b> lines'
            f"{where} · {seconds:.2f} s"
            f'<span class="downloads">{_download(f"{Path(name).stem}.txt", page.text)}</span></p>'
        )
        return page.text, facts, draw_page(picture, page.page)


def as_json(line: Line) -> str:
    """Return a line as JSON, as written by `trocr-gsa read --format jsonl`."""
    return to_json(line.as_fields(), ensure_ascii=False)


def _problem(message: str) -> str:
    return f'<p class="problem" role="alert">{html.escape(message)}</p>'


def _percent(confidence: float) -> str:
    return "not" if math.isnan(confidence) else percent(confidence)


def _facts(line: Line, seconds: float, where: str) -> str:
    by = f" · with {html.escape(line.adapter)}" if line.adapter else ""
    stem, sure = Path(line.source).stem, _percent(line.confidence)
    return (
        f'<p class="facts"><b>{sure}</b> sure · lies turned by <b>{line.orientation:g}°</b>{by}{where} · '
        f"{seconds:.2f} s"
        f'<span class="downloads">{_download(f"{stem}.txt", line.text)}{_download(f"{stem}.json", as_json(line))}'
        "</span></p>"
    )


def _download(name: str, content: str) -> str:
    data = base64.b64encode(f"{content}\n".encode()).decode()
    name = html.escape(name)
    return f'<a download="{name}" href="data:text/plain;charset=utf-8;base64,{data}">{name}</a>'
