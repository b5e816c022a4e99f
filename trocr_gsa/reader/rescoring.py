"""The text of a line, chosen by a language model among texts that the CTC head finds likely.

What is unusual: p(text | image) is the reader's own probability of the text, as for one that it wrote by itself. The
decoder computes it for all candidates of a line in one pass, because none of their tokens has to be found any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers.utils.generic import ModelOutput

from trocr_gsa.model.ctc_prefix import JointScores, Prefixes

from .backend import DraftingBackend
from .drafting import Applied, CachedDecoder, joint_scores, padded
from .language_model import LanguageModel

Scored = tuple[list[int], list[float]]  # tokens of a text, with its end; log p of each

WIDTH = 16  # candidates for each line, besides its reading
LEAST = 1e-3  # probability of a token in a frame; less likely ones are not tried


def rescored(
    model: DraftingBackend,
    encoded: ModelOutput,
    columns: tuple[Tensor, Tensor],
    applied: Applied,
    written: Sequence[Scored],
    language: LanguageModel,
    to_text: Callable[[list[int]], str],
) -> list[Scored]:
    """Return the chosen text of each line.

    Args:
        model: a reader with a CTC head.
        encoded: the output of its encoder for the lines.
        columns: the output of its CTC head: logits (batch, frame, vocab) and the number of frames (batch,) long.
        applied: line indices → a context manager inside which these lines are decoded, such as one for their adapters.
        written: the lines as the reader writes them.
        language: chooses.
        to_text: tokens → text.
    """
    joint, decode, eos = joint_scores(model, columns), CachedDecoder(model, encoded, applied), model.config.eos_token_id
    p = columns[0].float().softmax(-1).cpu()
    most = model.config.decoder.max_position_embeddings - 1
    found = []
    for line, (own, of_line, frames) in enumerate(zip(written, p, columns[1].tolist(), strict=True)):
        likely = likely_texts(of_line[:frames].tolist(), model.config.pad_token_id, WIDTH)
        ended = ((*text[: text.index(eos)], eos) if eos in text else (*text, eos) for text in likely)
        texts = [text for text in dict.fromkeys(ended) if list(text) != own[0] and len(text) <= most]
        candidates = [own, *_scored(decode, joint, model.config.decoder_start_token_id, line, texts)]
        found.append(candidates[language.choose([(to_text(tokens), sum(log_p)) for tokens, log_p in candidates])])
    return found


def likely_texts(p: Sequence[Sequence[float]], blank: int, width: int) -> list[tuple[int, ...]]:
    """Return the texts that a prefix beam search finds in the frames of a CTC head, the most probable first.

    Args:
        p: (frame, vocab), probabilities.
        blank: id of the blank.
        width: number of texts that are followed.

    Source: Hannun et al. 2014, *First-pass large vocabulary continuous speech recognition using bi-directional
        recurrent DNNs*, algorithm 1, without a language model.
    """
    texts: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}  # ending in a blank, in a token
    for frame in p:
        likely = [(token, of_token) for token, of_token in enumerate(frame) if of_token > LEAST]
        grown: defaultdict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for text, (in_blank, in_token) in texts.items():
            for token, of_token in likely:
                if token == blank:
                    grown[text][0] += (in_blank + in_token) * of_token
                elif text and text[-1] == token:
                    grown[text][1] += in_token * of_token
                    if in_blank:
                        grown[*text, token][1] += in_blank * of_token
                else:
                    grown[*text, token][1] += (in_blank + in_token) * of_token
        best = sorted(grown.items(), key=lambda item: -sum(item[1]))[:width]
        largest = sum(best[0][1])  # so that long lines do not underflow
        texts = {text: (in_blank / largest, in_token / largest) for text, (in_blank, in_token) in best}
    return list(texts)


def _scored(
    decode: CachedDecoder, joint: JointScores, start: int, line: int, texts: Sequence[Sequence[int]]
) -> list[Scored]:
    if not texts:
        return []
    device = joint.columns.lengths.device
    tokens = padded(texts, joint.eos, device)
    rows = torch.full((len(texts),), line, device=device)
    # keys and values of the image are computed once for all texts, together with the start token
    first = decode([line], 0, torch.tensor([[start]], device=device))
    logits = first.expand(len(texts), -1, -1)
    if tokens.shape[1] > 1:
        logits = torch.cat((logits, decode(rows.tolist(), 1, tokens[:, :-1])), dim=1)
    empty = Prefixes(*(part[rows] for part in joint.columns.empty()))
    prefixes = joint.columns.spelt(empty, rows, tokens[:, :-1])
    lengths = torch.arange(tokens.shape[1], device=device).expand(len(texts), -1)
    log_p = joint(logits, prefixes, rows, lengths).log_softmax(-1).gather(-1, tokens[..., None])[..., 0].tolist()
    return [(list(text), of_text[: len(text)]) for text, of_text in zip(texts, log_p, strict=True)]
