"""Renders the pages of a PDF as images, one at a time, so that a long PDF needs no more memory than one page.

What is unusual: each page is rendered in a separate process, `pdf_worker`, with a limit of 20 s and 2 GB. A PDF
contains drawing programs, and a PDF from a stranger may never end.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from . import pdf_worker
from .xml_files import PageError

RESOLUTION = 300  # dots per inch
MAX_SIDE = 4961  # pixels of a page's long side: A3 at this resolution; larger pages are rendered at a lower resolution
MAX_PAGES = 10_000
SECONDS = 20  # CPU time for a page
WALL_CLOCK_FACTOR = 20  # limit of wall-clock time, as a multiple of SECONDS, for busy machines
BYTES = 2_000_000_000  # of memory


def count_pages(path: Path, name: str) -> int:
    """Return the number of pages of a PDF; at least one.

    Raises:
        PageError: if it is missing, damaged or locked, has no pages, or far fewer than it claims.
        ValueError: if pypdfium2 is not installed.
    """
    found, _ = _ask("count", path, name)
    if "error" in found:
        raise PageError(f"{name}: is not a PDF that can be opened, or has no pages. Export it again.")
    pages, there = found["pages"], found["there"]
    if pages > MAX_PAGES:
        raise PageError(f"{name}: claims to have {pages:,} pages, more than {MAX_PAGES:,}. Split the PDF.")
    if 2 * there < pages:
        raise PageError(f"{name}: claims to have {pages:,} pages, but has {there:,}. Export the PDF again.")
    if not pages:
        raise PageError(f"{name}: the PDF has no pages. Export it again, or leave it out.")
    return pages


def render_page(path: Path, number: int, name: str) -> Image.Image:
    """Render a page of a PDF, counted from 1, in mode "RGB".

    Raises:
        PageError: if it cannot be rendered.
        ValueError: if pypdfium2 is not installed.
    """
    found, picture = _ask("draw", path, name, number, RESOLUTION, MAX_SIDE)
    if "error" in found:
        raise PageError(f"{name}: page {number} cannot be drawn ({found['error']}). Export the PDF again.")
    return Image.frombytes("RGB", (found["width"], found["height"]), picture)


def _ask(task: str, path: Path, name: str, *numbers: int) -> tuple[dict[str, Any], bytes]:
    """Open a PDF in a separate process, and return its answer; see `pdf_worker`.

    Raises:
        PageError: if the file is missing or locked, or the process was stopped.
        ValueError: if pypdfium2 is not installed.
    """
    try:
        import pypdfium2  # noqa: F401  # pyright: ignore[reportMissingImports]  # of an extra
    except ImportError as error:
        raise ValueError("PDF needs pypdfium2, which is not installed: pip install 'trocr-gsa[pages]'") from error
    if not path.is_file():
        raise PageError(f"{name}: cannot be read (no such file). Check the path.")
    found, picture = _run([task, str(path), *map(str, numbers)], name)
    if found.get("locked"):
        raise PageError(f"{name}: the PDF is locked by a password. Save it without a password.")
    return found, picture


def _run(words: list[str], name: str) -> tuple[dict[str, Any], bytes]:
    """Run `pdf_worker` in a separate process, and return its answer."""
    command = [sys.executable, "-P", pdf_worker.__file__, str(SECONDS), str(BYTES), *words]
    try:
        done = subprocess.run(command, capture_output=True, timeout=WALL_CLOCK_FACTOR * SECONDS, check=False)
        answer = done.stdout if not done.returncode else b""
    except subprocess.TimeoutExpired:
        answer = b""
    head, _, picture = answer.partition(b"\n")
    if not head:
        limits = f"{SECONDS} s or {BYTES / 1e9:g} GB"
        raise PageError(f"{name}: needs more than {limits}, or crashes. Export the PDF again, or leave it out.")
    return json.loads(head), picture
