"""Statistics of the training lines, and a check of their transcriptions, before the training.

What is unusual: mistakes in transcriptions are found with the reader that is to be trained. It reads a small sample,
and where it reads most lines well, a line that it reads quite differently may have the wrong text.
"""

import statistics
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from trocr_gsa.data.images import ImageError
from trocr_gsa.data.samples import LineDataset, LineSample
from trocr_gsa.evaluation.evaluate import read_lines
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel

SHOWN = 3  # lines that are named for each finding
MIN_REPEATED = 15  # characters; shorter texts may well occur twice
ODD_SHAPE = 3.0  # times wider or narrower for their text than the median line
ODD_CATEGORIES = ("Cc", "Cf", "Co", "Cn", "Cs")  # controls, invisible characters, private use, unassigned
LOST = "\N{REPLACEMENT CHARACTER}"
SAMPLE, READ_AT_ONCE, SECONDS = 32, 4, 5.0  # of the lines that the reader reads
KNOWN_HAND = 0.3  # median error rate up to which the reader's disagreement means anything
DISAGREEMENT = 0.6  # error rate of a line with which the reader strongly disagrees
SHOWN_TEXT = 60  # characters


def describe(name: str, lines: LineDataset) -> str:
    """Return the statistics of a source in one line."""
    texts = lines.texts()
    characters = Counter("".join(texts))
    median = statistics.median(map(len, texts))
    rare = sum(count == 1 for count in characters.values())
    return (
        f"{name}: {len(texts):,} lines, {characters.total():,} characters, {len(characters)} different ones "
        f"({rare} occur once), {median:g} in the median line"
    )


def find_oddities(name: str, lines: LineDataset, validation: Iterable[str] = ()) -> Iterator[str]:
    """Yield findings about the texts and shapes of a source, without decoding more than the images that are named.

    Args:
        name: name of the source.
        lines: its lines.
        validation: texts of the validation lines.
    """
    texts = lines.texts()
    places: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        places.setdefault(text, []).append(place)
    groups = [found for text, found in places.items() if len(found) > 1 and len(text) >= MIN_REPEATED]
    repeated = [place for group in groups for place in group]
    if repeated:
        yield f"{name}: {len(repeated)} lines have the text of another line: {_named(lines, repeated)}"
    known = [text for text in validation if len(text) >= MIN_REPEATED and text in places]
    if known:
        example = known[0][:SHOWN_TEXT]
        yield f"{name}: {len(known)} validation lines have a text that is also learnt, such as {example!r}"
    odd = {place: signs for place, text in enumerate(texts) if (signs := sorted(filter(_is_odd, set(text))))}
    if odd:
        signs = sorted({f"U+{ord(sign):04X}" for each in odd.values() for sign in each})
        yield f"{name}: {len(odd)} lines have odd characters ({', '.join(signs[:10])}): {_named(lines, list(odd))}"
    shapes = _odd_shapes(texts, lines.sizes())
    if shapes:
        yield (
            f"{name}: {len(shapes)} images are far too wide or too narrow for their texts; is the text complete? "
            f"{_named(lines, shapes)}"
        )


def _is_odd(sign: str) -> bool:
    return sign == LOST or unicodedata.category(sign) in ODD_CATEGORIES


def _odd_shapes(texts: Sequence[str], sizes: Sequence[tuple[int, int]]) -> list[int]:
    """Return the lines whose length for their text is far from the median, the farthest first."""
    ratios = [max(size) / max(1, min(size)) / len(text) for text, size in zip(texts, sizes, strict=True)]
    median = statistics.median(ratios)
    far = [max(ratio / median, median / ratio) for ratio in ratios]
    return sorted((place for place, each in enumerate(far) if each > ODD_SHAPE), key=lambda place: -far[place])


def _named(lines: LineDataset, places: Sequence[int]) -> str:
    more = ", …" * (len(places) > SHOWN)
    return ", ".join(_name(lines, place) for place in places[:SHOWN]) + more


def _name(lines: LineDataset, place: int) -> str:
    try:
        return lines[place].name
    except ImageError:
        return f"line {place + 1}"


def find_disagreements(
    name: str, lines: LineDataset, reader: TrOCRGSAModel, processor: Any, seconds: float = SECONDS
) -> Iterator[str]:
    """Read a small sample and yield what the reader makes of it: its error rate, and the lines read quite differently.

    Args:
        name: name of the source.
        lines: its lines.
        reader: the reader to train; its mode is left as it was.
        processor: its processor.
        seconds: no further lines are read after this time.
    """
    is_training = reader.training
    reader.eval()
    scored = []
    started = time.monotonic()
    for samples in _sampled(lines):
        scored += read_lines(reader, processor, samples, 0)
        if time.monotonic() - started >= seconds:
            break
    reader.train(is_training)
    if not scored:
        return
    rates = [line.cer for line in scored]
    median = statistics.median(rates)
    yield f"{name}: before the training, {len(scored)} sampled lines are read at a median CER of {median:.1%}"
    wrong = sorted((line for line in scored if line.cer >= DISAGREEMENT), key=lambda line: -line.cer)
    if median <= KNOWN_HAND:
        for line in wrong[:SHOWN]:
            read, written = line.prediction[:SHOWN_TEXT], line.reference[:SHOWN_TEXT]
            yield f"{name}: is the text right? {line.sample.name}: read as {read!r}, transcribed as {written!r}"


def _sampled(lines: LineDataset) -> Iterator[list[LineSample]]:
    """Yield a random sample of the lines, a few at a time, always the same one."""
    chosen = np.random.default_rng(0).permutation(len(lines))[:SAMPLE].tolist()
    for start in range(0, len(chosen), READ_AT_ONCE):
        samples = []
        for place in chosen[start : start + READ_AT_ONCE]:
            try:
                samples.append(lines[place])
            except ImageError:  # the training names it
                continue
        if samples:
            yield samples


def check_ground_truth(
    sources: Mapping[str, LineDataset],
    validation: Mapping[str, Sequence[LineSample]],
    reader: TrOCRGSAModel | None,
    processor: Any,
) -> Iterator[str]:
    """Yield statistics and findings of all sources, a line each.

    Args:
        sources: training lines by the name of their source.
        validation: validation lines by the name of their source.
        reader: the reader to train; None: a new one, which cannot read yet.
        processor: its processor.
    """
    validation_texts = [line.text for some in validation.values() for line in some]
    for name, lines in sources.items():
        yield describe(name, lines)
        yield from find_oddities(name, lines, validation_texts)
        if reader is not None:
            yield from find_disagreements(name, lines, reader, processor, SECONDS / len(sources))
    if validation:
        yield f"validation: {', '.join(f'{len(lines):,} lines of {name}' for name, lines in validation.items())}"
