"""The part of `trocr-gsa read` for where words are: what was asked for, and what of it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from trocr_gsa.data.formats import OutputFormat
    from trocr_gsa.data.line import Line

Places = Literal["words", "characters"]  # what shall have its place on the picture; None: nothing


def places_for(asked: Places | None, format: OutputFormat) -> Places | None:
    """Return what was asked for.

    Raises:
        ValueError: if the format has no room for it.
    """
    from trocr_gsa.data.formats import FORMATS

    if asked is not None and not format.has_words:
        others = ", ".join(each.name for each in FORMATS.values() if each.has_words)
        raise ValueError(f"`--{asked}`: --format {format.name} does not say where words are. Choose one of {others}.")
    return asked


def as_asked(line: Line, places: Places | None) -> Line:
    """Return a line with the places that were asked for."""
    return line if places == "characters" else line.without_characters()
