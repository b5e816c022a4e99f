"""Text normalization: the transcription policy of the readers, and what evaluation treats as equal.

See docs/transcription.md. What is unusual: characters are written as they are on the page (ſ, u and v, abbreviations,
marks above letters). Only differences that come from the typeface or from an editor's conventions are removed:
ligatures, private-use characters of fonts, hyphens, `^`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Literal, get_args

from .samples import LineDataset, LineSample, clean_text

Normalization = Literal["none", "policy", "letters"]

LIGATURES = {
    "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "ſt", "ﬆ": "st", "ĳ": "ij", "Ĳ": "IJ",
}  # fmt: skip
# Private-use characters of the Medieval Unicode Font Initiative (recommendation 4.0) and of PRImA's Aletheia (from
# U+F500 on) that occur in transcriptions of prints, resolved according to their names there.
PRIVATE_LIGATURES = {
    0xEADA: "ſt", 0xEBA2: "ſi", 0xEBA3: "ſl", 0xEBA5: "ſp", 0xEBA6: "ſſ", 0xEBA7: "ſſi", 0xEEC4: "ck", 0xEEC5: "ct",
    0xEECB: "ft", 0xEED6: "pp", 0xEEDC: "tz", 0xEFA1: "æ", 0xF4F9: "ll", 0xF4FC: "ſk", 0xF4FF: "ſſt", 0xF502: "ch",
    0xF50A: "d'", 0xF50B: "l'", 0xF515: "&", 0xF52C: "sp", 0xF531: "Ca", 0xF532: "as", 0xF533: "is", 0xF534: "us",
    0xF535: "Qu", 0xF536: "ra", 0xF537: "ta",
}  # fmt: skip
PRIVATE_WITH_MARKS = {
    "\u0301": {0xE6E2: "t", 0xE73A: "v", 0xF50E: "q"},
    "\u0303": {0xF50F: "q", 0xF512: "t", 0xF516: "z", 0xF517: "c", 0xF518: "r", 0xF519: "m"},
    "\u0304": {
        0xE1DC: "N", 0xE5B8: "m", 0xE5D2: "m", 0xE5DC: "n", 0xE665: "p", 0xE681: "q", 0xF501: "c", 0xF505: "g",
        0xF507: "p", 0xF510: "r", 0xF511: "s",
    },
    "\u0306": {0xF513: "v", 0xF514: "w"},
    "\u0307": {0xE282: "Q", 0xE682: "q"},
    "\u0308": {0xEBE3: "j", 0xF51F: "p", 0xF522: "c", 0xF523: "q", 0xF530: "s"},
    "\u0309": {0xF524: "b", 0xF525: "h", 0xF526: "p", 0xF527: "v"},
    "\u030a": {0xF504: "g", 0xF506: "h", 0xF508: "q"},
    "\u0323": {0xE066: "C"},
    "\u0363": {0xE4E1: "e", 0xF500: "a"},
    "\u0364": {0xE42C: "a", 0xE644: "o", 0xE72B: "u", 0xE781: "y"},
    "\u0366": {0xE72D: "u"},
    "\u036d": {0xF52B: "y"},
}  # fmt: skip
PRIVATE_SIGNS = {
    0xE8BF: "qꝫ", 0xF158: "⁊", 0xF160: "?", 0xF161: "⹎", 0xF1A5: "ꝰ", 0xF1A6: "ꝰ", 0xF1AC: ";",
}  # fmt: skip
HYPHENS = "¬\u2010\u2011"  # the editors' sign, the typographic hyphen, the non-breaking hyphen
INVISIBLE = "\u200b\u2060\ufeff"  # zero-width spaces and the byte order mark
DASHES = "\u2012\u2013\u2014\u2015\u2212\u2e17\u2e3a\u2e3b\u2e40\ufe58\ufe63\uff0d"
SINGLE_QUOTES, DOUBLE_QUOTES = "‘’‚‛‹›`´ʼʹ′", "“”„‟«»″"

POLICY = str.maketrans(
    LIGATURES
    | PRIVATE_LIGATURES
    | PRIVATE_SIGNS
    | {code: letter + mark for mark, letters in PRIVATE_WITH_MARKS.items() for code, letter in letters.items()}
    | dict.fromkeys(HYPHENS, "-")
    | dict.fromkeys([*INVISIBLE, "^"])
)
LETTERS = str.maketrans(
    {"ſ": "s"} | dict.fromkeys(DASHES, "-") | dict.fromkeys(SINGLE_QUOTES, "'") | dict.fromkeys(DOUBLE_QUOTES, '"')
)


def normalize_text(text: str, how: Normalization) -> str:
    """Normalize a text for training or evaluation.

    Args:
        text: text of one line.
        how: "none" changes nothing. "policy" is what readers write: composed (NFC), with single spaces, without `^` and
            invisible characters; `¬` and typographic hyphens become -, a soft hyphen becomes - at the end of the line
            and is removed elsewhere; ligatures and private-use characters are resolved. "letters" also replaces ſ by s,
            all quotation marks by ' and ", and all dashes by -; upper and lower case stay different.

    Raises:
        ValueError: if `how` is none of these.
    """
    if how not in get_args(Normalization):
        raise ValueError(f"`normalize` must be one of {', '.join(get_args(Normalization))}, got {how!r}.")
    if how == "none":
        return text
    text = clean_text(text.translate(POLICY))
    ends = "-" if text.endswith("\u00ad") else ""
    text = clean_text(text.replace("\u00ad", "")) + ends
    if how == "letters":
        text = clean_text(unicodedata.normalize("NFD", text).translate(LETTERS))  # NFD, because ẛ is ſ with a mark
    return text


class NormalizedLines(LineDataset):
    """Lines whose texts are normalized.

    Args:
        lines: a dataset.
        how: as for `normalize_text`; a text may become empty.
    """

    def __init__(self, lines: LineDataset, how: Normalization) -> None:
        """Store the dataset."""
        self.lines = lines
        self.how: Normalization = how
        self.problems, self.notes = lines.problems, lines.notes

    def __len__(self) -> int:
        """Number of lines in an epoch."""
        return len(self.lines)

    def __getitem__(self, index: int) -> LineSample:
        """Return the line with its text normalized."""
        sample = self.lines[index]
        return replace(sample, text=normalize_text(sample.text, self.how))

    def text(self, index: int) -> str:
        """Return the normalized text."""
        return normalize_text(self.lines.text(index), self.how)

    def size(self, index: int) -> tuple[int, int]:
        """Return the size from the dataset."""
        return self.lines.size(index)
