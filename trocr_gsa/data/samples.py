"""The common interface of all data sources: lines by index, in any number of epochs.

Indices continue after the end: item i of epoch e has index e·len + i. So everything random about a line (augmentation,
place in a mixture, rendering) depends only on the index, and is the same in every process.
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
    """A line image with its transcription.

    Args:
        image: image of mode "L" or "RGB".
        text: its transcription, never empty.
        name: name of the line for messages (a file name, a seed).
        document: the book, hand or font of the line; intervals are estimated over documents.
        angle: angle in degrees by which the image is rotated counter-clockwise from upright.
    """

    image: Image.Image
    text: str
    name: str
    document: str | None = None
    angle: float = 0.0


def clean_text(text: str) -> str:
    """Return a text in the form that readers write: NFC, single spaces, no spaces at the ends, no line breaks."""
    return " ".join(unicodedata.normalize("NFC", text).split())


class LineDataset(Dataset[LineSample]):
    """Lines by index; subclasses define the number of lines, and the sample, text and size of each line.

    Attributes:
        problems: one message for each line that was left out, with the reason.
        notes: messages about the lines as a whole.
    """

    problems: Sequence[str] = ()
    notes: Sequence[str] = ()

    def __len__(self) -> int:
        """Number of lines in an epoch."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> LineSample:
        """Return line index mod len of epoch index div len.

        Raises:
            ImageError: if the image is damaged.
        """
        raise NotImplementedError

    def text(self, index: int) -> str:
        """Return the text of a line, without loading its image."""
        raise NotImplementedError

    def size(self, index: int) -> tuple[int, int]:
        """Return (width, height) of a line image in pixels, or an estimate, without decoding it."""
        raise NotImplementedError

    def texts(self, epoch: int = 0) -> list[str]:
        """Return the texts of an epoch."""
        return [self.text(epoch * len(self) + item) for item in range(len(self))]

    def sizes(self, epoch: int = 0) -> list[tuple[int, int]]:
        """Return the sizes of the images of an epoch."""
        return [self.size(epoch * len(self) + item) for item in range(len(self))]

    def __iter__(self) -> Iterator[LineSample]:
        """Iterate over the lines of the first epoch."""
        return (self[index] for index in range(len(self)))

    def __getitems__(self, indices: Sequence[int]) -> list[LineSample]:
        """Return the lines of a batch; damaged images are logged and left out.

        Raises:
            ImageError: if every image of the batch is damaged.
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
