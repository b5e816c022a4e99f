"""The same text as letter by letter, in a handful of passes: the CTC head drafts a line, decoder and columns check it.

What is unusual: the decoder sees a whole draft at once and says at every place what it would write there. The draft
stands up to the first place where that is another letter; this letter is right by construction, so every pass gains at
least one. What follows it is taken from the old draft or from what the decoder would have written, wherever the columns
say that it goes on; lines whose draft stands leave the batch.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from .ctc_prefix import CTCColumns, JointScores, Prefixes
from .modeling_gsa_net import GSANetModelOutput

LOOK_AHEAD = 5  # letters by which the ways to go on are told apart

Decode = Callable[[Sequence[int], int, Tensor], Tensor]
Applied = Callable[[Sequence[int]], AbstractContextManager[None]]


@dataclass
class Draft:
    """A line's text, as far as it is known.

    Attributes:
        line: its number.
        letters: of the text, the end mark included.
        state: what the columns say of the letters that stand.
        log_p: of each letter that stands, behind those before.
    """

    line: int
    letters: list[int]
    state: Prefixes
    log_p: list[float] = field(default_factory=list)

    @property
    def known(self) -> int:
        """How many letters stand."""
        return len(self.log_p)

    @property
    def confidence(self) -> float:
        """Geometric mean of the probabilities of the letters that stand, in [0, 1]."""
        return math.exp(sum(self.log_p) / max(1, self.known))


class CachedDecoder:
    """A reader's decoder that remembers the keys and values of letters that stand, and of the pictures.

    Args:
        model: the reader (TrOCRGSAModel).
        encoded: what its encoder made of all lines.
        applied: what to be inside of while some of the lines are decoded, such as their adapters.
    """

    def __init__(self, model: Any, encoded: GSANetModelOutput, applied: Applied) -> None:
        self.model, self.encoded, self.applied = model, encoded, applied
        self.lines = list(range(len(encoded["last_hidden_state"])))
        self.cache = EncoderDecoderCache(DynamicCache(), DynamicCache())

    def __call__(self, lines: Sequence[int], start: int, before: Tensor) -> Tensor:
        """Decode some of the lines that were decoded last.

        Args:
            lines: their numbers.
            start: letters of each that were given before and stand.
            before: (line, letter) long, what stands before every letter from there on.

        Returns: logits (line, letter, vocab).
        """
        rows = torch.tensor([self.lines.index(line) for line in lines], device=before.device)
        too_many = self.cache.get_seq_length() - start
        if too_many:
            self.cache.crop(-too_many)
        if len(lines) < len(self.lines):
            self.cache.batch_select_indices(rows)
        self.lines = list(lines)
        some = {name: self.encoded[name][list(lines)] for name in ("last_hidden_state", "attention_mask")}
        with self.applied(lines):
            output = self.model(
                encoder_outputs=GSANetModelOutput(**some),
                decoder_input_ids=before,
                past_key_values=self.cache,
                use_cache=True,
            )
        return output.logits


def write(model: Any, encoded: GSANetModelOutput, columns: tuple[Tensor, Tensor], applied: Applied) -> list[Draft]:
    """Write what `generate` would greedily, with the weight of the columns that is configured.

    Args:
        model: the reader (TrOCRGSAModel), with a CTC head.
        encoded: what its encoder made of the lines.
        columns: what the CTC head made of that: logits (batch, step, vocab) and steps (batch,) long.
        applied: what to be inside of while some of the lines are decoded, such as their adapters.
    """
    config, eos = model.config, model.config.eos_token_id
    joint = JointScores(CTCColumns(*columns, config.pad_token_id), config.pad_token_id, eos, config.ctc_decoding_weight)
    texts = [text[: text.index(eos)] if eos in text else text for text in model.ctc_head.read(*columns)]
    decode = CachedDecoder(model, encoded, applied)
    most = config.decoder.max_position_embeddings - 1
    return read_drafts(decode, joint, texts, config.decoder_start_token_id, most)


def read_drafts(
    decode: Decode, joint: JointScores, texts: Sequence[Sequence[int]], start: int, most: int
) -> list[Draft]:
    """Write what greedy reading would, c_t = argmax_c score(c | c_1 … c_{t−1}), beginning with drafts of the lines.

    Args:
        decode: the decoder, called as a `CachedDecoder` is.
        joint: the scores.
        texts: drafts of every line, letters without an end mark; what is written does not depend on them.
        start: the letter that stands before the first.
        most: letters of the longest text, the end mark included.
    """
    states = zip(*joint.columns.empty(), strict=True)
    drafts = [
        Draft(line, [*text, joint.eos][:most], Prefixes(*state))
        for line, (text, state) in enumerate(zip(texts, states, strict=True))
    ]
    reading = drafts
    while reading:
        reading = _check(decode, joint, reading, start, most)
    return drafts


def _check(decode: Decode, joint: JointScores, drafts: list[Draft], start: int, most: int) -> list[Draft]:
    """Look at the letters of drafts that are not known yet, and return the drafts that are not done."""
    device = joint.columns.lengths.device
    lines = [draft.line for draft in drafts]
    rows = torch.tensor(lines, device=device)
    first = min(draft.known for draft in drafts)
    before = _padded([[start, *draft.letters[:-1]][first:] for draft in drafts], joint.eos, device)
    letters = _padded([draft.letters[draft.known :] for draft in drafts], joint.eos, device)
    known = torch.tensor([[draft.known] for draft in drafts], device=device)
    lengths = known + torch.arange(letters.shape[1], device=device)
    logits = decode(lines, first, before)
    places = (lengths - first).clamp_max(before.shape[1] - 1)
    logits = logits.gather(1, places[..., None].expand(-1, -1, logits.shape[-1]))
    prefixes = _spelt(joint.columns, _stacked([draft.state for draft in drafts]), rows, letters)
    log_p, best = joint(logits, prefixes, rows, lengths).log_softmax(-1).max(-1)
    going_on, at = [], []
    for row, draft in enumerate(drafts):
        old = draft.letters[draft.known :]
        found = best[row, : len(old)].tolist()
        stands = next((place + 1 for place in range(len(old)) if found[place] != old[place]), len(old))
        differs = found[stands - 1] != old[stands - 1]
        draft.letters = draft.letters[: draft.known] + found[:stands]
        draft.log_p += log_p[row, :stands].tolist()
        if differs and draft.letters[-1] != joint.eos and draft.known < most:
            tails = (found[stands:], old[stands - 1 :], old[stands + 1 :])
            going_on.append((draft, tails))
            at.append((row, stands - 1))
    if not going_on:
        return []
    place = torch.tensor(at, device=device).T
    _go_on(joint, going_on, Prefixes(*(part[place[0], place[1]] for part in prefixes)), most)
    return [draft for draft, _ in going_on]


def _go_on(joint: JointScores, drafts: list[tuple[Draft, tuple[list[int], ...]]], before: Prefixes, most: int) -> None:
    """Choose what follows the last letter of each draft, in place.

    Args:
        joint: the scores.
        drafts: each with three ways to go on: as if its last letter had been another in the old draft, had been left
            out of it, or stood in place of two.
        before: what stands before those letters, a row a draft.
        most: letters of the longest text.
    """
    device = joint.columns.lengths.device
    lines, last = torch.tensor([(draft.line, draft.letters[-1]) for draft, _ in drafts], device=device).T
    states = joint.columns.extended(before, lines, last)
    for number, (draft, _) in enumerate(drafts):
        draft.state = Prefixes(*(part[number] for part in states))
    ways = [tail for _, tails in drafts for tail in tails]
    ahead = torch.tensor([[*tail, *[joint.eos] * LOOK_AHEAD][:LOOK_AHEAD] for tail in ways], device=device)
    count = len(ways) // len(drafts)
    states = Prefixes(*(part.repeat_interleave(count, 0) for part in states))
    for letters in ahead.unbind(1):
        states = joint.columns.extended(states, lines.repeat_interleave(count), letters)
    for (draft, tails), way in zip(drafts, states.psi.view(-1, count).argmax(-1).tolist(), strict=True):
        tail = tails[way]
        end = tail.index(joint.eos) if joint.eos in tail else len(tail)
        draft.letters = [*draft.letters, *tail[:end], joint.eos][:most]


def _spelt(columns: CTCColumns, known: Prefixes, lines: Tensor, letters: Tensor) -> Prefixes:
    """Return what stands before every one of letters (row, letter) that follow what is known: (row, letter, …)."""
    states = [known]
    for letter in letters[:, :-1].unbind(1):
        states.append(columns.extended(states[-1], lines, letter))
    return Prefixes(*(torch.stack(part, dim=1) for part in zip(*states, strict=True)))


def _stacked(states: Sequence[Prefixes]) -> Prefixes:
    return Prefixes(*(torch.stack(part) for part in zip(*states, strict=True)))


def _padded(texts: Sequence[Sequence[int]], fill: int, device: torch.device) -> Tensor:
    longest = max(map(len, texts))
    return torch.tensor([[*text, *[fill] * (longest - len(text))] for text in texts], device=device)
