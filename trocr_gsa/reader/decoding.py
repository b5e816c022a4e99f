"""Images to text, confidence and orientation, one batch at a time.

What is unusual: the encoder runs once, and all that is told about a line (pose, columns, text) comes from that pass.
Where there is a CTC head, greedy reading checks its draft (`reader/drafting.py`) instead of going letter by letter. A
line that is tilted between the quarter turns is levelled before, and one in much room is cut out. Where the pose head
leaves a doubt, a line is read from other sides too, and the reading that is surest of itself wins: what is upside down
makes no words. Tilts and doubts turn with the page, so all this commutes with turning it.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn.utils.rnn import pad_sequence

from trocr_gsa.data.buckets import cut_batches
from trocr_gsa.data.line import Line
from trocr_gsa.model.image_processing_square import SquareImageProcessor
from trocr_gsa.model.modeling_gsa_net import GSANetModelOutput
from trocr_gsa.model.modeling_trocr_gsa import Orientation
from trocr_gsa.reader.preparation.levelling import LevelledLine, level
from trocr_gsa.reader.preparation.polarity import dark_on_light
from trocr_gsa.reader.preparation.trimming import trim

from .drafting import Applied, write
from .spelling import character_probabilities

LEVELLED_PATCHES = 16_384  # of a batch, padding included: such a line is found to be longer than its picture told
# Of what is encoded at once, padding included: few lines stay in a processor's cache and waste little on padding.
# What follows is done for more of them together: it is many small steps.
ENCODED_PATCHES_ON_CPU = 512
DOUBT = 0.02  # probability from which on a pose that is not the likeliest is looked at


def read_images(
    model: Any,
    processor: Any,
    images: list[Image.Image],
    orientation: Orientation = "any",
    num_beams: int = 1,
    with_ctc_text: bool = False,
    applied: Applied | None = None,
) -> list[Line]:
    """Read one batch of images; lines in much room are cut out, those tilted between the quarter turns levelled first.

    Args:
        model: the reader (TrOCRGSAModel), in evaluation mode.
        processor: its processor.
        images: at least one.
        orientation: prior over orientations, as the model takes it; where one is given, no image is levelled.
        num_beams: 1 reads greedily; 0 takes what the CTC head sees, without the decoder.
        with_ctc_text: have the CTC head read the lines too, for `Line.ctc_text`.
        applied: what to be inside of while the images of some places are read, such as their adapters.

    Returns: a line an image, in their order, with the temperature of the model's configuration in its confidence, and
        without a source.

    Raises:
        ValueError: if `num_beams` is 0 and the model has no CTC head.
    """
    shape = processor.image_processor
    # a square that lines are squashed into is a taken-over model's: it is to see what it has always seen
    squashed = isinstance(shape, SquareImageProcessor)
    images = images if squashed else [dark_on_light(image) for image in images]
    lines = [level(image) if orientation == "any" else LevelledLine(image, 0.0) for image in images]
    lines = lines if squashed else [replace(line, image=trim(line.image)) for line in lines]
    sizes = np.array([shape.num_patches(*line.image.size) for line in lines])
    if all(line.image is image for line, image in zip(lines, images, strict=True)):
        return _read_batch(model, processor, images, orientation, num_beams, with_ctc_text, applied)
    for place in np.flatnonzero(sizes > shape.max_patches):
        lines[place], sizes[place] = LevelledLine(images[place], 0.0), shape.num_patches(*images[place].size)
    readings: dict[int, Line] = {}
    for batch in cut_batches(np.argsort(sizes, kind="stable"), sizes, LEVELLED_PATCHES, len(images)):
        inside = None if applied is None else _those(applied, batch)
        pictures = [lines[place].image for place in batch]
        found = _read_batch(model, processor, pictures, orientation, num_beams, with_ctc_text, inside)
        for place, reading in zip(batch, found, strict=True):
            turned = (reading.orientation + lines[place].tilt) % 360
            readings[place] = replace(reading, orientation=turned)
    return [readings[place] for place in range(len(images))]


def _those(applied: Applied, batch: Sequence[int]) -> Applied:
    """Return `applied` for places of a part of its batch."""
    return lambda places: applied([batch[place] for place in places])


@torch.inference_mode()
def _read_batch(
    model: Any,
    processor: Any,
    images: list[Image.Image],
    orientation: Orientation,
    num_beams: int,
    with_ctc_text: bool,
    applied: Applied | None,
) -> list[Line]:
    """Read images as they are, and in doubt from other sides too."""
    applied = applied or (lambda places: nullcontext())
    encoded = _encode(partial(model.encode, orientation=orientation), model, processor, images, applied)
    readings = _read(model, processor, encoded, num_beams, with_ctc_text, applied)
    log_p = encoded["pose_logits"].cpu()
    doubts = (log_p > math.log(DOUBT)) & (torch.arange(log_p.shape[1]) != log_p.argmax(-1, keepdim=True))
    for pose in doubts.any(0).nonzero().flatten().tolist():
        lines = doubts[:, pose].nonzero().flatten().tolist()
        pictures, inside = [images[line] for line in lines], _those(applied, lines)
        encoded = _encode(partial(model.encoder, only_pose=pose), model, processor, pictures, inside)
        others = _read(model, processor, encoded, num_beams, with_ctc_text, inside)
        for line, other in zip(lines, others, strict=True):
            readings[line] = max(readings[line], other, key=lambda reading: reading.confidence)
    # Not before they were compared: a small temperature makes zeros of all but the surest.
    temperature = model.config.confidence_temperature
    return [replace(reading, confidence=reading.confidence ** (1 / temperature)) for reading in readings]


def _encode(
    encode: Callable[..., GSANetModelOutput], model: Any, processor: Any, images: list[Image.Image], applied: Applied
) -> GSANetModelOutput:
    """Encode a batch; a module on a CPU, a few lines of like length at a time."""
    in_order = list(range(len(images)))
    parts = [in_order]
    if isinstance(model, torch.nn.Module) and model.device.type == "cpu":
        sizes = np.array([processor.image_processor.num_patches(*image.size) for image in images])
        order = np.argsort(sizes, kind="stable")
        parts = cut_batches(order, sizes, ENCODED_PATCHES_ON_CPU, len(images))
    found = []
    for part in parts:
        inputs = processor(images=[images[place] for place in part]).to(model.device)
        with applied(part):
            found.append(encode(**inputs))
    return found[0] if parts == [in_order] else _together(found, np.argsort(np.concatenate(parts)).tolist())


def _together(parts: Sequence[GSANetModelOutput], order: Sequence[int]) -> GSANetModelOutput:
    """Return lines that were encoded in parts, padded to the longest, in an order of theirs."""
    together = {}
    for name, tensor in parts[0].items():
        rows = [row for part in parts for row in part[name]]
        rows = [rows[place] for place in order]
        nothing = torch.finfo(tensor.dtype).min if name == "attention_mask" else 0
        together[name] = pad_sequence(rows, True, nothing) if rows[0].dim() else torch.stack(rows)
    return GSANetModelOutput(**together)


def _read(
    model: Any, processor: Any, encoded: GSANetModelOutput, num_beams: int, with_ctc_text: bool, applied: Applied
) -> list[Line]:
    """Read what the encoder made of a batch, each line as its pose there says."""
    angles = [model.encoder.group.angles[pose] for pose in encoded["pose"].tolist()]
    ctc_texts: list[str | None] = [None] * len(angles)
    has_head, head = model.ctc_head is not None, model.ctc_head
    seen: Any = None
    if num_beams == 0 and not has_head:
        raise ValueError("`num_beams` must be at least 1: this reader has no CTC head that could read alone, got 0.")
    drafted = has_head and (num_beams == 0 or (num_beams == 1 and model.config.ctc_decoding_weight > 0))
    if has_head and (with_ctc_text or drafted):
        with applied(range(len(angles))):
            seen = head(encoded.pose_hidden_state, encoded.pose_positions, encoded.pose_mask)
        if with_ctc_text:
            ctc_texts = processor.batch_decode(head.read(*seen), skip_special_tokens=True)
    if num_beams == 0:
        letters = head.read(*seen)
        scores, of_texts = head.score(*seen, letters)
        log_p = [score[: len(text)] for score, text in zip(scores.tolist(), letters, strict=True)]
        sums = of_texts.tolist()
    else:
        if drafted:
            drafts = write(model, encoded, seen, applied)
            letters, log_p = [draft.letters for draft in drafts], [draft.log_p for draft in drafts]
        else:
            with applied(range(len(angles))):
                letters, log_p = _generate(model, encoded, num_beams)
        sums = list(map(sum, log_p))
    texts = processor.batch_decode(letters, skip_special_tokens=True)
    return [
        Line(
            text=text,
            confidence=math.exp(total / max(1, len(ids))),
            orientation=angle,
            ctc_text=ctc_text,
            character_confidences=character_probabilities(processor.tokenizer, ids, each, text),
        )
        for text, ids, each, total, angle, ctc_text in zip(texts, letters, log_p, sums, angles, ctc_texts, strict=True)
    ]


def _generate(model: Any, encoded: GSANetModelOutput, num_beams: int) -> tuple[list[list[int]], list[list[float]]]:
    """Write letter by letter; return the letters of every line, the end mark included, and log p of each."""
    generated = model.generate(
        encoder_outputs=encoded,
        num_beams=num_beams,
        max_length=model.config.decoder.max_position_embeddings,
        return_dict_in_generate=True,
        output_scores=True,
    )
    log_p = model.compute_transition_scores(
        generated.sequences, generated.scores, getattr(generated, "beam_indices", None), normalize_logits=True
    )
    letters = generated.sequences[:, 1 : 1 + log_p.shape[1]]
    ends = letters == model.config.eos_token_id
    counts = ((ends.cumsum(-1) == 0).sum(-1) + ends.any(-1)).tolist()
    return (
        [text[:count] for text, count in zip(letters.tolist(), counts, strict=True)],
        [text[:count] for text, count in zip(log_p.tolist(), counts, strict=True)],
    )
