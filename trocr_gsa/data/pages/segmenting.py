"""Segments pages without layout with a separate program, a few pages at a time.

What is unusual: a page is rendered or decoded only when its turn comes, and is kept in a temporary folder until its
lines are cut. So a PDF with thousands of pages needs disk space for a few.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from trocr_gsa.atomic import write_bytes

from ..images import ImageError, image_size, load_image
from .page import Page
from .page_files import PageFile
from .page_pictures import PagePicture
from .scans import Scan
from .xml_files import PageError, namespace_of

PAGES_PER_CALL = 8  # pages passed to the segmenter at once, because the program starts slowly
JPEG_QUALITY = 95
JPEG_CHANGE = 32  # grey levels by which JPEG changes a pixel at most, in this quality
MOST_CHANGED = 1e-4  # share of the pixels that may change more; a line of text has more ink
NAMED_IN = {"PAGE": "Page", "ALTO": "fileName"}  # the element with the name of the image


class Segmenter(Protocol):
    """Finds lines: writes a PAGE or ALTO file next to each image, with the suffix .xml."""

    def __call__(self, pictures: Sequence[Path], kind: str) -> dict[Path, str]:
        """Find the lines of images, and return the problems by image.

        Args:
            pictures: PNG files.
            kind: kind of the files to write, "PAGE" or "ALTO".
        """
        ...


@dataclass(frozen=True)
class SegmentedPage:
    """A segmented page; it must be opened before the next page is taken from the iterator.

    Args:
        name: name of the image relative to the user's folder.
        picture: the temporary file.
        problem: message if there is no layout.
        scan: the scan that the temporary file was made from; None: unknown.
    """

    name: str
    picture: Path
    problem: str | None = None
    scan: Scan | None = None

    def open(self) -> tuple[Page, PagePicture]:
        """Return the page with its lines, and its image.

        Raises:
            PageError: if there is no layout.
        """
        if self.problem is not None:
            raise PageError(self.problem)
        layout = self.picture.with_suffix(".xml")
        page = PageFile(layout, layout.parent, self.name, is_named=True).read()
        assert page is not None  # because of `is_named`
        image = Path(self.name).name
        _name_picture(page, image)
        problem = None if page.lines else f"{self.name}: no line was found on it."
        page = replace(page.scaled_to(image_size(self.picture)), image=image, problem=problem, picture=self.scan)
        return page, PagePicture(self.picture, self.name)


def segmented_pages(
    scans: Iterable[Scan], segment: Segmenter, kind: str, keep: Path | None = None
) -> Iterator[SegmentedPage]:
    """Segment pages, in the given order.

    Args:
        scans: the pages.
        segment: the segmenter.
        kind: kind of the layout, "PAGE" or "ALTO".
        keep: folder in which the images of PDF pages are kept, under their names; None: they are not kept.
    """
    scans = iter(scans)
    while some := list(islice(scans, PAGES_PER_CALL)):
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
                yield SegmentedPage(scan.name, picture, problems.get(picture), scan)


def _put(scan: Scan, picture: Path, keep: Path | None) -> None:
    """Write a page's image for the segmenter, and that of a PDF page also to the folder `keep`.

    Raises:
        PageError: if it cannot be loaded, or `keep` has another image with its name.
    """
    image = scan.load()
    image.save(picture, compress_level=1)
    if keep is None or scan.is_file:
        return
    kept = keep / scan.name
    if not kept.exists():
        jpeg = io.BytesIO()
        image.save(jpeg, "JPEG", quality=JPEG_QUALITY)
        write_bytes(kept, jpeg.getvalue())
    elif not _shows(kept, image):
        raise PageError(f"{scan.name}: {kept} exists and is another picture. Move it, or choose another folder.")


def _name_picture(page: Page, image: str) -> None:
    """Write the name of the user's image into a page's file, instead of the temporary file's."""
    root = page.document.root
    for element in root.iter(f"{{{namespace_of(root)}}}{NAMED_IN[page.kind]}"):
        if page.kind == "PAGE":
            element.set("imageFilename", image)
        else:
            element.text = image


def _shows(kept: Path, image: Image.Image) -> bool:
    """Whether a file shows an image, except for what JPEG changes; pages of other PDFs often have the same size."""
    try:
        before = load_image(kept)
    except ImageError:
        return False
    if before.size != image.size:
        return False
    levels, now = (np.asarray(each.convert("L"), dtype=np.int16) for each in (before, image))
    return float(np.mean(np.abs(levels - now) > JPEG_CHANGE)) <= MOST_CHANGED
