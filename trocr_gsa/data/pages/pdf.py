"""Pages of a PDF as pictures: one at a time, so that a book of thousands needs the memory of a page.

What is unusual: each is drawn by a process of its own, `pdf_worker`, which may take 20 s and 2 GB. PDFs hold programs
that draw, and those of strangers may never end.
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
LONGEST = 4961  # pixels of a page's long side: A3 at that resolution; what claims to be larger is drawn more coarsely
MOST_PAGES = 10_000
SECONDS = 20  # of the processor, for a page
PATIENCE = 20  # times as long on the clock, for machines that do other work
BYTES = 2_000_000_000  # of memory


def count_pages(path: Path, name: str) -> int:
    """Return how many pages a PDF has; at least one.

    Raises:
        PageError: if it is gone, damaged, locked, has none, or has far fewer than it says.
        ValueError: if pypdfium2 is not installed.
    """
    found, _ = _ask("count", path, name)
    if "error" in found:
        raise PageError(f"{name}: is no PDF that can be opened, or has no pages. Export it again.")
    pages, there = found["pages"], found["there"]
    if pages > MOST_PAGES:
        raise PageError(f"{name}: says that it has {pages:,} pages, more than {MOST_PAGES:,}. Split the PDF.")
    if 2 * there < pages:
        raise PageError(f"{name}: says that it has {pages:,} pages, and has {there:,}. Export the PDF again.")
    if not pages:
        raise PageError(f"{name}: the PDF has no pages. Export it again, or leave it out.")
    return pages


def render_page(path: Path, number: int, name: str) -> Image.Image:
    """Draw a page of a PDF, counted from 1; mode "RGB".

    Raises:
        PageError: if it cannot be drawn.
        ValueError: if pypdfium2 is not installed.
    """
    found, picture = _ask("draw", path, name, number, RESOLUTION, LONGEST)
    if "error" in found:
        raise PageError(f"{name}: page {number} cannot be drawn ({found['error']}). Export the PDF again.")
    return Image.frombytes("RGB", (found["width"], found["height"]), picture)


def _ask(task: str, path: Path, name: str, *numbers: int) -> tuple[dict[str, Any], bytes]:
    """Have a PDF opened, and return the answer; see `pdf_worker`.

    Raises:
        PageError: if it is gone or locked, or the process was ended.
        ValueError: if pypdfium2 is not installed.
    """
    try:
        import pypdfium2  # noqa: F401  # pyright: ignore[reportMissingImports]  # of an extra
    except ImportError as error:
        raise ValueError("PDF needs pypdfium2, which is not here: pip install 'trocr-gsa[pages]'") from error
    if not path.is_file():
        raise PageError(f"{name}: cannot be read (no such file). Check the path.")
    found, picture = _run([task, str(path), *map(str, numbers)], name)
    if found.get("locked"):
        raise PageError(f"{name}: the PDF is locked by a password. Save it without.")
    return found, picture


def _run(words: list[str], name: str) -> tuple[dict[str, Any], bytes]:
    """Answer in a process of its own."""
    command = [sys.executable, "-P", pdf_worker.__file__, str(SECONDS), str(BYTES), *words]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE * SECONDS, check=False)
        answer = done.stdout if not done.returncode else b""
    except subprocess.TimeoutExpired:
        answer = b""
    head, _, picture = answer.partition(b"\n")
    if not head:
        limits = f"{SECONDS} s or {BYTES / 1e9:g} GB"
        raise PageError(f"{name}: takes more than {limits}, or stops its reader. Export it again, or leave it out.")
    return json.loads(head), picture
