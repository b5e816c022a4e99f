"""Pages as a source of lines: files are read once when the source is opened, images when a line is used.

What is unusual: the last pages stay decoded, so that reading in order (as `compile` and `evaluate` do) decodes each
image once. Training in random order decodes a page for every line, so compile the folder first.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..doubtful import doubtful_characters, is_seen
from ..images import MAX_PIXELS, ImageError
from ..names import writable
from ..samples import LineDataset, LineSample, clean_text
from .cutting import LineCut
from .page import Page, PageLine
from .page_files import PageFile, find_pages, one_of_each
from .page_pictures import PagePicture
from .xml_files import PageError

MAX_CACHED_PAGES = 2  # fewer if they are large, because a scan may need much memory
MAX_COVERAGE = 10  # the lines together may have this many times the page's pixels; more is not a real segmentation
MIN_PAGE_PIXELS = 20_000_000  # a smaller page counts as this large for the limit above
PIXELS_PER_POINT = 200  # cutting takes as long for a point of an outline as for this many pixels
MAX_NAMED = 3  # pages or files named in a note


@dataclass(frozen=True, eq=False)
class IndexedLine:
    """A usable line: the index of its page, its name, text and cut."""

    page: int
    name: str
    text: str
    cut: LineCut


class PageLines(LineDataset):
    """The transcribed lines of PAGE and ALTO files, in reading order, cut and levelled.

    A vertical or upside-down line gets its angle from the direction of its baseline. Baselines of right-to-left writing
    are drawn in either direction, so their lines are never taken as upside down, only as upright or vertical.

    Args:
        files: pages from `find_pages`.
        origin: name of the source, for messages.
        notes: notes about the files, to be included in `notes`.

    Raises:
        ValueError: if no line can be used.
    """

    def __init__(self, files: Iterable[PageFile], origin: str, notes: Iterable[str] = ()) -> None:
        """Read every file and the header of every image."""
        self.problems: list[str] = []
        self._pictures: list[PagePicture] = []
        self._documents: list[str] = []
        self._lines: list[IndexedLine] = []
        self._kept: OrderedDict[int, Image.Image] = OrderedDict()
        for file in files:
            try:
                self._lines += self._index(file)
            except PageError as error:
                self.problems.append(str(error))
        if not self._lines:
            first = f"First problem: {self.problems[0]}" if self.problems else "It has no PAGE or ALTO file."
            raise ValueError(f"{origin} has no line that can be used. {first}")
        names_and_texts = ((line.name, line.text) for line in self._lines)
        self.notes = [
            *notes,
            *self._repeated_pictures(),
            *self._backward_pages(),
            *doubtful_characters(names_and_texts),
        ]

    def _index(self, file: PageFile) -> Iterator[IndexedLine]:
        opened = file.open()
        if opened is None:
            return
        page, picture = opened
        self._pictures.append(picture)
        self._documents.append(writable(page.name))
        for line, cut in plan_cuts(page):
            name = writable(page.line_name(line))
            try:
                text = _text(line, name)
            except ImageError as error:
                self.problems.append(str(error))
                continue
            if isinstance(cut, ImageError):
                self.problems.append(str(cut))
            else:
                yield IndexedLine(len(self._pictures) - 1, name, text, cut)

    def _repeated_pictures(self) -> list[str]:
        """Say of which pictures several files describe the lines, such as a page and its backup."""
        files: dict[str, list[str]] = {}
        for picture, document in zip(self._pictures, self._documents, strict=True):
            files.setdefault(os.path.realpath(picture.path), []).append(document)
        repeated = [names for names in files.values() if len(names) > 1]
        if not repeated:
            return []
        first = " and ".join(repeated[0][:MAX_NAMED]) + ", …" * (len(repeated[0]) > MAX_NAMED)
        return [
            f"{len(repeated)} images are each described by several files (the first by {first}): all of these are "
            "used. Remove those that repeat the lines of others."
        ]

    def _backward_pages(self) -> list[str]:
        """Return a note about pages on which most baselines run from right to left but the writing does not."""
        angles: dict[int, list[bool]] = {}
        for line in self._lines:
            if line.cut.has_direction:
                angles.setdefault(line.page, []).append(written_angle(line) == 180)
        backward = [self._documents[page] for page, turned in angles.items() if 2 * sum(turned) > len(turned)]
        if not backward:
            return []
        names = ", ".join(backward[:MAX_NAMED]) + ", …" * (len(backward) > MAX_NAMED)
        return [
            f"on {len(backward)} pages most baselines run from right to left ({names}): these lines are taken to be "
            "upside down. If they are not, draw their baselines in the direction of writing."
        ]

    def __len__(self) -> int:
        """Number of usable lines."""
        return len(self._lines)

    def __getitem__(self, index: int) -> LineSample:
        """Return line index mod len, cut out of its page.

        Raises:
            ImageError: if the page's image is missing or damaged.
        """
        line = self._lines[index % len(self._lines)]
        image = line.cut.cut(self._page(line.page))
        return LineSample(image, line.text, line.name, self._documents[line.page], written_angle(line))

    def text(self, index: int) -> str:
        """Return the text of line index mod len."""
        return self._lines[index % len(self._lines)].text

    def size(self, index: int) -> tuple[int, int]:
        """Return the size of the line image."""
        return self._lines[index % len(self._lines)].cut.size

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process, without images."""
        return self.__dict__ | {"_kept": OrderedDict()}

    def _page(self, number: int) -> Image.Image:
        if number not in self._kept:
            while len(self._kept) >= MAX_CACHED_PAGES or _pixels(self._kept.values()) > MAX_PIXELS:
                self._kept.popitem(last=False)
            try:
                self._kept[number] = self._pictures[number].load()
            except PageError as error:
                raise ImageError(str(error)) from error
        self._kept.move_to_end(number)
        return self._kept[number]


