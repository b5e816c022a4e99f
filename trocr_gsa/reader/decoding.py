"""Images to text, confidence and orientation, one batch at a time.

What is unusual:
- the encoder runs once, and its output gives the pose, the CTC text and the text of a line;
- with a CTC head, greedy decoding verifies its draft (`reader/drafting.py`) instead of decoding token by token;
- if the pose head is in doubt, a line is also encoded in other poses, and the one in which the CTC head, or without it
  the decoder, is surest of its text is kept: text that is upside down has a low confidence. The pose probabilities are
  equivariant, so this commutes with rotations of the image.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeGuard

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers.utils.generic import ModelOutput

from trocr_gsa.data.buckets import cut_by_length
from trocr_gsa.data.line import Alternative, Line
from trocr_gsa.data.words import Word
from trocr_gsa.model import ctc
from trocr_gsa.model.modeling_gsa_net import GSANetModelOutput
from trocr_gsa.model.modeling_trocr_gsa import Orientation
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor

from .backend import Backend, DraftingBackend, can_draft, computes_on_cpu_in_torch
from .drafting import Applied, write
from .language_model import LanguageModel
from .preparation.prepared import PreparedLine, prepare_line
from .rescoring import rescored
from .spelling import character_probabilities
from .word_places import place_words

BATCH_PATCHES = 16_384  # including padding; more than `LineReader` uses, because preparation changes the lengths
# Patches that are encoded at once, including padding: a few lines fit into the processor's cache and need little
# padding. Decoding uses larger batches, because it consists of many small steps.
ENCODED_PATCHES_ON_CPU = 512
UNPLACED = "the positions of its words are unknown: the image is too short for the text"
NO_LANGUAGE_MODEL = (
    "`language_model` needs a reader whose CTC head drafts the text, which a converted TrOCR and an export lack, and "
    "`num_beams` = 1. Read without it."
)
DOUBT = 0.02  # a pose with at least this probability is looked at too

Written = list[tuple[list[int], list[float], float]]  # for each line: tokens, log p of each token, log p of the text


@dataclass(frozen=True)
class _Wanted:
    """What `read_images` returns for each line, and how it decodes.

    Attributes:
        is_mixed: whether the lines of a batch may have different adapters.
    """

    num_beams: int
    ctc_text: bool
    words: bool
    alternatives: int
    is_mixed: bool
    decoder_alone: bool
    language_model: LanguageModel | None


def read_images(
    model: Backend,
    processor: TrOCRGSAProcessor,
    images: Sequence[Image.Image],
    orientation: Orientation = "any",
    num_beams: int = 1,
    with_ctc_text: bool = False,
    applied: Applied | None = None,
    batch_patches: int = BATCH_PATCHES,
    with_words: bool = False,
    alternatives: int = 0,
    advance: Callable[[int], object] = lambda count: None,
    decoder_alone: bool = False,
    language_model: LanguageModel | None = None,
) -> list[Line]:
    """Read images of one line each, after preparing them: dark on light, levelled and trimmed.

    Args:
        model: in evaluation mode.
        processor: its processor.
        images: mode "L" or "RGB".
        orientation: prior over orientations, as the model takes it; images are levelled only if it is "any".
        num_beams: 1 decodes greedily; 0 uses the CTC head alone, without the decoder.
        with_ctc_text: also return the text of the CTC head, in `Line.ctc_text`.
        applied: indices of images → a context manager inside which these are computed, such as one for their adapters.
        batch_patches: maximum number of patches in a batch, including padding.
        with_words: return positions of words in `Line.words`.
        alternatives: number of texts in `Line.alternatives`, found by a beam search of that width; 0: none.
        advance: called after each batch with its number of images, to show progress.
        decoder_alone: choose tokens without the CTC head, for texts that do not follow the image from left to right.
        language_model: chooses among the likely texts of each line (`reader/rescoring.py`); None: the reader alone.

    Returns: one line per image, in their order, without a source. The temperature of the model's configuration is
        applied to the confidence.

    Raises:
        ValueError: if `num_beams` is 0 or `with_words` is true, and the model has no CTC head; or if it cannot read
            with a language model.
    """
    check_abilities(model, num_beams, with_words, language_model)
    prepared = [prepare_line(image, processor.image_processor, levels=orientation == "any") for image in images]
    is_mixed = applied is not None
    wanted = _Wanted(num_beams, with_ctc_text, with_words, alternatives, is_mixed, decoder_alone, language_model)
    applied = applied or (lambda places: nullcontext())
    encode = partial(model.encode, orientation=orientation)
    lines: dict[int, Line] = {}
    for batch in cut_by_length([line.num_patches for line in prepared], batch_patches):
        pictures, inside = [prepared[place] for place in batch], _those(applied, batch)
        found = _read_in_best_pose(model, processor, encode, pictures, wanted, inside)
        for place, line in zip(batch, found, strict=True):
            turned = replace(line, orientation=(line.orientation + prepared[place].tilt) % 360)
            lines[place] = turned.with_words_on(prepared[place].placement, images[place].size)
        advance(len(batch))
    return [lines[place] for place in range(len(prepared))]


def check_abilities(model: Backend, num_beams: int, with_words: bool, language_model: LanguageModel | None) -> None:
    """Refuse what a model cannot do; for the arguments see `read_images`.

    Raises:
        ValueError: as `read_images`.
    """
    if num_beams == 0 and not can_draft(model):
        raise ValueError("`num_beams` must be at least 1 for a reader without a CTC head, got 0.")
    if with_words and not can_draft(model):
        raise ValueError("`with_words`: this reader has no CTC head, which finds the positions of words. Read without.")
    if language_model is not None and not (num_beams == 1 and _drafts(model)):
        raise ValueError(NO_LANGUAGE_MODEL)


def _those(applied: Applied, batch: Sequence[int]) -> Applied:
    """Return `applied` for indices into a part of its batch."""
    return lambda places: applied([batch[place] for place in places])


@torch.inference_mode()
def _read_in_best_pose(
    model: Backend,
    processor: TrOCRGSAProcessor,
    encode: Callable[..., ModelOutput],
    pictures: Sequence[PreparedLine],
    wanted: _Wanted,
    applied: Applied,
) -> list[Line]:
    """Read a batch. Lines whose pose is in doubt are encoded in other poses too, and the best pose is kept.

    The CTC head compares the poses, and then only the best one is decoded: the head is as reliable as the decoder, and
    much cheaper. Where it has no say, every pose is decoded, and the decoder compares them.
    """
    encoded = _encode(encode, model, processor, pictures, applied)
    log_p = encoded["pose_logits"].cpu()
    doubts = (log_p > math.log(DOUBT)) & (torch.arange(log_p.shape[1]) != log_p.argmax(-1, keepdim=True))

    def others() -> Iterator[tuple[list[int], ModelOutput]]:
        """Yield, for each pose, the lines that may be in it, by index, and their encodings."""
        for pose in doubts.any(0).nonzero().flatten().tolist():
            places = doubts[:, pose].nonzero().flatten().tolist()
            some, inside = [pictures[place] for place in places], _those(applied, places)
            yield places, _encode(partial(model.encoder, only_pose=pose), model, processor, some, inside)

    if can_draft(model) and _head_compares(model, wanted):
        encoded = _in_surest_poses(model, encoded, others(), applied)
        lines = _read(model, processor, encoded, pictures, wanted, applied)
    else:
        lines = _read(model, processor, encoded, pictures, wanted, applied)
        surest = _surenesses(model, encoded, lines, wanted) if doubts.any() else []
        for places, other in others():
            some, inside = [pictures[place] for place in places], _those(applied, places)
            found = _read(model, processor, other, some, wanted, inside)
            for place, line, sure in zip(places, found, _surenesses(model, other, found, wanted), strict=True):
                if sure > surest[place]:
                    lines[place], surest[place] = line, sure
    # Only after the comparison: with a small temperature, most confidences round to zero.
    temperature = model.config.confidence_temperature
    return [replace(line, confidence=line.confidence ** (1 / temperature)) for line in lines]


def _head_compares(model: Backend, wanted: _Wanted) -> bool:
    """Whether a CTC head compares poses: it does if it has a say in the text."""
    return not wanted.decoder_alone and (wanted.num_beams == 0 or model.config.ctc_decoding_weight > 0)


def _in_surest_poses(
    model: DraftingBackend, encoded: ModelOutput, others: Iterable[tuple[list[int], ModelOutput]], applied: Applied
) -> ModelOutput:
    """Return all lines, each encoded in the pose in which the CTC head is surest of its text.

    Args:
        model: a reader with a CTC head.
        encoded: all lines, each in its most likely pose.
        others: some of the lines, by index, in another pose.
        applied: line indices → a context manager inside which these lines are computed.
    """

    def surenesses(encoded: ModelOutput, places: Sequence[int]) -> list[float]:
        with applied(places):
            return _ctc_surenesses(*_columns(model, encoded), model.config.pad_token_id)

    surest: dict[int, float] = {}
    for places, other in others:
        new = [place for place in places if place not in surest]
        if new:
            surest |= zip(new, surenesses(_rows(encoded, new), new), strict=True)
        rows = list(range(len(encoded["pose"])))  # of each line in both encodings, one after the other
        for row, (place, sure) in enumerate(zip(places, surenesses(other, places), strict=True)):
            if sure > surest[place]:
                rows[place], surest[place] = len(rows) + row, sure
        encoded = _joined([encoded, other], rows)
    return encoded


def _ctc_surenesses(logits: Tensor, lengths: Tensor, blank: int) -> list[float]:
    """Return log p_CTC(text) / tokens of every line, for the text that the CTC head reads."""
    texts = ctc.read(logits, lengths, blank)
    totals = ctc.score(logits, lengths, texts, blank)[1].tolist()
    return [total / max(1, len(text)) for text, total in zip(texts, totals, strict=True)]


def _surenesses(model: Backend, encoded: ModelOutput, lines: Sequence[Line], wanted: _Wanted) -> list[float]:
    """Return how sure readings are: by the output of the CTC head if an export has it, otherwise by the decoder."""
    logits = encoded.get("ctc_logits")
    if logits is None or not _head_compares(model, wanted):
        return [line.confidence for line in lines]
    return _ctc_surenesses(logits, encoded["ctc_lengths"], model.config.pad_token_id)


def _columns(model: DraftingBackend, encoded: ModelOutput) -> tuple[Tensor, Tensor]:
    """Return the output of the CTC head: logits (line, frame, vocab), and the number of frames (line,) long."""
    return model.ctc_head(encoded["pose_hidden_state"], encoded["pose_positions"], encoded["pose_mask"])


def _encode(
    encode: Callable[..., ModelOutput],
    model: Backend,
    processor: TrOCRGSAProcessor,
    pictures: Sequence[PreparedLine],
    applied: Applied,
) -> ModelOutput:
    """Encode a batch; in PyTorch on a CPU, a few lines of similar length at a time."""
    parts = in_order = [list(range(len(pictures)))]
    if computes_on_cpu_in_torch(model):
        parts = cut_by_length([picture.num_patches for picture in pictures], ENCODED_PATCHES_ON_CPU)
    found = []
    for part in parts:
        inputs = processor(images=[pictures[place].image for place in part]).to(model.device)
        with applied(part):
            found.append(encode(**inputs))
    return found[0] if parts == in_order else _joined(found, np.argsort(np.concatenate(parts)).tolist())


def _joined(parts: Sequence[ModelOutput], order: Sequence[int]) -> GSANetModelOutput:
    """Return the encoded lines with these indices into all parts one after the other, padded to the longest."""
    joined = {}
    for name, tensor in _tensors(parts[0]):
        rows = [row for part in parts for row in part[name]]
        rows = [rows[place] for place in order]
        padding = torch.finfo(tensor.dtype).min if name == "attention_mask" else 0
        joined[name] = pad_sequence(rows, True, padding) if rows[0].dim() else torch.stack(rows)
    return GSANetModelOutput(**joined)


def _read(
    model: Backend,
    processor: TrOCRGSAProcessor,
    encoded: ModelOutput,
    pictures: Sequence[PreparedLine],
    wanted: _Wanted,
    applied: Applied,
) -> list[Line]:
    """Decode encoded lines, each in its chosen pose. No temperature is applied to the confidences."""
    angles = [model.encoder.group.angles[pose] for pose in encoded["pose"].tolist()]
    written: Written | None = None
    ctc_texts: Sequence[str | None] = [None] * len(angles)
    if can_draft(model):
        written, ctc_texts = _read_with_ctc(model, processor, encoded, wanted, applied)
    if written is None:
        with applied(range(len(angles))):
            weight = {"ctc_weight": 0.0} if wanted.decoder_alone else {}
            written = _generate(model, encoded, wanted.num_beams, **weight)
    texts = processor.batch_decode([tokens for tokens, _, _ in written], skip_special_tokens=True)
    words: Sequence[tuple[Word, ...] | None] = [None] * len(angles)
    if wanted.words and can_draft(model):
        with applied(range(len(angles))):
            words = place_words(model, processor, encoded, [(each, p) for each, p, _ in written], pictures)
    others: Sequence[tuple[Alternative, ...] | None] = [None] * len(angles)
    if wanted.alternatives:
        # `applied` knows the adapters for the number of beams of the reading, which differs from this search's
        together = [[line] for line in range(len(angles))] if wanted.is_mixed else [list(range(len(angles)))]
        others = []
        for some in together:
            with applied(some):
                others += _alternatives(model, processor, _rows(encoded, some), wanted.alternatives)
    lines = [
        Line(
            text=text,
            confidence=math.exp(total / max(1, len(tokens))),
            orientation=angle,
            character_confidences=character_probabilities(processor.tokenizer, tokens, log_p, text),
            ctc_text=ctc_text,
            words=found,
            alternatives=also,
        )
        for text, (tokens, log_p, total), angle, ctc_text, found, also in zip(
            texts, written, angles, ctc_texts, words, others, strict=True
        )
    ]
    return [line.noted(UNPLACED) if wanted.words and line.words is None else line for line in lines]


def _read_with_ctc(
    model: DraftingBackend,
    processor: TrOCRGSAProcessor,
    encoded: ModelOutput,
    wanted: _Wanted,
    applied: Applied,
) -> tuple[Written | None, Sequence[str | None]]:
    """Return texts decoded with the CTC head, or None if `generate` must decode, and the texts of the head alone."""
    head, count, num_beams = model.ctc_head, len(encoded["pose"]), wanted.num_beams
    nothing = [None] * count
    drafts = num_beams == 1 and _drafts(model) and not wanted.decoder_alone
    if not (drafts or wanted.ctc_text or num_beams == 0):
        return None, nothing
    with applied(range(count)):
        logits, lengths = _columns(model, encoded)
    ctc_texts = nothing
    if wanted.ctc_text:
        ctc_texts = processor.batch_decode(head.read(logits, lengths), skip_special_tokens=True)
    if drafts:
        written = [(each.letters, each.log_p) for each in write(model, encoded, (logits, lengths), applied)]
        if (language := wanted.language_model) is not None:
            to_text = partial(processor.decode, skip_special_tokens=True)
            written = rescored(model, encoded, (logits, lengths), applied, written, language, to_text)
        return [(each, log_p, sum(log_p)) for each, log_p in written], ctc_texts
    if num_beams > 0:
        return None, ctc_texts
    tokens = head.read(logits, lengths)
    log_p, totals = (score.tolist() for score in head.score(logits, lengths, tokens))
    return [(each, p[: len(each)], total) for each, p, total in zip(tokens, log_p, totals, strict=True)], ctc_texts


def _drafts(model: Backend) -> TypeGuard[DraftingBackend]:
    """Whether the CTC head drafts texts that the decoder verifies."""
    return can_draft(model) and model.config.ctc_decoding_weight > 0


def _rows(encoded: ModelOutput, lines: Sequence[int]) -> GSANetModelOutput:
    """Return some of the encoded lines."""
    return GSANetModelOutput(**{name: tensor[list(lines)] for name, tensor in _tensors(encoded)})


def _tensors(encoded: ModelOutput) -> list[tuple[str, Any]]:
    """Return the tensors of an encoder's output, without tuples of all layers' features."""
    return [(name, value) for name, value in encoded.items() if isinstance(value, Tensor)]


def _alternatives(
    model: Backend, processor: TrOCRGSAProcessor, encoded: ModelOutput, count: int
) -> list[tuple[Alternative, ...]]:
    """Return the texts that a beam search finds for each line, the most probable first."""
    written = _generate(model, encoded, count, num_return_sequences=count)
    texts = processor.batch_decode([tokens for tokens, _, _ in written], skip_special_tokens=True)
    found = [Alternative(text, math.exp(total)) for text, (_, _, total) in zip(texts, written, strict=True)]
    return [
        tuple(sorted(found[start : start + count], key=lambda each: -each.probability))
        for start in range(0, len(found), count)
    ]


def _generate(model: Backend, encoded: ModelOutput, num_beams: int, **settings: float) -> Written:
    """Decode token by token, up to and including the end token."""
    generated = model.generate(
        encoder_outputs=encoded,
        num_beams=num_beams,
        max_length=model.config.decoder.max_position_embeddings,
        return_dict_in_generate=True,
        output_scores=True,
        **settings,
    )
    beams = getattr(generated, "beam_indices", None)
    log_p = model.compute_transition_scores(generated.sequences, generated.scores, beams, normalize_logits=True)
    tokens = generated.sequences[:, 1 : 1 + log_p.shape[1]]
    ends = tokens == model.config.eos_token_id
    counts = ((ends.cumsum(-1) == 0).sum(-1) + ends.any(-1)).tolist()
    rows = zip(tokens.tolist(), log_p.tolist(), counts, strict=True)
    return [(each[:count], p[:count], sum(p[:count])) for each, p, count in rows]
