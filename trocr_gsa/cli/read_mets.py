"""The part of `trocr-gsa read` that lists its output files in a METS file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trocr_gsa.data.pages import PageFile, Scan
    from trocr_gsa.data.provenance import Provenance

NAME = "mets.xml"


def list_in_mets(
    files: Sequence[PageFile | Scan], folder: Path, target: Callable[[str], Path | None], made: Provenance
) -> None:
    """Write `mets.xml` into a folder, with its text files and their images in the order of the pages.

    Args:
        files: the pages.
        folder: with the text files.
        target: returns the path of the text file from the name of a page.
        made: provenance of the texts.
    """
    from trocr_gsa.atomic import write_bytes
    from trocr_gsa.data.pages.mets import write_mets

    pages = []
    for file in files:
        text = target(file.name)
        if text is not None and text.exists():
            picture = _picture(file, folder)
            pages.append((_relative(text, folder), picture and _relative(picture, folder)))
    write_bytes(folder / NAME, write_mets(pages, made))


def _picture(file: PageFile | Scan, folder: Path) -> Path | None:
    """Return the path of a page's image, for a PDF that of the kept image; None if there is none."""
    from trocr_gsa.data.pages import PageError, Scan

    if isinstance(file, Scan):
        kept = folder / file.name
        return file.path if file.is_file else kept if kept.exists() else None
    try:
        opened = file.open()
    except PageError:
        return None
    return opened and opened[1].path


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
