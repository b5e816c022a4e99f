"""Positions of words and characters: the CTC alignment gives the middle of a character, the ink its limits.

What is unusual:
- everything is measured along the line in the chosen pose, and only the corners of boxes are mapped to the image, so
  that the boxes are equivariant;
- the CTC frames give the middle of a character and not its width, and often come late, after its ink. Words are found
  first, by the widest gap in the ink between two of them, which belongs to neither; then the frames of the line are
  moved to where the words are, and each word is divided into its characters (`divided`).
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from PIL import Image
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from transformers.utils.generic import ModelOutput

from trocr_gsa.data.pages.xml_files import without_controls
from trocr_gsa.data.samples import clean_text
from trocr_gsa.data.words import Character, Word
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor

from .alignment import align
from .backend import DraftingBackend
from .preparation.levelling import MOST_PIXELS, ink_places
from .preparation.prepared import PreparedLine
from .spelling import pieces

COLUMNS = 4  # columns of the ink profile per CTC frame
PARTS = 20  # places between which a limit is chosen, per mean width of a character
NARROWEST, WIDEST = PARTS // 4, PARTS * 4  # of a character, in these places
BY_WIDTH, BY_MIDDLE, BY_INK = 0.3, 0.3, 3.0  # weights in `divided`; half or twice of them changes little
USUAL_INK = 0.9  # quantile of the ink of a line's columns that counts as 1
REACH = 2.0  # the first and last character reach at most this many mean character widths from their middles


@dataclass(frozen=True)
class Glyph:
    """A character that was read: its text, its probability, and its middle along the line in pixels."""

    text: str
    confidence: float
    middle: float


@dataclass(frozen=True, eq=False)
class LineFrame:
    """The coordinates of the chosen pose: u along the line, v across it (up), in pixels from the centre of the image.

    p = centre + h (u, v), with the pose h, and y of p pointing down

    Attributes:
        pose: (2, 2), the matrix of h.
        size: width and height of the image.
        step: width of a CTC frame in pixels.
        start: u at which the first frame begins.
    """

    pose: np.ndarray
    size: tuple[int, int]
    step: float
    start: float

    @classmethod
    def of(
        cls, positions: Tensor, pose: Tensor, extent: tuple[float, float], size: tuple[int, int], steps_per_patch: int
    ) -> LineFrame:
        """Return the frame of a line.

        Args:
            positions: (patch, 2), positions of its patches as seen from the pose.
            pose: (2, 2), the matrix of h.
            extent: width and height of a patch in pixels of the image.
            size: width and height of the image.
            steps_per_patch: CTC frames per column of patches.
        """
        matrix = pose.double().cpu().numpy()
        width = float(np.hypot(*(matrix[:, 0] * extent)))  # of a column of patches
        left = float(positions[:, 0].double().min()) - 0.5
        return cls(matrix, size, width / steps_per_patch, left * width)

    @property
    def sides(self) -> tuple[float, float]:
        """The size of the image along the line and across it."""
        along, across = np.abs(self.pose.T) @ self.size
        return float(along), float(across)

    def corners(self, left: float, right: float, bottom: float, top: float) -> np.ndarray:
        """Return the corners of a box on the image, in the order of `Character.polygon`: (4, 2)."""
        points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) @ self.pose.T
        return points * (1, -1) + np.array(self.size) / 2


@dataclass(frozen=True, eq=False)
class Ink:
    """The ink of a line, in the coordinates of its frame.

    Attributes:
        places: (pixel, 2), u and v of each pixel of ink.
        profile: (column,) number of ink pixels in each column, starting at u = `origin`.
        origin: u at which the first column begins; there are empty columns before and after the image.
        width: width of a column, at least the distance between sampled pixels.
    """

    places: np.ndarray
    profile: np.ndarray
    origin: float
    width: float

    @classmethod
    def of(cls, image: Image.Image, frame: LineFrame, room: float) -> Ink:
        """Find the ink of an image, with a margin of `room` pixels before and after it."""
        along, _ = frame.sides
        width = max(1.0, frame.step / COLUMNS)
        if image.width * image.height > MOST_PIXELS:  # `ink_places` samples large images
            width = max(width, 2 * math.sqrt(image.width * image.height / MOST_PIXELS))
        margin = math.ceil(room / width) * width
        origin = -along / 2 - margin
        places = ink_places(image) @ frame.pose
        columns = np.floor((places[:, 0] - origin) / width).astype(int)
        return cls(places, np.bincount(columns, minlength=math.ceil((along + 2 * margin) / width)), origin, width)

    @property
    def reach(self) -> tuple[float, float]:
        """The middles of the first and the last column with ink; of the whole profile if there is none."""
        inked = np.flatnonzero(self.profile) if self.profile.any() else np.arange(len(self.profile))
        first, last = (inked[[0, -1]] + 0.5) * self.width + self.origin
        return float(first), float(last)

    def share(self, places: np.ndarray) -> np.ndarray:
        """Return the ink of the columns at positions along the line, relative to that of a column with much ink."""
        columns = ((places - self.origin) / self.width).astype(int).clip(0, len(self.profile) - 1)
        inked = self.profile[self.profile > 0]
        return self.profile[columns] / (np.quantile(inked, USUAL_INK) if len(inked) else 1)

    def gap(self, low: float, high: float) -> tuple[float, float]:
        """Return the longest run of columns with the least ink between two positions; of several, the middle one."""
        first = max(0, math.floor((low - self.origin) / self.width))
        last = max(first + 1, min(len(self.profile), math.ceil((high - self.origin) / self.width)))
        window = self.profile[first:last]
        is_least = window == window.min()
        edges = np.flatnonzero(np.diff(np.concatenate(([False], is_least, [False]))))
        runs = (edges + first) * self.width + self.origin
        starts, ends = runs[::2], runs[1::2]
        off_middle = np.abs(starts + ends - low - high)
        best = min(range(len(starts)), key=lambda run: (edges[2 * run] - edges[2 * run + 1], off_middle[run]))
        return float(starts[best]), float(ends[best])

    def across(self, left: float, right: float, otherwise: float) -> tuple[float, float]:
        """Return bottom and top of the ink between two positions along the line, or ± `otherwise` if there is none."""
        u, v = self.places.T
        inside = v[(left <= u) & (u < right)]
        return (float(inside.min()) - 0.5, float(inside.max()) + 0.5) if len(inside) else (-otherwise, otherwise)


def place_words(
    model: DraftingBackend,
    processor: TrOCRGSAProcessor,
    encoded: ModelOutput,
    written: Sequence[tuple[Sequence[int], Sequence[float]]],
    pictures: Sequence[PreparedLine],
) -> list[tuple[Word, ...] | None]:
    """Return the words of lines with positions on their images; None if a line has too few frames for its text.

    Args:
        model: the reader's model.
        processor: its processor.
        encoded: the output of its encoder for the images.
        written: for each line, its tokens and log p(token | tokens before).
        pictures: the images that were encoded.
    """
    head, group = model.ctc_head, model.encoder.group
    logits, lengths = head(encoded["pose_hidden_state"], encoded["pose_positions"], encoded["pose_mask"])
    aligned = align(logits, lengths, [tokens for tokens, _ in written], head.blank)
    found: list[tuple[Word, ...] | None] = []
    for line, (picture, (tokens, log_p), spans) in enumerate(zip(pictures, written, aligned, strict=True)):
        if spans is None:
            found.append(None if pieces(processor.tokenizer, tokens) else ())
            continue
        positions = encoded["pose_positions"][line][encoded["pose_mask"][line]]
        extent, size = processor.image_processor.patch_extent(*picture.image.size), picture.image.size
        frame = LineFrame.of(positions, group.matrices[encoded["pose"][line]], extent, size, head.steps_per_patch)
        found.append(find_words(processor.tokenizer, tokens, log_p, spans, frame, picture.image))
    return found


def find_words(
    tokenizer: PreTrainedTokenizerBase,
    tokens: Sequence[int],
    log_p: Sequence[float],
    spans: np.ndarray,
    frame: LineFrame,
    image: Image.Image,
) -> tuple[Word, ...]:
    """Return the words and characters of a line, with positions on its image.

    Args:
        tokenizer: the reader's tokenizer.
        tokens: the tokens of the line.
        log_p: log p(token | tokens before) of each.
        spans: (token, 2), the CTC frames of each token, as `align` returns them.
        frame: the coordinates of the line.
        image: the image that was encoded.
    """
    glyphs = _glyphs(tokenizer, tokens, log_p, spans, frame)
    seen = [glyph for glyph in glyphs if not glyph.text.isspace()]
    if not seen:
        return ()
    room = REACH * _pitch(seen, frame)
    ink = Ink.of(image, frame, room)
    limits = _limits(glyphs, ink, room)
    words = []
    numbered = zip(glyphs, limits, strict=True)
    for is_space, group in groupby(numbered, key=lambda each: each[0].text.isspace()):
        if not is_space:
            words.append(_word(list(group), ink, frame))
    return tuple(word for word in words if word.text)


def _glyphs(
    tokenizer: PreTrainedTokenizerBase,
    tokens: Sequence[int],
    log_p: Sequence[float],
    spans: np.ndarray,
    frame: LineFrame,
) -> list[Glyph]:
    """Return the characters of a line; combining marks are part of their letter."""
    found: list[Glyph] = []
    for text, places in pieces(tokenizer, tokens):
        share = math.exp(min(0.0, sum(log_p[place] for place in places)) / len(text))
        first, end = spans[places[0], 0], spans[places[-1], 1]
        for number, letter in enumerate(text):  # letters of one token divide its frames evenly
            middle = frame.start + frame.step * (first + (end - first) * (number + 0.5) / len(text))
            if found and unicodedata.combining(letter) and not found[-1].text.isspace():
                before = found.pop()
                found.append(Glyph(before.text + letter, before.confidence * share, before.middle))
            else:
                found.append(Glyph(letter, share, float(middle)))
    return found


def _pitch(glyphs: Sequence[Glyph], frame: LineFrame) -> float:
    """Return the median distance between the middles of neighbouring characters."""
    if len(glyphs) < 2:
        return frame.sides[1] / 2
    return float(np.median([after.middle - before.middle for before, after in pairwise(glyphs)]))


def _limits(glyphs: Sequence[Glyph], ink: Ink, room: float) -> list[tuple[float, float]]:
    """Return the limits of every character along the line; those of spaces are not used."""
    seen = [place for place, glyph in enumerate(glyphs) if not glyph.text.isspace()]
    # the CTC head may see the first character before its ink begins, and the last one after its ink has ended
    middles = [min(max(glyph.middle, ink.reach[0]), ink.reach[1]) for glyph in glyphs]
    words = [slice(int(word[0]), int(word[-1]) + 1) for word in np.split(seen, np.flatnonzero(np.diff(seen) > 1) + 1)]
    gaps = [ink.gap(middles[before.stop - 1], middles[after.start]) for before, after in pairwise(words)]
    first, last = middles[seen[0]], middles[seen[-1]]
    gaps = [ink.gap(first - room, first), *gaps, ink.gap(last, last + room)]
    reaches = [(before[1], after[0]) for before, after in pairwise(gaps)]
    pairs = list(zip(words, reaches, strict=True))
    late = np.median([(middles[word.start] + middles[word.stop - 1] - sum(reach)) / 2 for word, reach in pairs])
    limits = [(0.0, 0.0)] * len(glyphs)
    for word, reach in pairs:
        limits[word] = pairwise(divided(np.array(middles[word]) - late, *reach, ink).tolist())
    return limits


def divided(middles: np.ndarray, left: float, right: float, ink: Ink) -> np.ndarray:
    """Divide a word into its characters.

    limits = argmin Σ_i 0.3 ln²(w_i / w) + 0.3 ((c_i − m_i) / w)² + 3 ink(l_i), with characters of width w_i and middle
    c_i between the limits l_i and l_{i+1}, m_i where the CTC head saw them, and their mean width w

    Args:
        middles: (character,), along the line.
        left: where the word begins.
        right: where it ends.
        ink: of the line.

    Returns: (character + 1,), the limits, from `left` to `right`.
    """
    count, width = len(middles), (right - left) / len(middles)
    places = np.linspace(left, right, PARTS * count + 1)
    if count == 1 or width <= 0:
        return places[::PARTS]
    widths, ends = np.arange(NARROWEST, WIDEST + 1)[:, None], np.arange(len(places))
    starts, fits = np.maximum(ends - widths, 0), ends >= widths
    of_width = BY_WIDTH * np.log(widths / PARTS) ** 2
    of_ink = BY_INK * ink.share(places)
    best, before = np.where(ends == 0, 0.0, np.inf), []
    for middle in middles:
        off = ((places[starts] + places[ends]) / 2 - middle) / width
        cost = np.where(fits, best[starts], np.inf) + of_width + BY_MIDDLE * off**2
        chosen = cost.argmin(0)
        best = cost[chosen, ends] + of_ink
        before.append(starts[chosen, ends])
    limits = [len(places) - 1]
    for starts_of_character in reversed(before):
        limits.append(int(starts_of_character[limits[-1]]))
    return places[limits[::-1]]


def _word(glyphs: Sequence[tuple[Glyph, tuple[float, float]]], ink: Ink, frame: LineFrame) -> Word:
    (left, _), (_, right) = glyphs[0][1], glyphs[-1][1]
    bottom, top = ink.across(left, right, frame.sides[1] / 2)
    characters = tuple(
        Character(text, glyph.confidence, _clipped(frame.corners(*limits, bottom, top), frame.size))
        for glyph, limits in glyphs
        if (text := _cleaned(glyph.text))
    )
    confidence = math.prod(glyph.confidence for glyph, _ in glyphs)
    polygon = _clipped(frame.corners(left, right, bottom, top), frame.size)
    return Word(_cleaned("".join(glyph.text for glyph, _ in glyphs)), confidence, polygon, characters)


def _cleaned(text: str) -> str:
    """Return text as it is written to files."""
    return clean_text(without_controls(text))


def _clipped(points: np.ndarray, size: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    return tuple((x, y) for x, y in points.clip(0, size).tolist())
