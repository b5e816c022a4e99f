"""The part of `trocr-gsa read` about uncertainty: alternatives, minimum confidence, the correction queue."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .messages import say

if TYPE_CHECKING:
    from PIL import Image

    from trocr_gsa.data.correction_queue import CorrectionQueue
    from trocr_gsa.data.formats import OutputFormat
    from trocr_gsa.data.line import Line
    from trocr_gsa.reader.language_model import CharacterModel


@dataclass(frozen=True)
class Details:
    """What is asked for beside the reader's own texts.

    Args:
        alternatives: number of alternative texts for each line.
        min_confidence: lines below it are not written; on pages they keep their old text.
        queue: collects the least certain lines; None: no queue.
        also: names of adapters that read every line too, each into a text of its own.
        language_model: chooses among the likely texts of each line; None: the reader alone.
    """

    alternatives: int = 0
    min_confidence: float = 0.0
    queue: CorrectionQueue | None = None
    also: tuple[str, ...] = ()
    language_model: CharacterModel | None = None

    def names_for_reading(self, adapters: str | dict[str, str] | None) -> list[str]:
        """Return the names of the adapters among which `--use` chooses for the main text."""
        return [name for name in adapters if name not in self.also] if isinstance(adapters, dict) else []

    def offer(self, image: Image.Image, line: Line) -> None:
        """Offer a line of a page to the queue, with its image."""
        if self.queue is not None:
            self.queue.add(line, lambda: image)

    def write_queue(self) -> int:
        """Write the queue; return the number of lines that could not be written."""
        problems = [] if self.queue is None else self.queue.write()
        for problem in problems:
            say(f"left out of the queue: {problem}")
        return len(problems)


def details_for(
    format: OutputFormat,
    alternatives: int,
    min_confidence: float,
    queue: int,
    queue_dir: Path,
    also: Sequence[str] = (),
    language_model: Path | None = None,
) -> Details:
    """Return the requested details.

    Raises:
        ValueError: if the format has no alternatives, the queue cannot be written, or nothing can be learnt from the
            text for a language model.
    """
    from trocr_gsa.data.correction_queue import CorrectionQueue
    from trocr_gsa.data.formats import FORMATS

    from .processes import are_several

    if alternatives and not format.has_alternatives:
        others = ", ".join(each.name for each in FORMATS.values() if each.has_alternatives)
        raise ValueError(f"`--alternatives`: --format {format.name} has no room for them. Choose one of {others}.")
    if queue and are_several():
        raise ValueError("`--queue`: several processes cannot write one queue. Use one process.")
    collected = CorrectionQueue(queue, queue_dir) if queue else None
    language = None
    if language_model is not None:
        from trocr_gsa.reader.language_model import CharacterModel

        language = CharacterModel.from_file(language_model)
    return Details(alternatives, min_confidence, collected, tuple(also), language)


def adapters_asked_also(also: Sequence[str], adapters: str | dict[str, str] | None) -> tuple[str, ...]:
    """Return the adapters of `--also`, each once.

    Raises:
        ValueError: if one is not the name of an adapter.
    """
    names = list(adapters) if isinstance(adapters, dict) else []
    for name in also:
        if name not in names:
            known = ", ".join(names) or "there are none; name them, as in --adapter date=FOLDER"
            raise ValueError(f"`--also` must be the name of an adapter ({known}), got {name}.")
    return tuple(dict.fromkeys(also))


def text_identity(path: Path | None) -> dict[str, str]:
    """Return what tells the text of a language model from others: its name and checksum; nothing without one."""
    if path is None:
        return {}
    with path.open("rb") as stream:
        return {"language model": f"{path.name} with SHA-256 {hashlib.file_digest(stream, 'sha256').hexdigest()}"}


def unsure(line: Line, least: float) -> str:
    """Return a message about a line whose confidence is too low."""
    if math.isnan(line.confidence) and not line.text:
        return f"{line.note}, so that its confidence is unknown, and not at least {least:g}"
    return f"{line.confidence:.3g} sure, less than {least:g}: {line.text}"
