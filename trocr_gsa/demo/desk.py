"""Rotates and reads an image for the page, and draws the result."""

import base64
import html
import math
import time
from pathlib import Path

from PIL import Image

from trocr_gsa.data.images import load_image
from trocr_gsa.data.numbers import to_json
from trocr_gsa.evaluation.evaluate import rotate_image
from trocr_gsa.reader import Line, LineReader

from .dropped_pages import PDF_SUFFIX, first_page, read_dropped
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

    def read(self, file: str | None, turn: float, adapter: str = NO_ADAPTER) -> tuple[str, str, str]:
        """Rotate an image and read it; if it is a page, or the first page of a PDF, line by line.

        Args:
            file: path of the image, or None.
            turn: degrees counter-clockwise.
            adapter: one of `choices`.

        Returns: the text; confidence and other facts, and the image with the positions of its letters, as HTML.
        """
        if file is None:
            return "", "", EMPTY
        name = Path(file).name
        chosen = None if adapter == NO_ADAPTER else adapter
        try:
            if Path(file).suffix.lower() == PDF_SUFFIX:
                image, count = first_page(Path(file))
                return self._read_page(rotate_image(image, turn), name, chosen, more=f" · page 1 of {count}")
            picture = rotate_image(load_image(file, name), turn)
        except ValueError as error:
            return "", _problem(str(error)), EMPTY
        picture.filename = name  # pyright: ignore[reportAttributeAccessIssue] as for files that Pillow opened
        started = time.perf_counter()
        try:
            (line,) = self.reader.read([picture], adapter=chosen)
        except ValueError as error:
            return "", _problem(str(error)), EMPTY
        seconds = time.perf_counter() - started
        if line.error is not None:
            return self._read_page(picture, name, chosen, line.error)  # the picture is sound, but no line
        if not line.text and line.note is not None:
            return "", _problem(line.note), draw_stage(picture)
        try:
            places = self.reader.letter_places(picture, line.text, {line.orientation: 1.0}, chosen)
        except ValueError:  # an exported reader has no cross-attention weights
            return line.text, _facts(line, seconds), draw_stage(picture)
        return line.text, _facts(line, seconds), draw_looking(picture, places, line.orientation)

    def _read_page(
        self, picture: Image.Image, name: str, adapter: str | None, refused: str = "", more: str = ""
    ) -> tuple[str, str, str]:
        """Read a page as `read` does; `refused` says why it is no line, and `more` is a fact about it."""
        started = time.perf_counter()
        try:
            page = read_dropped(self.reader, picture, name, adapter)
        except ValueError as error:
            return "", _problem(f"{refused} {error}".strip()), draw_stage(picture)
        seconds = time.perf_counter() - started
        lines = [line for line in page.readings if line is not None]
        facts = (
            f'<p class="facts"><b>{_percent(page.confidence)}</b> sure · <b>{len(lines)}</b> lines'
            f"{more} · {seconds:.2f} s"
            f'<span class="downloads">{_download(f"{Path(name).stem}.txt", page.text)}</span></p>'
        )
        return page.text, facts, draw_page(picture, page.page)


def as_json(line: Line) -> str:
    """Return a line as JSON, as written by `trocr-gsa read --format jsonl`."""
    return to_json(line.as_fields(), ensure_ascii=False)


def _problem(message: str) -> str:
    return f'<p class="problem" role="alert">{html.escape(message)}</p>'


def _percent(confidence: float) -> str:
    return "not" if math.isnan(confidence) else f"{100 * confidence:.3g} %"


def _facts(line: Line, seconds: float) -> str:
    by = f" · with {html.escape(line.adapter)}" if line.adapter else ""
    stem, sure = Path(line.source).stem, _percent(line.confidence)
    return (
        f'<p class="facts"><b>{sure}</b> sure · lies turned by <b>{line.orientation:g}°</b>{by} · '
        f"{seconds:.2f} s"
        f'<span class="downloads">{_download(f"{stem}.txt", line.text)}{_download(f"{stem}.json", as_json(line))}'
        "</span></p>"
    )


def _download(name: str, content: str) -> str:
    data = base64.b64encode(f"{content}\n".encode()).decode()
    name = html.escape(name)
    return f'<a download="{name}" href="data:text/plain;charset=utf-8;base64,{data}">{name}</a>'
