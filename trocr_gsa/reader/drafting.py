"""The same text as letter by letter, in a handful of passes: the CTC head drafts a line, decoder and columns check it.

What is unusual:
- the decoder sees a whole draft at once and says at every place what it would write there. The draft stands up to the
  first place where that is another letter; this letter is right by construction, so every pass gains at least one;
- what follows it is taken from the old draft or from what the decoder would have written, wherever the columns say that
  it goes on; where a draft was wrong early, the next pass does not look far;
- lines whose draft stands leave the batch, and lines that are further wait for those behind, so that little is padded.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.utils.generic import ModelOutput

from trocr_gsa.model.ctc_prefix import CTCColumns, JointScores, Prefixes
from trocr_gsa.model.decoder_cache import CACHE
from trocr_gsa.model.modeling_gsa_net import GSANetModelOutput

from .backend import DraftingBackend

LOOK_AHEAD = 5  # letters by which the ways to go on are told apart
TOGETHER = 8  # letters by which lines of a pass may differ in what stands; those that are further wait
LEAST_AHEAD = 16  # letters that a pass looks at, where the one before found a mistake after a few

Decode = Callable[[Sequence[int], int, Tensor], Tensor]
Applied = Callable[[Sequence[int]], AbstractContextManager[None]]


@dataclass
class Draft:
    """A line's text, as far as it is known.

    Attributes:
        line: its number.
        letters: of the text, the end mark included.
        state: what the columns say of the letters that stand.
        ahead: how many letters behind those to look at in the next pass.
        log_p: of each letter that stands, behind those before.
    """

    line: int
    letters: list[int]
    state: Prefixes
    ahead: int
    log_p: list[float] = field(default_factory=list)

    @property
    def known(self) -> int:
        """How many letters stand."""
        return len(self.log_p)


class CachedDecoder:
    """A reader's decoder that remembers, line by line, the keys and values of letters that stand and of the picture.

    Args:
        model: that is read with.
        encoded: what its encoder made of all lines.
        applied: what to be inside of while some of the lines are decoded, such as their adapters.
    """

    def __init__(self, model: DraftingBackend, encoded: ModelOutput, applied: Applied) -> None:
        self.model, self.encoded, self.applied = model, encoded, applied
        self.remembered: dict[int, list[list[Tensor]]] = {}  # line → layer → keys, values, and those of the picture

    def __call__(self, lines: Sequence[int], start: int, before: Tensor) -> Tensor:
        """Decode some of the lines.

        Args:
            lines: their numbers.
            start: letters of each that were given before and stand.
            before: (line, letter) long, what stands before every letter from there on.

        Returns: logits (line, letter, vocab).
        """
        some = {name: self.encoded[name][list(lines)] for name in ("last_hidden_state", "attention_mask")}
        with self.applied(lines):
            output = self.model(
                encoder_outputs=GSANetModelOutput(**some),
                decoder_input_ids=before,
                cache=self._cache(lines, start),
                use_cache=True,
            )
        layers = [(key, value, *seen) for key, value, _, *seen, _ in output[CACHE]]
        for row, line in enumerate(lines):
            self.remembered[line] = [[part[row] for part in layer] for layer in layers]
        return output.logits

    def _cache(self, lines: Sequence[int], start: int) -> EncoderDecoderCache:
        """Return what is remembered of the first letters of lines."""
        if not start:
            return EncoderDecoderCache(DynamicCache(), DynamicCache())
        layers = []
        for of_lines in zip(*(self.remembered[line] for line in lines), strict=True):
            key, value, *seen = zip(*of_lines, strict=True)
            letters = (torch.stack([part[:, :start] for part in parts]) for parts in (key, value))
            layers.append((*letters, *map(torch.stack, seen)))
        return EncoderDecoderCache(layers)


def write(
    model: DraftingBackend, encoded: ModelOutput, columns: tuple[Tensor, Tensor], applied: Applied
) -> list[Draft]:
    """Write what `generate` would greedily, with the weight of the columns that is configured.

    Args:
        model: with a CTC head.
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
        Draft(line, [*text, joint.eos][:most], Prefixes(*state), ahead=most)
        for line, (text, state) in enumerate(zip(texts, states, strict=True))
    ]
    reading = drafts
    while reading:
        furthest = min(draft.known for draft in reading) + TOGETHER
        waiting = [draft for draft in reading if draft.known > furthest]
        behind = [draft for draft in reading if draft.known <= furthest]
        reading = waiting + _check(decode, joint, behind, start, most)
    return drafts


