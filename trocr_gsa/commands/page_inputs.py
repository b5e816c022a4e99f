"""Which pages the words of `trocr-gsa read` mean, and whether they mean pages at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .inputs import files_named

if TYPE_CHECKING:
    from trocr_gsa.data.pages import PageFile, Scan


@dataclass(frozen=True)
class PageInputs:
    """The pages that the words of a command mean, and what is to be said of them.

    Args:
        files: the pages; None: the words mean pictures of lines.
        problems: what was left out already.
        notes: what else should be known.
    """

    files: "Sequence[PageFile | Scan] | None"
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()


def find_page_files(words: Sequence[str], format: str) -> PageInputs:
    """Return the pages that the words mean.

    A folder with any XML in it is of pages: whatever is wrong with that XML, its pictures are not of one line each.

    Args:
        words: files, folders and patterns.
        format: that will be written: of pages that are there in two kinds, those are taken that it fills in.

    Raises:
        ValueError: if they mean both pages and pictures.
    """
    from trocr_gsa.data.pages import find_pages, holds_xml, one_of_each
    from trocr_gsa.data.pages.outputs import FORMATS

    named = [name for word in words for name in files_named(word)]
    holding = [name for name in named if holds_xml(Path(name))]
    others = [name for name in named if name not in holding]
    if holding and others:
        raise ValueError(
            f"`pictures`: {holding[0]} is of pages and {others[0]} is not. Read pages (PAGE, ALTO) and pictures of "
            "lines one after the other; of a page, name the XML file: its picture is found."
        )
    if not holding:
        return PageInputs(None)
    found = [(name, list(find_pages(Path(name)))) for name in holding]
    problems = [problem for name, files in found for problem in _without_pages(name, files)]
    files, notes = one_of_each([file for _, files in found for file in files], FORMATS[format].kind or "PAGE")
    return PageInputs(files, problems, notes)


def _without_pages(name: str, files: "Sequence[PageFile]") -> list[str]:
    """Say of a folder that it holds what lies beside pages, and no page; nothing of others."""
    from trocr_gsa.data.pages.listing import are_companions

    if not are_companions(files):
        return []
    return [
        f"{name}: {files[0].name} is there, as beside pages, and no PAGE or ALTO file that says where their lines are. "
        f"Export these too, or add --segment; if each picture is of one line, name the pictures: '{name}/*.png'."
    ]
