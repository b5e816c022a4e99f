"""Opens a PDF in a separate process, so that a malicious PDF cannot block, crash or fill the memory of the caller.

    python -P pdf_worker.py SECONDS BYTES count FILE
    python -P pdf_worker.py SECONDS BYTES draw FILE PAGE DOTS_PER_INCH MAX_SIDE

What is unusual: this file is run directly and does not import the package, so that it starts in a tenth of a second.

The answer on standard output is a line of JSON: {"pages", "there"}, the number of pages that the PDF claims to have and
the number that can be opened; or {"width", "height"}, followed by the image's RGB bytes; or {"error", "locked"}.
"""

import json
import os
import sys
from contextlib import closing
from typing import Any

POINTS = 72  # of PDF, per inch
MAX_CHECKED_PAGES = 10_000


def answer(words: list[str]) -> tuple[dict[str, Any], bytes]:
    """Return the answer, and the bytes of the image if there is one."""
    import pypdfium2  # pyright: ignore[reportMissingImports]  # of an extra

    task, path, *numbers = words
    try:
        with closing(pypdfium2.PdfDocument(os.path.abspath(path))) as document:
            return _count(document) if task == "count" else _draw(document, *map(int, numbers))
    except (pypdfium2.PdfiumError, OSError, ValueError, OverflowError, MemoryError) as error:
        code = getattr(error, "err_code", None)
        return {"error": str(error), "locked": code == pypdfium2.raw.FPDF_ERR_PASSWORD}, b""


def _count(document: Any) -> tuple[dict[str, Any], bytes]:
    pages = len(document)
    there = pages
    if 0 < pages <= MAX_CHECKED_PAGES and not _is_there(document, pages - 1):
        there = sum(_is_there(document, place) for place in range(pages))
    return {"pages": pages, "there": there}, b""


def _is_there(document: Any, place: int) -> bool:
    import pypdfium2  # pyright: ignore[reportMissingImports]

    try:
        document[place].close()
    except pypdfium2.PdfiumError:
        return False
    return True


def _draw(document: Any, number: int, resolution: int, longest: int) -> tuple[dict[str, Any], bytes]:
    with closing(document[number - 1]) as page:
        scale = min(resolution / POINTS, longest / max(*page.get_size(), 1))
        image = page.render(scale=scale).to_pil().convert("RGB")
    return {"width": image.width, "height": image.height}, image.tobytes()


def _limit(seconds: int, memory: int) -> None:
    """Limit the CPU time and memory of this process; no core file is written when the system stops it."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    _limit(int(sys.argv[1]), int(sys.argv[2]))
    head, picture = answer(sys.argv[3:])
    sys.stdout.buffer.write(json.dumps(head, allow_nan=False).encode() + b"\n" + picture)