def _check(decode: Decode, joint: JointScores, drafts: list[Draft], start: int, most: int) -> list[Draft]:
    """Look at the next letters of drafts, as many as each asks for, and return the drafts that are not done."""
    device = joint.columns.lengths.device
    lines = [draft.line for draft in drafts]
    rows = torch.tensor(lines, device=device)
    first = min(draft.known for draft in drafts)
    asked = [draft.letters[draft.known : draft.known + draft.ahead] for draft in drafts]
    before = _padded(
        [[start, *draft.letters][first : draft.known + len(old)] for draft, old in zip(drafts, asked, strict=True)],
        joint.eos, device,
    )  # fmt: skip
    letters = _padded(asked, joint.eos, device)
    known = torch.tensor([[draft.known] for draft in drafts], device=device)
    lengths = known + torch.arange(letters.shape[1], device=device)
    logits = decode(lines, first, before)
    places = (lengths - first).clamp_max(before.shape[1] - 1)
    logits = logits.gather(1, places[..., None].expand(-1, -1, logits.shape[-1]))
    prefixes = joint.columns.spelt(_stacked([draft.state for draft in drafts]), rows, letters[:, :-1])
    log_p, best = joint(logits, prefixes, rows, lengths).log_softmax(-1).max(-1)
    going_on, at = [], []
    for row, (draft, old) in enumerate(zip(drafts, asked, strict=True)):
        found = best[row, : len(old)].tolist()
        stands = next((place + 1 for place in range(len(old)) if found[place] != old[place]), len(old))
        tails = _tails(draft.letters[draft.known :], found, stands)
        draft.letters[draft.known + stands - 1] = found[stands - 1]
        draft.log_p += log_p[row, :stands].tolist()
        draft.ahead = max(LEAST_AHEAD, 2 * stands)
        if draft.letters[draft.known - 1] == joint.eos or draft.known >= most:
            draft.letters = draft.letters[: draft.known]
            continue
        going_on.append((draft, tails))
        at.append((row, stands - 1))
    if not going_on:
        return []
    place = torch.tensor(at, device=device).T
    _go_on(joint, going_on, Prefixes(*(part[place[0], place[1]] for part in prefixes)), most)
    return [draft for draft, _ in going_on]


def _tails(old: list[int], found: list[int], stands: int) -> list[list[int]]:
    """Return ways to go on behind letters of a draft of which the last that stands was found to be another, or not.

    If it was: the letter as another in the old draft, as left out of it, or as in place of two.
    """
    if found[stands - 1] == old[stands - 1]:
        return [old[stands:]]
    return [[*found[stands:], *old[len(found) :]], old[stands - 1 :], old[stands + 1 :]]


def _go_on(joint: JointScores, drafts: list[tuple[Draft, list[list[int]]]], before: Prefixes, most: int) -> None:
    """Choose what follows the letters that stand, in place.

    Args:
        joint: the scores.
        drafts: each with ways to go on, as `_tails` returns them.
        before: what stands before the last of those letters, a row a draft.
        most: letters of the longest text.
    """
    columns, device = joint.columns, before.last.device
    lines, last = torch.tensor([(draft.line, draft.letters[draft.known - 1]) for draft, _ in drafts], device=device).T
    states = _behind(columns.spelt(before, lines, last[:, None]))
    rows = torch.tensor([row for row, (_, tails) in enumerate(drafts) for _ in tails], device=device)
    ahead = [[*tail, *[joint.eos] * LOOK_AHEAD][:LOOK_AHEAD] for _, tails in drafts for tail in tails]
    ahead = torch.tensor(ahead, device=device)
    ways = _behind(columns.spelt(Prefixes(*(part[rows] for part in states)), lines[rows], ahead))
    fits = iter(ways.psi.tolist())
    for row, (draft, tails) in enumerate(drafts):
        draft.state = Prefixes(*(part[row] for part in states))
        tail = max(tails, key=lambda _: next(fits))
        end = tail.index(joint.eos) if joint.eos in tail else len(tail)
        draft.letters = [*draft.letters[: draft.known], *tail[:end], joint.eos][:most]


def _behind(prefixes: Prefixes) -> Prefixes:
    """Return the longest of prefixes (row, letter + 1, …): (row, …)."""
    return Prefixes(*(part[:, -1] for part in prefixes))


def _stacked(states: Sequence[Prefixes]) -> Prefixes:
    return Prefixes(*(torch.stack(part) for part in zip(*states, strict=True)))


def _padded(texts: Sequence[Sequence[int]], fill: int, device: torch.device) -> Tensor:
    longest = max(map(len, texts))
    return torch.tensor([[*text, *[fill] * (longest - len(text))] for text in texts], device=device)
