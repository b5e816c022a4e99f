"""Files that hold several pictures: the pages of a TIFF, and animations, of which the first picture stands for all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # how such a file begins
MOST_PAGES = 10_000  # of a TIFF: more are no scan, but a file made to keep a reader busy
SUBFILE_TYPE, REDUCED, MASK = 254, 1, 4  # TIFF's tag for what a picture is, and the bits of what is no page
ANIMATIONS = ("GIF", "PNG", "WEBP")


@dataclass(frozen=True)
class PicturePage:
    """A page of a TIFF that holds several.

    Args:
        path: the file.
        number: of the page, counted from 1.
    """

    path: str | Path
    number: int

    def __str__(self) -> str:
        """Name it as pages of a PDF are: page 3 of a.tif is a-0003.tif."""
        path = Path(self.path)
        return str(path.with_name(f"{path.stem}-{self.number:04}{path.suffix}"))


def find_pages(image: Image.Image) -> list[int]:
    """Return the places of a TIFF's pages among its pictures; masks and small copies are none. It shows its first.

    A page that is damaged is one, for whoever loads it to tell.

    Args:
        image: opened from a TIFF, and not yet decoded.

    Raises:
        ValueError: if there are more than `MOST_PAGES`.
    """
    found: list[int] = []
    for place in range(MOST_PAGES + 1):
        try:
            image.seek(place)
            tags: Any = getattr(image, "tag_v2", {})
            is_page = not tags.get(SUBFILE_TYPE, 0) & (REDUCED | MASK)
        except EOFError:
            break
        except Exception:  # decoders raise anything on damaged files
            found.append(place)
            break
        if is_page:
            found.append(place)
    else:
        raise ValueError(f"holds more than {MOST_PAGES:,} pages. Split it.")
    image.seek(0)
    return found or [0]


def what_is_left_out(image: Image.Image) -> str | None:
    """Return what to say of a Pillow image that shows one of several pictures; None if it is the only one."""
    if image.format == "TIFF" and getattr(image, "is_animated", False):
        return f"page {image.tell() + 1} of {getattr(image, 'n_frames', 1)} was read"
    if image.format in ANIMATIONS and getattr(image, "is_animated", False):
        return "it is an animation, whose first picture was read"
    return None
