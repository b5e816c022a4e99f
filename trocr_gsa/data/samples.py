"""What every source of data yields, and how: lines by index, epoch after epoch.

An index runs on past the end: item i of epoch e is index e·len + i. So what is random about a line (its augmentation,
its place in a mixture, a fresh rendering) follows from the index alone, and is the same in whatever process makes it.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image
from torch.utils.data import Dataset

from .images import ImageError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LineSample:
    """One line of writing.

    Args:
        image: mode "L" or "RGB".
        text: what stands there, never empty.
        name: tells the user which line it is (a file name, a seed).
        document: the book, hand or font it comes from; intervals are estimated over documents.
        angle: how far the image is turned counter-clockwise from upright, in degrees.
    """

    image: Image.Image
    text: str
    name: str
    document: str | None = None
    angle: float = 0.0


def clean_text(text: str) -> str:
    """The text as readers write it: composed characters (NFC), single spaces, none at the ends, no line breaks."""
    return " ".join(unicodedata.normalize("NFC", text).split())


class LineDataset(Dataset[LineSample]):
    """Lines by index; subclasses give the number of lines and, for each, the sample, the text and the size.

    Attributes:
        problems: one line for each sample that was left out, and why.
        notes: what else should be known of the lines, once for all of them.
    """

    problems: Sequence[str] = ()
    notes: Sequence[str] = ()

    def __len__(self) -> int:
        """Number of lines in an epoch."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> LineSample:
        """Line index mod len, in epoch index div len.

        Raises:
            ImageError: if the picture turns out to be damaged.
        """
        raise NotImplementedError

    def text(self, index: int) -> str:
        """The line's text, without its picture."""
        raise NotImplementedError

    def size(self, index: int) -> tuple[int, int]:
        """(width, height) of the line's picture in pixels, or a good estimate, without decoding it."""
        raise NotImplementedError

    def texts(self, epoch: int = 0) -> list[str]:
        """The texts of an epoch."""
        return [self.text(epoch * len(self) + item) for item in range(len(self))]

    def sizes(self, epoch: int = 0) -> list[tuple[int, int]]:
        """The sizes of an epoch's pictures."""
        return [self.size(epoch * len(self) + item) for item in range(len(self))]

    def text_lengths(self, epoch: int = 0) -> list[int]:
        """Number of characters of each line of an epoch."""
        return [len(text) for text in self.texts(epoch)]

    def __iter__(self) -> Iterator[LineSample]:
        """The lines of the first epoch."""
        return (self[index] for index in range(len(self)))

    def __getitems__(self, indices: Sequence[int]) -> list[LineSample]:
        """The lines of a batch; a damaged picture is reported and left out, so that the others go on.

        Raises:
            ImageError: if every picture of the batch is damaged.
        """
        samples: list[LineSample] = []
        failure: ImageError | None = None
        for index in indices:
            try:
                samples.append(self[index])
            except ImageError as error:
                logger.warning("Skipped: %s", error)
                failure = error
        if failure is not None and not samples:
            raise failure
        return samples