def _pixels(pictures: Iterable[Image.Image]) -> int:
    return sum(picture.width * picture.height for picture in pictures)


def plan_cuts(page: Page) -> Iterator[tuple[PageLine, LineCut | ImageError]]:
    """Yield the lines of a page, in pixels of its image, each with its cut or the error that prevents it."""
    width, height = page.size or (0, 0)
    left = MAX_COVERAGE * max(MIN_PAGE_PIXELS, width * height)
    for line in page.lines:
        name = page.line_name(line)
        try:
            cut = plan_cut(line, page.size, name)
            left -= math.prod(cut.size) + PIXELS_PER_POINT * cut.num_points
            if left < 0:
                what = "the page's other lines cover it many times over, or have far too many points"
                raise ImageError(f"{name}: {what}. Segment the page again.")
        except ImageError as error:
            yield line, error
        else:
            yield line, cut


def plan_cut(line: PageLine, size: tuple[float, float] | None, name: str) -> LineCut:
    """Plan the cut of a line whose points are pixels of an image of the given size.

    Raises:
        ImageError: if it cannot be cut.
    """
    if line.problem is not None or size is None:
        raise ImageError(f"{name}: {line.problem}")
    return LineCut.of(line.polygon, line.baseline, (int(size[0]), int(size[1])), name)


def written_angle(line: IndexedLine) -> float:
    """Return the angle of a line's writing in degrees counter-clockwise, from the direction of its baseline."""
    if not line.cut.has_direction:
        return 0.0
    backwards = sum(unicodedata.bidirectional(letter) in ("R", "AL") for letter in line.text)
    return 90.0 * (line.cut.quarter % 2 if 2 * backwards > len(line.text) else line.cut.quarter)


def _text(line: PageLine, name: str) -> str:
    text = clean_text(line.text)
    if not is_seen(text):
        raise ImageError(f"{name}: the text is empty. Transcribe the line, or remove it.")
    return text


def open_pages(path: Path) -> PageLines:
    """Open a PAGE or ALTO file, or a folder of them.

    Raises:
        ValueError: if no line can be used.
    """
    files, notes = one_of_each(find_pages(path))
    return PageLines(files, str(path), notes)
