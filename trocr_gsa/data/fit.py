"""Selects the lines that a reader can learn from: readable, not too long, and within its vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Dataset

from .images import ImageError
from .samples import LineDataset, LineSample

SHOWN = 30  # characters of a text by which a line is named


@dataclass(frozen=True)
class LineFit:
    """The limits of a reader: maximum length and vocabulary.

    Args:
        processor: with `.tokenizer`, and an `.image_processor` that has `num_patches(width, height)` and `max_patches`.
        max_label_length: maximum number of tokens of a label, the end token included: the decoder's positions.
    """

    processor: Any
    max_label_length: int

    def problem(self, text: str, size: tuple[int, int], name: str) -> str | None:
        """Return why the reader cannot learn from a line, in one line of text; None if it can."""
        if not text:
            return f"{name}: the text is empty after normalization. Leave the line out."
        tokenizer = self.processor.tokenizer
        tokens = tokenizer(text)["input_ids"]
        if len(tokens) > self.max_label_length:
            return (
                f"{name}: the text has {len(tokens)} tokens, more than `max_label_length` = {self.max_label_length}. "
                "Cut the line, or raise `max_label_length` up to the number of the decoder's positions."
            )
        if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in tokens:
            unknown = sorted({c for c in set(text) if tokenizer.unk_token_id in tokenizer(c)["input_ids"]})
            return f"{name}: the reader's vocabulary lacks {' '.join(unknown)}. Rewrite them, or use another reader."
        pictures = self.processor.image_processor
        patches = pictures.num_patches(*size)
        if patches > pictures.max_patches:
            return (
                f"{name}: {size[0]} × {size[1]} pixels make {patches} patches, more than `max_patches` = "
                f"{pictures.max_patches}. Cut the line."
            )
        return None


class FittingLines(LineDataset):
    """The lines of a dataset that a reader can learn from; the others are listed in `problems`.

    Args:
        lines: a dataset whose epochs repeat.
        fit: the limits of the reader.
        most: keep at most this many lines; None: all.
        seed: seed of the choice; the lines for a smaller `most` are among those for a larger one.

    Raises:
        ValueError: if no line is left.
    """

    def __init__(self, lines: LineDataset, fit: LineFit, most: int | None = None, seed: int = 0) -> None:
        """Check every line by its text and size."""
        self.lines = lines
        self.problems, self.notes = list(lines.problems), lines.notes
        self.kept: list[int] = []
        for index, (text, size) in enumerate(zip(lines.texts(), lines.sizes(), strict=True)):
            problem = fit.problem(text, size, name=_named(index, text))
            if problem is None:
                self.kept.append(index)
            else:
                self.problems.append(problem)
        if not self.kept:
            raise ValueError(f"`lines`: none of {len(lines)} lines fits the reader. First problem: {self.problems[0]}")
        if most is not None:
            chosen = np.random.default_rng(seed).permutation(len(self.kept))[:most]
            self.kept = [self.kept[place] for place in sorted(chosen.tolist())]

    def __len__(self) -> int:
        """Number of lines that fit."""
        return len(self.kept)

    def locate(self, index: int) -> int:
        """Return the line's index in the dataset."""
        epoch, item = divmod(index, len(self.kept))
        return epoch * len(self.lines) + self.kept[item]

    def __getitem__(self, index: int) -> LineSample:
        """The line from the dataset."""
        return self.lines[self.locate(index)]

    def text(self, index: int) -> str:
        """The text from the dataset."""
        return self.lines.text(self.locate(index))

    def size(self, index: int) -> tuple[int, int]:
        """The size from the dataset."""
        return self.lines.size(self.locate(index))


def _named(index: int, text: str) -> str:
    beginning = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return f"line {index + 1} ({beginning})" if text else f"line {index + 1}"


class UsableBatch(NamedTuple):
    """The lines of a batch that can be used, and why each of the others cannot."""

    lines: list[LineSample]
    problems: list[str]


class UsableLines(Dataset[LineSample]):
    """Lines whose batches are never empty: if no line of a batch can be used, the next one that can takes its place.

    A line may turn out to be unusable only when it is loaded: a damaged image, or one that augmentation made too wide.

    Args:
        lines: a dataset whose epochs repeat.
        fit: the limits of the reader.
    """

    def __init__(self, lines: LineDataset, fit: LineFit) -> None:
        """Store the dataset, without reading it."""
        self.lines, self.fit = lines, fit

    def __getitems__(self, indices: Sequence[int]) -> UsableBatch:
        """Return the usable lines of a batch, at least one.

        Raises:
            ValueError: if no line of the dataset can be used.
        """
        found = UsableBatch([], [])
        for index in indices:
            self._load(index, found)
        for index in range(indices[-1] + 1, indices[-1] + 1 + len(self.lines)):
            if found.lines:
                return found
            self._load(index, found)
        if not found.lines:
            raise ValueError(f"`train`: no line can be used. First problem: {found.problems[0]}")
        return found

    def _load(self, index: int, found: UsableBatch) -> None:
        try:
            line = self.lines[index]
        except ImageError as error:
            found.problems.append(str(error))
            return
        problem = self.fit.problem(line.text, line.image.size, line.name)
        if problem is None:
            found.lines.append(line)
        else:
            found.problems.append(problem)
