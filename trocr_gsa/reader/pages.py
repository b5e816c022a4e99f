"""Whole pages: PAGE and ALTO files in, the text of each line out, page by page.

What is unusual: lines of several pages share batches, but only one page image is in memory at a time. A bad page or
line affects no other.
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

from .language_model import LanguageModel
from .line_reader import LineReader
from .spelling import cleaned

Seen = Callable[[Image.Image, Line], None]
WINDOW = 256  # maximum number of lines that wait to be read
PIXELS = 100_000_000  # maximum number of pixels of these lines
NO_LINES = "has no lines, so nothing was read. If it is not blank, its lines have to be found first (--segment)."
PAGES = 64  # maximum number of pages that wait to be returned


@dataclass(eq=False)
class ReadPage:
    """A page and the texts of its lines.

    Attributes:
        file: its source.
        page: its lines in reading order, in pixels; None if the page could not be used.
        readings: the result for each line, with a cleaned text and the orientation on the page; None if the line could
            not be read.
        problems: messages about the page or lines that could not be read.
        notes: messages about the results.
    """

    file: PageSource
    page: Page | None = None
    readings: list[Line | None] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _CutLine:
    """A line that waits to be read: its page, its index there, and its cut."""

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
    also: Sequence[str] = (),
    language_model: LanguageModel | None = None,
) -> Iterator[ReadPage]:
    """Read whole pages line by line, in the order given.

    XML files of other kinds, such as METS, are skipped.

    Args:
        reader: the reader of the lines.
        files: a PAGE or ALTO file or a folder of them. The page images are beside them or where the files say. If a
            page exists as both, PAGE is used. Or pages as `trocr_gsa.data.pages.find_pages` or `segmented_pages` lists
            them.
        orientation: as in `LineReader.read`, for the lines as they are on the page.
        num_beams: as in `LineReader.read`.
        adapters: for each file, the name of its adapter or None; None: no adapters.
        with_words: return positions of words and characters in `Line.words`, in pixels of the page image.
        alternatives: as in `LineReader.read`.
        seen: called with the image and the result of each line that was read.
        advance: called with the number of lines that were just read, to show progress.
        also: adapters that read every line too, as in `LineReader.read`.
        language_model: as in `LineReader.read`.

    Returns: the pages, one after the other. Errors of a page or a line are in its `problems`, and affect no other.

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
        also=also,
        language_model=language_model,
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
    """Append lines to the window; yield None when it is full, and each page after its last line."""
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
        elif not page.lines:
            read.notes.append(f"{page.name}: {NO_LINES}")
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
        del image  # otherwise it stays in memory with the next one, and a scan may take a gigabyte
        yield read


def _read_window(read: Callable[..., list[Line]], window: list[_CutLine], seen: Seen | None) -> None:
    """Read the lines of the window, and empty it."""
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
    """Return a line with its orientation and positions on the page: a line levelled by 3° is rotated by 3° there."""
    text, of_characters = cleaned(line.text, line.character_confidences)
    orientation = round((line.orientation + cut.skew) % 360, 1) % 360
    also = tuple(replace(other, text=cleaned(other.text, [1.0] * len(other.text))[0]) for other in line.also)
    found = replace(line, text=text, orientation=orientation, character_confidences=of_characters, also=also)
    if line.alternatives is not None:
        found = replace(found, alternatives=_cleaned_alternatives(line.alternatives))
    if page is None or page.size is None:
        return found
    return found.with_words_on(cut.to_page, (int(page.size[0]), int(page.size[1])))


def _cleaned_alternatives(alternatives: Sequence[Alternative]) -> tuple[Alternative, ...]:
    """Return cleaned texts; the probabilities of texts that become equal are added."""
    sums: dict[str, float] = {}
    for each in alternatives:
        text, _ = cleaned(each.text, [1.0] * len(each.text))
        sums[text] = sums.get(text, 0.0) + each.probability
    return tuple(sorted((Alternative(*item) for item in sums.items()), key=lambda each: -each.probability))
