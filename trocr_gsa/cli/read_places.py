"""The part of `trocr-gsa read` about the positions of words and characters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from trocr_gsa.data.formats import OutputFormat
    from trocr_gsa.data.line import Line

Places = Literal["words", "characters"]  # what is written with its position; None: lines only


def places_for(requested: Places | None, format: OutputFormat) -> Places | None:
    """Return the requested places after a check.

    Raises:
        ValueError: if the format has no positions of words.
    """
    from trocr_gsa.data.formats import FORMATS

    if requested is not None and not format.has_words:
        others = ", ".join(each.name for each in FORMATS.values() if each.has_words)
        raise ValueError(
            f"`--{requested}`: --format {format.name} does not say where words are. Choose one of {others}."
        )
    return requested


def with_places(line: Line, places: Places | None) -> Line:
    """Return a line without positions of characters, unless these are requested."""
    return line if places == "characters" else line.without_characters()
