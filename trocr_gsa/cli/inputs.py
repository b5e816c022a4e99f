"""Finds the line images or pages that the arguments of `trocr-gsa read` name."""

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trocr_gsa.data.names import visible

from .messages import report_notes

if TYPE_CHECKING:
    from trocr_gsa.data.frames import PicturePage
    from trocr_gsa.data.pages import PageFile, Scan

PAGE_SUFFIXES = (".xml", ".alto", ".pdf", ".json")
# Pictures that are not read from folders: other programs convert them, or their endings are seldom used
OTHER_PICTURES = (
    ".avif", ".djvu", ".dng", ".heic", ".heif", ".jfif", ".jpe", ".jxl", ".pbm", ".pgm", ".pnm", ".ppm", ".psd", ".svg",
)  # fmt: skip
ARCHIVES = (".7z", ".gz", ".tar", ".tgz", ".zip")  # what eScriptorium, Transkribus and others export
STANDARD_INPUT = "-"


def find_pictures(words: Sequence[str]) -> "Iterator[str | PicturePage | dict[str, Any]]":
    """Yield the images that the arguments name: files, the images in folders, matches of patterns.

    Each page of a TIFF is an image; `-` is one image from standard input.

    Raises:
        ValueError: if a folder does not exist or has no image, a pattern matches nothing, or a file is a PDF.
    """
    from trocr_gsa.data.images import PICTURE_SUFFIXES, pages_of

    for word in words:
        if word == STANDARD_INPUT:
            if sys.stdin is None:
                raise ValueError("`pictures`: - is standard input, which is closed. Give a file.")
            yield {"bytes": sys.stdin.buffer.read(), "path": STANDARD_INPUT}
            continue
        path = Path(word)
        found = sorted(_files_in(path, PICTURE_SUFFIXES)) if path.is_dir() else files_named(word)
        pdf = next((name for name in found or _files_in(path, (".pdf",)) if name.lower().endswith(".pdf")), None)
        if pdf is not None:
            raise ValueError(f"`pictures`: {pdf} has pages, not one line. Add --segment, which finds its lines.")
        if path.suffix.lower() in ARCHIVES and path.is_file():
            raise ValueError(f"`pictures`: {word} is an archive. Unpack it, and name the folder.")
        manifest = next((name for name in found if name.lower().endswith(".json")), None)
        if manifest is not None:
            raise ValueError(f"`pictures`: {manifest} is a manifest of pages. Add --segment, which finds their lines.")
        if not found:
            raise ValueError(f"`pictures`: {word} contains no picture. Give files, folders of pictures, or patterns.")
        report_notes(unread_in(path, (*OTHER_PICTURES, ".pdf")))
        yield from (page for name in found for page in pages_of(name))


def files_named(word: str) -> list[str]:
    """Return the files that match a pattern; a word that is not a pattern is returned as it is.

    Raises:
        ValueError: if a word names a folder that does not exist; missing files are reported later.
    """
    from trocr_gsa.data.images import PICTURE_SUFFIXES

    if word == STANDARD_INPUT or os.path.exists(word):
        return [word]
    if any(sign in word for sign in "*?["):
        return sorted(name for name in glob(word, recursive=True) if not Path(name).is_dir())
    if word.endswith("/") or Path(word).suffix.lower() not in (*PICTURE_SUFFIXES, *PAGE_SUFFIXES):
        raise ValueError(f"`pictures`: there is no folder or file {word}. Check the path.")
    return [word]


def unread_in(path: Path, suffixes: Collection[str] = OTHER_PICTURES) -> list[str]:
    """Return a note about the files in a folder that may show text and are not read; no note if there are none."""
    others = sorted(_files_in(path, suffixes)) if path.is_dir() else []
    if not others:
        return []
    kinds = ", ".join(sorted({Path(other).suffix.lower() for other in others}))
    return [
        f"{path}: {len(others)} files are not read ({kinds}), the first is {others[0]}. Convert them, or name them."
    ]


