"""Files with several images: the pages of a TIFF, and animations, of which only the first frame is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # first bytes of a TIFF
MAX_PAGES = 10_000  # a TIFF with more is not a scan, but a file made to block a reader
SUBFILE_TYPE, REDUCED, MASK = 254, 1, 4  # TIFF's tag for an image's type, and its bits for thumbnails and masks
ANIMATIONS = ("GIF", "PNG", "WEBP")


@dataclass(frozen=True)
class PicturePage:
    """A page of a TIFF with several pages.

    Args:
        path: the file.
        number: number of the page, counted from 1.
    """

    path: str | Path
    number: int

    def __str__(self) -> str:
        """Return a name in the style of PDF pages: page 3 of a.tif is a-0003.tif."""
        path = Path(self.path)
        return str(path.with_name(f"{path.stem}-{self.number:04}{path.suffix}"))


def find_pages(image: Image.Image) -> list[int]:
    """Return the indices of a TIFF's pages among its images, without masks and thumbnails, and seek the first image.

    A damaged page is listed too; loading it raises the error.

    Args:
        image: a TIFF that was opened but not decoded.

    Raises:
        ValueError: if there are more than `MAX_PAGES`.
    """
    found: list[int] = []
    for place in range(MAX_PAGES + 1):
        try:
            image.seek(place)
            tags: Any = getattr(image, "tag_v2", {})
            is_page = not tags.get(SUBFILE_TYPE, 0) & (REDUCED | MASK)
        except EOFError:
            break
        except Exception:  # decoders raise errors of all types for damaged files
            found.append(place)
            break
        if is_page:
            found.append(place)
    else:
        raise ValueError(f"has more than {MAX_PAGES:,} pages. Split it.")
    image.seek(0)
    return found or [0]


def what_is_left_out(image: Image.Image) -> str | None:
    """Return a note about a Pillow image that is one of several in its file; None if it is the only one."""
    if image.format == "TIFF" and getattr(image, "is_animated", False):
        return f"page {image.tell() + 1} of {getattr(image, 'n_frames', 1)} was read"
    if image.format in ANIMATIONS and getattr(image, "is_animated", False):
        return "it is an animation; only its first frame was read"
    return None
