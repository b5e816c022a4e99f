"""Whole pages: PAGE and ALTO files in, what was read in each of their lines out, a page at a time.

What is unusual: lines of several pages are read together, and one page's picture is in memory at a time; what is wrong
with a page or a line costs itself alone.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from PIL import Image

from trocr_gsa.data.images import ImageError
from trocr_gsa.data.line import Alternative, Line
from trocr_gsa.data.pages import LineCut, Page, PageError, PageSource, find_pages, one_of_each, plan_cuts
from trocr_gsa.model.modeling_trocr_gsa import Orientation

from .line_reader import LineReader
from .spelling import cleaned

Seen = Callable[[Image.Image, Line], None]
WINDOW = 256  # lines cut and not yet read
PIXELS = 100_000_000  # of these lines
PAGES = 64  # waiting to be handed out


@dataclass(eq=False)
class ReadPage:
    """A page and what was read in it.

    Attributes:
        file: what it comes from.
        page: its lines in reading order, in pixels; None if it could not be used at all.
        readings: what was read in each line, its text cleaned and its orientation as it lies on the page; None where a
            line could not be read.
        problems: why the page or a line could not be read, a line each.
        notes: what else to know of its readings, a line each.
    """

    file: PageSource
    page: Page | None = None
    readings: list[Line | None] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _CutLine:
    """A line that waits to be read: its page, its place there, and how it was cut."""

    page: ReadPage
    place: int
    image: Image.Image
    cut: LineCut
    adapter: str | None


def read_pages(
    reader: LineReader,
    files: str | Path | Iterable[PageSource],
    orientation: Orientation = "any",
    num_beams: int = 1,
    adapters: Iterable[str | None] | None = None,
    with_words: bool = False,
    alternatives: int = 0,
    seen: Seen | None = None,
    advance: Callable[[int], object] = lambda count: None,
) -> Iterator[ReadPage]:
    """Read whole pages line by line, in the order given.

    Files that lie beside pages without being any, such as METS, are passed over.

    Args:
        reader: that reads their lines.
        files: a PAGE or ALTO file or a folder of them, whose pictures lie beside them or where the files say; of pages
            that are there as both, PAGE. Or pages as `trocr_gsa.data.pages.find_pages` or `segmented_pages` lists them.
        orientation: as in `LineReader.read`, of the lines as they lie on the page.
        num_beams: as in `LineReader.read`.
        adapters: for each file, the name of the adapter that reads it, or None; None: all are read without.
        with_words: say in `Line.words` where words and characters are, in pixels of the page's picture.
        alternatives: as in `LineReader.read`.
        seen: called with the image and the reading of each line that was read, for whoever needs both.
        advance: called with a number of lines after these were read, to show progress.

    Returns: the pages as they are read. What is wrong with a page or a line stands in its `problems`, and costs only
        itself.

    Example: the text of a folder of pages::

        for page in read_pages(LineReader.from_pretrained(), "export/page/"):
            print(page.file.name, [line.text for line in page.readings if line is not None])
    """
    if isinstance(files, str | Path):
        files, _ = one_of_each(find_pages(Path(files)))
    read = partial(
        reader.read,
        orientation=orientation,
        num_beams=num_beams,
        are_cut=True,
        with_words=with_words,
        alternatives=alternatives,
        advance=advance,
    )
    window: list[_CutLine] = []
    finished: list[ReadPage] = []
    for page in _cut_pages(files, adapters, window):
        if page is not None:
            finished.append(page)
        if page is None or not window or len(window) >= WINDOW or len(finished) >= PAGES:
            _read_window(read, window, seen)
            yield from finished
            finished.clear()
    _read_window(read, window, seen)
    yield from finished


def _cut_pages(
    files: Iterable[PageSource], adapters: Iterable[str | None] | None, window: list[_CutLine]
) -> Iterator[ReadPage | None]:
    """Put lines into the window; yields when it is full, and each page when its last line is in it."""
    chosen = iter(adapters) if adapters is not None else None
    pixels = 0
    for file in files:
        adapter = next(chosen) if chosen is not None else None
        read = ReadPage(file)
        try:
            opened = file.open()
            if opened is None:
                continue
            page, picture = opened
            image = picture.load()
        except PageError as error:
            read.problems.append(str(error))
            yield read
            continue
        read.page, read.readings = page, [None] * len(page.lines)
        if page.problem is not None:
            read.problems.append(page.problem)
        for place, (line, cut) in enumerate(plan_cuts(page)):
            if isinstance(cut, ImageError):
                read.problems.append(str(cut))
                continue
            pixels = math.prod(cut.size) + (pixels if window else 0)
            picture_of_line = cut.cut(image)
            picture_of_line.filename = page.line_name(line)  # pyright: ignore[reportAttributeAccessIssue]  # for messages
            window.append(_CutLine(read, place, picture_of_line, cut, adapter))
            if len(window) >= WINDOW or pixels >= PIXELS:
                yield None
        del image  # or it stays beside the next page's, and a scan may take a gigabyte
        yield read


def _read_window(read: Callable[..., list[Line]], window: list[_CutLine], seen: Seen | None) -> None:
    """Read what waits, and empty the window."""
    if not window:
        return
    lines = read([line.image for line in window], adapter=[line.adapter for line in window])
    for waiting, line in zip(window, lines, strict=True):
        if line.error is not None:
            waiting.page.problems.append(line.error)
        else:
            found = waiting.page.readings[waiting.place] = _on_page(line, waiting.cut, waiting.page.page)
            if seen is not None:
                seen(waiting.image, found)
            if line.note is not None:
                waiting.page.notes.append(f"{line.source}: {line.note}")
    window.clear()


def _on_page(line: Line, cut: LineCut, page: Page | None) -> Line:
    """Return a line as it lies on its page: one that was levelled by 3° is turned by 3° there."""
    text, of_characters = cleaned(line.text, line.character_confidences)
    orientation = round((line.orientation + cut.skew) % 360, 1) % 360
    found = replace(line, text=text, orientation=orientation, character_confidences=of_characters)
    if line.alternatives is not None:
        found = replace(found, alternatives=_cleaned_alternatives(line.alternatives))
    if page is None or page.size is None:
        return found
    return found.with_words_on(cut.to_page, (int(page.size[0]), int(page.size[1])))


def _cleaned_alternatives(alternatives: Sequence[Alternative]) -> tuple[Alternative, ...]:
    """Return the texts as files have them; of those that become one, the probabilities are added."""
    sums: dict[str, float] = {}
    for each in alternatives:
        text, _ = cleaned(each.text, [1.0] * len(each.text))
        sums[text] = sums.get(text, 0.0) + each.probability
    return tuple(sorted((Alternative(*item) for item in sums.items()), key=lambda each: -each.probability))