def _files_in(folder: Path, suffixes: Collection[str]) -> Iterator[str]:
    return (str(path) for path in visible(folder) if path.suffix.lower() in suffixes)


@dataclass(frozen=True)
class PageInputs:
    """The pages that the arguments of a command name, with messages about them.

    Args:
        files: the pages; None if the arguments name line images.
        problems: messages about pages that are left out.
        notes: other messages.
    """

    files: "Sequence[PageFile | Scan] | None"
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()


def find_page_files(words: Sequence[str], kind: str, group: str | None = None) -> PageInputs:
    """Return the pages that the arguments name.

    A folder that contains XML is a folder of pages, even if the XML is damaged: its images do not show one line each.

    Args:
        words: files, folders and patterns.
        kind: "PAGE" or "ALTO": the format to use if a page has both.
        group: file group of METS files; None: the only one that has pages.

    Raises:
        ValueError: if the arguments name both pages and line images, or a METS file has no such group.
    """
    from trocr_gsa.data.pages import find_pages, holds_xml, one_of_each
    from trocr_gsa.data.pages.mets import is_mets, pages_in_mets

    named = [name for word in words for name in files_named(word)]
    holding = [name for name in named if holds_xml(Path(name))]
    others = [name for name in named if name not in holding]
    if holding and others:
        raise ValueError(
            f"`pictures`: {holding[0]} has pages and {others[0]} is a picture. Read pages (PAGE, ALTO) and pictures of "
            "lines in separate runs; for a page, give only its XML file, which names the picture."
        )
    if group is not None and not any(is_mets(Path(name)) for name in holding):
        raise ValueError("`--file-group` applies to METS files, but there is none among the inputs. Name one.")
    if not holding:
        return PageInputs(None)
    found: list[PageFile] = []
    problems: list[str] = []
    notes: list[str] = []
    for name in holding:
        if Path(name).is_file() and is_mets(Path(name)):
            files, missing = pages_in_mets(Path(name), group)
        else:
            files = list(find_pages(Path(name)))
            missing = _without_pages(name, files)
            notes += [] if missing else _pictures_without_page(Path(name), files)
        found += files
        problems += missing
    files, skipped = one_of_each(found, kind)
    return PageInputs(files, problems, [*notes, *skipped])


def _pictures_without_page(path: Path, files: "Sequence[PageFile]") -> list[str]:
    """Return a note about the images in a folder that belong to none of its pages; no note if there are none."""
    from trocr_gsa.data.pages.page_files import pictures_without_page

    others = pictures_without_page(path, files) if path.is_dir() else []
    if not others:
        return []
    return [
        f"{path}: {len(others)} images have no PAGE or ALTO file and are not read, the first is {others[0]}. Export "
        "their pages too, or find their lines with --segment."
    ]


def check_targets(targets: "Iterable[tuple[PageFile | Scan, Path]]", field: str) -> None:
    """Check that each page is written to a file of its own.

    Args:
        targets: pages, each with its file.
        field: name of the user's argument for the output folder.

    Raises:
        ValueError: if two pages have the same file.
    """
    pages: dict[Path, PageFile | Scan] = {}
    for page, target in targets:
        if target in pages:
            both = f"{pages[target].path} and {page.path}"
            raise ValueError(f"`{field}`: {both} would both become {target}. Write them into separate folders.")
        pages[target] = page


def _without_pages(name: str, files: "Sequence[PageFile]") -> list[str]:
    """Return a message if a folder has files that accompany pages, such as METS, but no page."""
    from trocr_gsa.data.pages.page_files import are_companions

    if not are_companions(files):
        return []
    return [
        f"{name}: {files[0].name} usually accompanies pages, but there is no PAGE or ALTO file with their lines. "
        f"Export these too, or add --segment; if each picture shows one line, name the pictures: '{name}/*.png'."
    ]
