"""Finds the fonts of the system, and the characters that each can draw.

Each character is drawn and compared with the font's glyph for missing characters, so that a label never has a character
that the image does not show. Fonts without small letters (initials, capitals for both cases), symbol and icon fonts are
left out. If the system has no fonts, Pillow's built-in font is used.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from PIL import ImageFont

FONT_SUFFIXES = {".ttf", ".otf", ".ttc", ".woff", ".woff2"}
BUILTIN_FAMILY = "Pillow built-in"
REFERENCE_SIZE = 64
REQUIRED = "abcdefghilmnopqrstuv"
CANDIDATES = "".join(map(chr, range(0x21, 0x7F))) + (
    "¡¢£§©«°±²³·»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõö÷øùúûüýÿ"
    "ĀāĂăĄąĆćČčĎďĐđĒēĘęĚěĞğĪīİıĹĺĽľŁłŃńŇňŌōŐőŒœŔŕŘřŚśŞşŠšŢţŤťŪūŮůŰűŸŹźŻżŽžſȘșȚțẞỹ–—‘’‚“”„†‡•…‰‹›€№⸗ꝛꝑꝓꝗꝯꝰ¬¶×\u0303\u0304\u0364"
)
UNSUITABLE = re.compile(
    r"symbol|emoji|icon|dingbat|keyboard|initials|math|braille|ornament|barcode|opensymbol|awesome|music|hairline|bizarre",
    re.I,
)
# Probability of a family relative to a modern book typeface: typefaces like those of rare material are more frequent
FAMILY_WEIGHTS: tuple[tuple[str, float], ...] = (
    (r"blankenburg|gamaliel|fraktur|blackletter|textur|schwabach|jessen|fust|rusch|zainer|rotunda", 3.0),
    (r"junicode|old ?standard|cardo|garamond|goudy|essays|caslon|fell", 1.5),
    (r"libertine o|charis|hamlet|ptolemy|parix|soufflet", 1.5),
    (r"hand|script|joscelyn|ecolier|breip|femke|ruf|isabella|kristi|kaushan|klee|cursive|schul|lobster|tomson", 2.0),
    (r"mono|courier|typewriter|code", 0.4),
)


@lru_cache(maxsize=512)
def load_font(path: str, size: int) -> ImageFont.FreeTypeFont:
    """Open a font file at a size in pixels; the empty path is Pillow's built-in font."""
    if not path:
        font = ImageFont.load_default(size)
        if not isinstance(font, ImageFont.FreeTypeFont):
            raise ValueError(
                "`fonts`: Pillow was built without FreeType, so no text can be drawn. Install a Pillow wheel from PyPI."
            )
        return font
    return ImageFont.truetype(path, size)


def glyph(font: ImageFont.FreeTypeFont, text: str) -> tuple[tuple[int, int], bytes]:
    """Draw `text` with a font, and return size and pixels."""
    mask = font.getmask(text)
    return mask.size, bytes(mask)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Font:
    """A font file, with its family, its style, and the characters it can draw.

    Args:
        path: the file, or "" for Pillow's built-in font.
        family: family name, by which fonts are weighted, selected or excluded.
        style: name of the style, such as "Bold Italic", for display only.
    """

    path: str
    family: str
    style: str = ""

    @cached_property
    def charset(self) -> frozenset[str]:
        """The characters of `CANDIDATES` for which this font has a glyph, and the space."""
        return self._drawn(CANDIDATES) | {" "}

    def _drawn(self, characters: str) -> frozenset[str]:
        font = load_font(self.path, REFERENCE_SIZE)
        missing = {glyph(font, "\uffff"), glyph(font, "\U0010fffe")}
        drawn = {c: glyph(font, c) for c in characters}
        return frozenset(c for c, g in drawn.items() if g not in missing and any(g[1]))

    @property
    def is_readable(self) -> bool:
        """Whether the font has the common small letters, each lower than its capital."""
        if self._drawn(REQUIRED) != set(REQUIRED):  # only these letters, because a system may have hundreds of fonts
            return False
        font = load_font(self.path, REFERENCE_SIZE)
        ratios = sorted(glyph(font, c)[0][1] / glyph(font, c.upper())[0][1] for c in "eanrm")
        return ratios[2] < 0.93  # fonts with capitals only draw both cases at the same height

    @property
    def weight(self) -> float:
        """Probability of its family, relative to a modern book typeface."""
        return next((w for pattern, w in FAMILY_WEIGHTS if re.search(pattern, self.family, re.I)), 1.0)


def font_folders() -> list[Path]:
    """Return the font folders of this system."""
    home = Path.home()
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts"]
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".fonts", home / ".local/share/fonts"]


def scan(folder: Path) -> list[Font]:
    """Return the readable fonts below `folder`, sorted by path."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in FONT_SUFFIXES):
        try:
            family, style = load_font(str(path), REFERENCE_SIZE).getname()
            font = Font(str(path), family or path.stem, style or "")
            if not UNSUITABLE.search(f"{font.family} {font.style} {path.stem}") and font.is_readable:
                found.append(font)
        except OSError:
            continue
    return found


@lru_cache(maxsize=8)
def _scan_all(folder: str | None) -> tuple[Font, ...]:
    folders = [Path(folder)] if folder else font_folders()
    return tuple(font for f in folders if f.is_dir() for font in scan(f))


def matches(family: str, patterns: Iterable[str]) -> bool:
    """Whether `family` is one of `patterns`, ignoring case."""
    return family.casefold() in {p.casefold() for p in patterns}


def find_fonts(fonts: str | Path | None = None, only: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[Font]:
    """Find the fonts of the system, or of a folder, that can draw Latin text.

    Args:
        fonts: folder to search instead of the system's folders.
        only: if given, only these families are used.
        exclude: families to leave out, for example for a test on unseen fonts.

    Raises:
        ValueError: if `fonts` does not exist or has no usable font, a name in `only` is not found, or no font is left.
    """
    if fonts is not None and not Path(fonts).is_dir():
        raise ValueError(
            f"`fonts` must be a folder with fonts, but {fonts} does not exist. Leave it out for the system's fonts."
        )
    found = list(_scan_all(str(fonts) if fonts else None))
    if not found:
        if fonts is not None:
            suffixes = ", ".join(sorted(FONT_SUFFIXES))
            raise ValueError(
                f"`fonts`: {fonts} has no font ({suffixes}) with Latin letters. Leave it out for the system's fonts."
            )
        found = [Font("", BUILTIN_FAMILY)]
    known = {f.family.casefold() for f in found}
    unknown = [name for name in only if name.casefold() not in known]
    if unknown:
        raise ValueError(
            f"`only`: no usable font of the family {unknown[0]!r} was found. "
            f"Install it, or name one of {sorted({f.family for f in found})}."
        )
    kept = [f for f in found if (not only or matches(f.family, only)) and not matches(f.family, exclude)]
    if not kept:
        raise ValueError(f"`exclude` leaves none of the {len(known)} families found. Exclude fewer.")
    return kept
