"""What is asked of a PDF, in a process of its own: one made to hang, crash or fill the memory does so there alone.

    python -P pdf_worker.py SECONDS BYTES count FILE
    python -P pdf_worker.py SECONDS BYTES draw FILE PAGE DOTS_PER_INCH LONGEST

What is unusual: it is run as a file and imports nothing of the package, so that it starts in a tenth of a second.

The answer, on standard output, is a line of JSON: {"pages", "there"}, how many pages the PDF says it has and how many
of those can be opened; or {"width", "height"}, with the picture's RGB bytes behind it; or {"error", "locked"}.
"""

import json
import os
import sys
from contextlib import closing
from typing import Any

POINTS = 72  # of PDF, per inch
MOST_LOOKED_AT = 10_000  # pages


def answer(words: list[str]) -> tuple[dict[str, Any], bytes]:
    """Return the answer, and the picture's bytes if it is one."""
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
    if 0 < pages <= MOST_LOOKED_AT and not _is_there(document, pages - 1):
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
    """Have the system end this process where it takes more of the processor's time, or refuse it more memory.

    What is ended so leaves no core file behind.
    """
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
