"""Pages without layout: their lines are found by a program for that, a few pages at a time.

What is unusual: a page is drawn or decoded only when its turn comes, and lies in a temporary folder until its lines are
cut; so a PDF of thousands of pages needs room for a few.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

from trocr_gsa.atomic import write_bytes

from ..images import ImageError, image_size
from .page import Page
from .page_files import PageFile
from .page_pictures import PagePicture
from .scans import Scan
from .xml_files import PageError, namespace_of

TOGETHER = 8  # pages handed to the segmenter at once: a program takes its time to start
JPEG_QUALITY = 95
NAMED_IN = {"PAGE": "Page", "ALTO": "fileName"}  # the element that names the picture


class Segmenter(Protocol):
    """Finds lines: writes a PAGE or ALTO file beside each picture, with the ending .xml."""

    def __call__(self, pictures: Sequence[Path], kind: str) -> dict[Path, str]:
        """Find the lines of pictures, and return what went wrong, by picture.

        Args:
            pictures: PNG files.
            kind: of the files to write, "PAGE" or "ALTO".
        """
        ...


@dataclass(frozen=True)
class SegmentedPage:
    """A page whose lines were looked for; to be opened before the next one is asked for.

    Args:
        name: of the picture below the folder that was given.
        picture: the temporary file.
        problem: what to say of it if there is no layout.
    """

    name: str
    picture: Path
    problem: str | None = None

    def open(self) -> tuple[Page, PagePicture]:
        """Return the page with its lines, and its picture.

        Raises:
            PageError: if there is none.
        """
        if self.problem is not None:
            raise PageError(self.problem)
        layout = self.picture.with_suffix(".xml")
        page = PageFile(layout, layout.parent, self.name, is_named=True).read()
        assert page is not None  # as it is named
        image = Path(self.name).name
        _name_picture(page, image)
        problem = None if page.lines else f"{self.name}: no line was found on it."
        page = replace(page.scaled_to(image_size(self.picture)), image=image, problem=problem)
        return page, PagePicture(self.picture, self.name)


def segmented_pages(
    scans: Iterable[Scan], segment: Segmenter, kind: str, keep: Path | None = None
) -> Iterator[SegmentedPage]:
    """Find the lines of pages, in the order given.

    Args:
        scans: the pages.
        segment: finds lines.
        kind: of the layout, "PAGE" or "ALTO".
        keep: folder in which the pictures of PDF pages are kept, under their names; None: they are not.
    """
    scans = iter(scans)
    while some := list(islice(scans, TOGETHER)):
        with tempfile.TemporaryDirectory(prefix="trocr-gsa-") as folder:
            pictures = {Path(folder) / f"{number}.png": scan for number, scan in enumerate(some)}
            problems: dict[Path, str] = {}
            for picture, scan in pictures.items():
                try:
                    _put(scan, picture, keep)
                except PageError as error:
                    problems[picture] = str(error)
            for picture, problem in segment([path for path in pictures if path not in problems], kind).items():
                problems[picture] = f"{pictures[picture].name}: {problem}"
            for picture, scan in pictures.items():
                yield SegmentedPage(scan.name, picture, problems.get(picture))


def _put(scan: Scan, picture: Path, keep: Path | None) -> None:
    """Put a page's picture where the segmenter looks for it, and a PDF page's where it is kept.

    Raises:
        PageError: if there is none, or another one is kept under its name.
    """
    image = scan.load()
    image.save(picture, compress_level=1)
    if keep is None or scan.page is None:
        return
    kept = keep / scan.name
    if not kept.exists():
        jpeg = io.BytesIO()
        image.save(jpeg, "JPEG", quality=JPEG_QUALITY)
        write_bytes(kept, jpeg.getvalue())
    elif _size_of(kept) != image.size:
        raise PageError(f"{scan.name}: {kept} is there and is another picture. Move it, or choose another folder.")


def _name_picture(page: Page, image: str) -> None:
    """Let a page's file name its picture as people know it, not the temporary one."""
    root = page.document.root
    for element in root.iter(f"{{{namespace_of(root)}}}{NAMED_IN[page.kind]}"):
        if page.kind == "PAGE":
            element.set("imageFilename", image)
        else:
            element.text = image


def _size_of(picture: Path) -> tuple[int, int] | None:
    try:
        return image_size(picture)
    except ImageError:
        return None
