"""The part of `trocr-gsa read --segment`: pictures of pages and PDFs, whose lines are yet to be found."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .inputs import files_named

if TYPE_CHECKING:
    from trocr_gsa.data.pages import PageFile, Scan, SegmentedPage

    from .page_options import PageOptions


def find_scan_files(words: Sequence[str]) -> "tuple[list[Scan], list[str]]":
    """Return the pages that the words mean, and of PDFs that cannot be opened what is wrong.

    PAGE and ALTO files that lie in a folder are left alone: the lines are found anew.

    Raises:
        ValueError: if a word means a PAGE or ALTO file itself, or a folder without pictures.
    """
    from trocr_gsa.data.pages import find_scans
    from trocr_gsa.data.pages.listing import XML_SUFFIXES

    scans: list[Scan] = []
    problems: list[str] = []
    for word in words:
        named = files_named(word)
        found = 0
        for name in named:
            if name.lower().endswith(XML_SUFFIXES):
                raise ValueError(
                    f"`--segment` finds the lines of pictures and PDFs, and {name} says where its lines are. Read it "
                    "without --segment, or name its picture."
                )
            some, wrong = find_scans(Path(name))
            scans += some
            problems += wrong
            found += len(some) + len(wrong)
        if not found:
            raise ValueError(f"`pictures`: {word} holds no picture and no PDF. Give files, folders, or patterns.")
    return scans, problems


def find_lines(scans: "Sequence[Scan]", options: "PageOptions") -> "Iterator[SegmentedPage]":
    """Return the pages with their lines, which are found while they are asked for.

    Raises:
        ValueError: if kraken is not installed.
    """
    from trocr_gsa.data.pages import KrakenSegmenter, segmented_pages
    from trocr_gsa.data.pages.outputs import FORMATS

    format = FORMATS[options.format]
    keep = options.folder if format.needs_folder else None
    return segmented_pages(scans, KrakenSegmenter.find(), format.kind or "PAGE", keep)


def kept_pictures(files: "Sequence[PageFile | Scan]", folder: Path) -> set[Path]:
    """Return where the pictures of PDF pages would be kept in a folder."""
    from trocr_gsa.data.pages import Scan

    return {(folder / file.name).resolve() for file in files if isinstance(file, Scan) and file.page is not None}
