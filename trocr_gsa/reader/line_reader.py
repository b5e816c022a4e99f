"""From line images to text, in a few lines of Python.

What is unusual: at first only the headers of the image files are read. An image is decoded together with its batch, so
that a thousand files need the memory of one batch. Lines of similar length are read together, each with its own
adapter, and returned in the order given. A bad image affects no other line. PEFT and onnxruntime are imported only
where they are needed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import accumulate, groupby
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Self, cast

from torch import nn

from trocr_gsa.checkpoints.adapter_files import merge
from trocr_gsa.checkpoints.export_files import is_export
from trocr_gsa.checkpoints.loading import Adapters, choose_device, load_reader
from trocr_gsa.data.buckets import cut_by_length
from trocr_gsa.data.images import ImageError, load_image, read_header
from trocr_gsa.data.line import Line, OtherText
from trocr_gsa.model.modeling_trocr_gsa import Orientation, TrOCRGSAModel
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor

from .arguments import check_count, check_pictures, check_reading, check_sources
from .backend import Backend, can_draft
from .decoding import read_images
from .language_model import LanguageModel
from .letter_places import LetterPlaces, letter_places
from .parallel import even_size, side_by_side
from .pictures import MOST_PIXELS, LinePicture, Picture, load_line, picture_name
from .precision import Precision, check_precision, computing_in, round_to_int8

if TYPE_CHECKING:
    from peft import PeftModel
    from PIL.Image import Image

    from .adapters import AdapterLibrary

BATCH_PATCHES, BATCH_PATCHES_ON_CPU = 8192, 4096  # of a batch, including padding
BATCH_PIXELS = 32_000_000  # of a batch of decoded images
LARGE, _one_large = 8_000_000, Lock()  # pixels; larger images are decoded one at a time, to limit the memory
MOST_BEAMS = 100  # the memory of a beam search grows with its width
OF_CTC_HEAD = 0.5  # factor of `empty_paper_confidence` for the CTC head alone, whose confidence is lower
SURE = 2.0  # times `empty_paper_confidence`: what is read with more confidence is writing


class LineReader:
    """Reads images of text lines in any orientation.

    confidence = exp( (1/T) · mean_t log p(token_t | tokens before, image) ), including the end token

    T is `confidence_temperature` of the model's configuration. It is fitted so that the confidence of a line is the
    probability that it was read without an error. p is the probability by which tokens are chosen: the decoder's, or
    its product with the CTC head's; for the CTC head alone, p(token | before) = ψ(before · token) / ψ(before)
    (`CTCHead.score`). The probability of a character is that of its tokens (`trocr_gsa.reader.spelling`).

    Args:
        model: in evaluation mode: a TrOCRGSAModel, one inside PEFT's adapters (then each line is read with its own),
            or an exported one.
        processor: its processor.
        merged_adapter: the name of the adapter that is merged into the weights, if there is one.
        precision: "bf16" computes in bfloat16; the others compute in the precision of the weights.

    Attributes:
        model: the model, without adapters around it.
        processor: its processor.

    Example:
        >>> from trocr_gsa import LineReader
        >>> reader = LineReader.from_pretrained()
        >>> line, turned = reader.read(["docs/line.png", "docs/missing.png"])
        >>> line.orientation, line.confidence > 0.5
        (0.0, True)
        >>> turned.error
        'docs/missing.png: ...'
    """

    def __init__(
        self,
        model: Backend | PeftModel,
        processor: TrOCRGSAProcessor,
        merged_adapter: str | None = None,
        precision: Precision = "fp32",
    ) -> None:
        self._library = _library_of(model)
        self.model: Backend = self._library.model if self._library else cast(Backend, model)
        self.processor, self.merged_adapter = processor, merged_adapter
        self.precision: Precision = precision

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path | None = None,
        adapter: Adapters | None = None,
        device: str | None = None,
        precision: Precision = "fp32",
        trust_remote_code: bool = False,
    ) -> Self:
        """Open a model from a folder or the Hub, or an export of one.

        An export, written by `trocr-gsa export`, is computed by onnxruntime on the CPU. It decodes greedily, with the
        adapter that was exported, and has no attention maps for `letter_places`.

        Args:
            path: a checkpoint's folder or Hub id, or an export's folder; None: the packaged checkpoint.
            adapter: the folder or Hub id of a LoRA adapter that was trained on this checkpoint, or the name of a
                packaged one. It is merged into the weights, so it costs no time. Or several by name,
                {"fr": "runs/fr/best", …}: these are not merged, and `read` chooses one for each line.
            device: "cpu", "cuda", "cuda:1" …; None: CUDA if available, else the CPU.
            precision: "fp32"; "bf16" if the device supports it; "int8" on a CPU, with at most one adapter. An export
                keeps the precision that it was written with.
            trust_remote_code: allow Python code that comes with the checkpoint to run, if its processor needs it.
                Without it, such a checkpoint is refused.

        Raises:
            ValueError: if an argument has another type, a folder, a device or onnxruntime is missing, an adapter does
                not fit the checkpoint, or an export is given another adapter, device or precision than it was written
                with.
        """
        check_sources(path, adapter)
        if path is not None and is_export(path):
            return cls._from_export(Path(path), adapter, device, precision, trust_remote_code)
        check_precision(precision, choose_device(device), isinstance(adapter, Mapping))
        model, processor = load_reader(path, adapter, device, trust_remote_code)
        merged = None if adapter is None or isinstance(adapter, Mapping) else str(adapter)
        if merged:
            model = merge(cast("PeftModel", model), merged)
        if precision == "int8":
            round_to_int8(model)
        return cls(model, processor, merged, precision)

    @classmethod
    def _from_export(
        cls, path: Path, adapter: Adapters | None, device: str | None, precision: Precision, trust_remote_code: bool
    ) -> Self:
        from trocr_gsa.onnx import load_export

        if adapter is not None:
            raise ValueError(f"`adapter`: {path} is an export. Merge the adapter when exporting: export --adapter.")
        if device not in (None, "cpu"):
            raise ValueError(f"`device` must be cpu for an export, got {device}. Read the model itself there.")
        if precision != "fp32":
            raise ValueError(f"`precision`: {path} is an export, got {precision}. Round it when exporting: --int8.")
        return cls(*load_export(path, trust_remote_code))

    @property
    def adapters(self) -> list[str]:
        """Names of the adapters that `read` can use."""
        return self._library.names if self._library else []

    @property
    def can_place_words(self) -> bool:
        """Whether `read` can return positions of words. This needs a CTC head."""
        return can_draft(self.model)

    def merged(self, name: str) -> Self:
        """Return a new reader, with one adapter merged into a copy of the weights. This reader is not changed.

        Raises:
            ValueError: if there is no adapter of that name.
        """
        return type(self)(self._named("merged").merged(name), self.processor, name, self.precision)

    def combine(self, name: str, weights: Mapping[str, float]) -> None:
        """Add an adapter that is a weighted sum of other adapters: {"fr": 0.5, "de": 0.5} is their mean.

        The sum is exact. Its rank is the sum of their ranks.

        Args:
            name: the name of the new adapter.
            weights: names of plain LoRA adapters → finite weights.

        Raises:
            ValueError: if a name or a weight is invalid, or an adapter is more than a low-rank update.
        """
        self._named("combine").combine(name, weights)

    def read(
        self,
        images: Iterable[Picture],
        orientation: Orientation = "any",
        num_beams: int = 1,
        batch_size: int = 64,
        adapter: str | Sequence[str | None] | None = None,
        are_cut: bool = False,
        with_words: bool = False,
        alternatives: int = 0,
        advance: Callable[[int], object] = lambda count: None,
        also: str | Sequence[str] | None = (),
        language_model: LanguageModel | None = None,
    ) -> list[Line]:
        """Read images of one line each.

        Several threads may call this at once. In a reader with several adapters, one thread computes at a time.

        Args:
            images: paths, encoded bytes, {"bytes": …, "path": …} as in `datasets`, Pillow images, arrays as the
                processor takes them, or pages of a TIFF, as `trocr_gsa.data.pages_of` lists them.
            orientation: "any"; "upright" if all lines are upright; or {degrees counter-clockwise: probability}.
            num_beams: 1 decodes greedily; more use a beam search of this width; 0 uses the CTC head alone, which is
                faster.
            batch_size: maximum number of lines in a batch.
            adapter: one of `adapters` for all images, or one or None for each; None: the base model.
            are_cut: the images were cut out of pages line by line. If False, an image that looks like several lines is
                refused.
            with_words: return positions of words and characters in `Line.words`, in pixels of the image as viewers
                show it.
            alternatives: number of texts in `Line.alternatives`, found by a beam search; 0: none.
            advance: called with the number of images that were just read or refused, to show progress.
            also: one or more of `adapters` that read every image too, each into a text of its own in `Line.also`. The
                decoder writes it alone, because the CTC head cannot change the order of words. Where the pose is in
                doubt, it is chosen for each text anew. The other fields of the line are the same as without.
            language_model: chooses among the likely texts of each line the one that fits both the image and the
                language; its confidence is still that of the reader. None: the reader alone.

        Returns: one `Line` per image, in the order given. `error` says why an image could not be read. An image without
            writing has an empty text and a `note`.

        Raises:
            ValueError: if `images` is a single image, another argument is out of range, or the reader has no CTC head
                and `num_beams` is 0 or `with_words` is true, or cannot read with a language model.
        """
        check_pictures(images)
        check_count("num_beams", num_beams, 0, MOST_BEAMS)
        check_count("alternatives", alternatives, 0, MOST_BEAMS)
        if alternatives > 1 and not isinstance(self.model, nn.Module):
            raise ValueError(
                f"`alternatives` must be at most 1, got {alternatives}: more need a beam search, which an exported "
                "reader does not have. Load the checkpoint that it was exported from."
            )
        check_count("batch_size", batch_size, 1, sys.maxsize)
        check_reading(self.model, orientation, num_beams, with_words, language_model)
        images = list(images)
        names = [picture_name(image, index) for index, image in enumerate(images)]
        chosen = self._chosen(adapter, len(images))
        others = list(dict.fromkeys([also] if isinstance(also, str) else also or ()))
        for name in others:
            self._named("also").check(name)
        lines: dict[int, Line] = {}
        notes: dict[int, str] = {}
        lengths, pixels = [0] * len(images), [0] * len(images)
        for index, image in enumerate(images):
            try:
                header = read_header(image, names[index])
                lengths[index] = self._num_patches(header.size, names[index])
                pixels[index] = math.prod(header.size)
                if header.unread is not None:
                    notes[index] = header.unread
            except ImageError as error:
                lines[index] = Line.failed(names[index], error)
        advance(len(lines))
        batches = [
            {index: images[index] for index in batch}
            for group in self._read_together(chosen)
            for like in self._batches([index for index in group if index not in lines], lengths, batch_size)
            for batch in _of_few_pixels(like, pixels)
        ]
        batches.sort(key=lambda batch: -max(lengths[index] for index in batch))
        load = partial(_load, pixels, is_cut=are_cut)
        read = partial(
            self._load_and_read,
            load,
            names=names,
            chosen=chosen,
            orientation=orientation,
            num_beams=num_beams,
            with_words=with_words,
            alternatives=alternatives,
            also=others,
            language_model=language_model,
        )
        # adapters are switched for the whole model
        found = side_by_side(read, batches, self.model) if self._library is None else map(read, batches)
        for some in found:
            lines |= some
            advance(len(some))
        return [lines[index].noted(notes.get(index)) for index in range(len(images))]

    def letter_places(
        self, image: Picture, text: str, orientation: Orientation = "any", adapter: str | None = None
    ) -> LetterPlaces:
        """Return where in an image the decoder attends to for each letter of a text.

        Args:
            image: an image of one line.
            text: the text that `read` returned for it, or any other.
            orientation: as in `read`.
            adapter: one of `adapters`; None: the base model.

        Raises:
            ValueError: if the image cannot be read, the text is too long, there is no such adapter, or the model is an
                export, which has no attention maps.
        """
        if not isinstance(self.model, nn.Module):
            raise ValueError("an exported reader has no attention maps. Load the checkpoint that it was exported from.")
        (chosen,) = self._chosen(adapter, 1)
        name = picture_name(image, 0)
        self._num_patches(read_header(image, name).size, name)
        picture = load_image(image, name)
        with self._library.applied([chosen], 1) if self._library else nullcontext():
            return letter_places(cast(TrOCRGSAModel, self.model), self.processor, picture, text, orientation)

    def _named(self, purpose: str) -> AdapterLibrary:
        if self._library is None:
            raise ValueError(
                f"`adapter`: `{purpose}` needs adapters by name, and this reader has none. Load it with "
                'LineReader.from_pretrained(path, adapter={"name": "folder"}).'
            )
        return self._library

    def _chosen(self, adapter: str | Sequence[str | None] | None, count: int) -> list[str | None]:
        """Return the adapter of each picture."""
        chosen = [adapter] * count if adapter is None or isinstance(adapter, str) else list(adapter)
        if len(chosen) != count:
            raise ValueError(f"`adapter` must hold a name or None for each of {count} pictures, got {len(chosen)}.")
        for name in {name for name in chosen if name is not None}:
            self._named("read").check(name)
        return chosen

    def _read_together(self, chosen: Sequence[str | None]) -> Iterator[list[int]]:
        """Yield indices of lines that can share a batch. Adapters that cannot be mixed with others get their own."""
        can_mix = {name: self._library is None or self._library.can_mix(name) for name in dict.fromkeys(chosen)}
        yield [index for index, name in enumerate(chosen) if can_mix[name]]
        for apart in [name for name, can in can_mix.items() if not can]:
            yield [index for index, name in enumerate(chosen) if name == apart]

    def _num_patches(self, size: tuple[int, int], name: str) -> int:
        width, height = size
        shape = self.processor.image_processor
        if (needed := shape.num_patches(width, height)) > shape.max_patches:
            raise ImageError(
                f"{name}: {width} × {height} pixels make {needed} patches, more than this reader's "
                f"{shape.max_patches}. Is it one line of text? Cut it."
            )
        return needed

    def _batches(self, places: Sequence[int], lengths: Sequence[int], batch_size: int) -> list[list[int]]:
        """Return batches of lines of similar length."""
        budget = BATCH_PATCHES
        if self.model.device.type == "cpu":
            budget = even_size(sum(lengths[place] for place in places), BATCH_PATCHES_ON_CPU)
        return cut_by_length(lengths, budget, batch_size, places)

    def _load_and_read(
        self,
        load: Callable[[int, Picture, str], LinePicture | None],
        images: dict[int, Picture],
        names: Sequence[str],
        chosen: Sequence[str | None],
        orientation: Orientation,
        num_beams: int,
        with_words: bool,
        alternatives: int,
        also: Sequence[str],
        language_model: LanguageModel | None,
    ) -> dict[int, Line]:
        lines: dict[int, Line] = {}
        decoded: dict[int, LinePicture] = {}
        for index, image in images.items():
            try:
                picture = load(index, image, names[index])
            except ImageError as error:
                lines[index] = Line.failed(names[index], error)
            else:
                if picture is None:
                    lines[index] = _empty(names[index], with_words, also)
                else:
                    decoded[index] = picture
        if decoded:
            pictures = [picture.image for picture in decoded.values()]
            applied = self._library and partial(self._apply, [chosen[index] for index in decoded], num_beams)
            with computing_in(self.precision, self.model.device):
                found = read_images(
                    self.model,
                    self.processor,
                    pictures,
                    orientation,
                    num_beams,
                    applied=applied,
                    with_words=with_words,
                    alternatives=alternatives,
                    language_model=language_model,
                )
                others = [self._read_with(name, pictures, orientation, num_beams) for name in also]
                doubts = [row for row, index in enumerate(decoded) if decoded[index].is_doubtful]
                adapters = [chosen[index] for index in decoded]
                empty = self._without_writing(doubts, found, pictures, orientation, num_beams, adapters)
            for row, (index, line) in enumerate(zip(decoded, found, strict=True)):
                line = _named(line, names[index], chosen[index] or self.merged_adapter)
                if row in empty:
                    line = _empty(names[index], with_words, also)
                elif line.error is None:
                    further = zip(also, others, strict=True)
                    line = _with_also(line, [_named(each[row], names[index], name) for name, each in further])
                lines[index] = line
        return lines

    def _read_with(
        self, adapter: str, pictures: Sequence[Image], orientation: Orientation, num_beams: int
    ) -> list[Line]:
        """Read all images of a batch with one adapter, by the decoder alone: its text may have another order."""
        beams = max(1, num_beams)
        applied = partial(self._apply, [adapter] * len(pictures), beams)
        return read_images(
            self.model, self.processor, pictures, orientation, beams, applied=applied, decoder_alone=True
        )

    def _without_writing(
        self,
        doubts: Sequence[int],
        lines: Sequence[Line],
        pictures: Sequence[Image],
        orientation: Orientation,
        num_beams: int,
        adapters: Sequence[str | None],
    ) -> set[int]:
        """Return those of the doubtful lines of a batch that count as empty, because the reader is unsure of them.

        Where it has a CTC head, the geometric mean of both confidences decides: the decoder becomes sure of a text that
        it has invented, and the head is unsure of a difficult hand.
        """
        least = self.model.config.empty_paper_confidence
        unsure = [row for row in doubts if lines[row].character_confidence < SURE * least]
        confidences = [lines[row].character_confidence for row in unsure]
        if can_draft(self.model) and not num_beams:
            least *= OF_CTC_HEAD
        elif can_draft(self.model) and unsure:
            applied = self._library and partial(self._apply, [adapters[row] for row in unsure], 0)
            some = [pictures[row] for row in unsure]
            by_head = read_images(self.model, self.processor, some, orientation, num_beams=0, applied=applied)
            both = zip(confidences, by_head, strict=True)
            confidences = [math.sqrt(confidence * head.character_confidence) for confidence, head in both]
        return {row for row, confidence in zip(unsure, confidences, strict=True) if confidence < least}

    def _apply(
        self, adapters: Sequence[str | None], num_beams: int, places: Sequence[int]
    ) -> AbstractContextManager[None]:
        """Return a context manager inside which some lines of a batch are read with their adapters."""
        return self._named("read").applied([adapters[place] for place in places], num_beams)


def _load(pixels: Sequence[int], index: int, image: Picture, name: str, is_cut: bool) -> LinePicture | None:
    """Decode an image as `load_line` does; large ones one at a time, because several at once would fill the memory."""
    with _one_large if pixels[index] > LARGE else nullcontext():
        return load_line(image, name, is_cut)


def _of_few_pixels(batch: Sequence[int], pixels: Sequence[int]) -> list[list[int]]:
    """Split a batch into parts of about `BATCH_PIXELS` pixels, as `load_line` returns them."""
    sums = accumulate(min(pixels[index], MOST_PIXELS) for index in batch)
    parts = groupby(zip(batch, sums, strict=True), key=lambda each: each[1] // BATCH_PIXELS)
    return [[index for index, _ in part] for _, part in parts]


def _named(line: Line, source: str, adapter: str | None) -> Line:
    """Return a line with the name of its image and of its adapter, or a failed one if its confidence is not finite."""
    if math.isfinite(line.confidence):
        return replace(line, source=source, adapter=adapter)
    problem = "the reader computed no finite number: its weights are damaged, or the precision is too low"
    error = ImageError(f"{source}: {problem}. Read it with fp32, or load another model or adapter.")
    return Line.failed(source, error)


def _empty(source: str, with_words: bool, also: Sequence[str]) -> Line:
    """Return the line of an image without writing, of which no adapter has a text."""
    return replace(Line.empty(source, with_words), also=tuple(map(OtherText, also)))


def _with_also(line: Line, others: Sequence[Line]) -> Line:
    """Return a line with the texts of other readings of it, or the first of these that failed."""
    failed = next((other for other in others if other.error is not None), None)
    also = tuple(OtherText(str(other.adapter), other.text, other.confidence) for other in others)
    return failed or replace(line, also=also)


def _library_of(model: object) -> AdapterLibrary | None:
    """Return the adapters of a model, or None if it has none. It can have some only if PEFT was imported."""
    peft = sys.modules.get("peft")
    if peft is None or not isinstance(model, peft.PeftModel):
        return None
    from .adapters import AdapterLibrary

    return AdapterLibrary(cast("PeftModel", model))
