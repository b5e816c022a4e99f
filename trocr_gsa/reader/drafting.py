"""Greedy decoding in a handful of passes: the CTC head drafts a line, the decoder and the CTC scores verify the draft.

What is unusual:
- the decoder sees a whole draft at once and predicts a token at every place. The draft is accepted up to the first
  place where the prediction differs. The predicted token there is correct, so every pass accepts at least one token;
- the rest of the next draft comes from the old draft or from the predictions, whichever the CTC head finds more
  probable. After an early mistake, the next pass verifies only a few tokens;
- finished lines leave the batch, and lines that are ahead wait for the others, so that there is little padding.
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

LOOK_AHEAD = 5  # tokens by which continuations are compared
MAX_LEAD = 8  # accepted tokens by which lines of a pass may differ; lines that are further ahead wait
MIN_WINDOW = 16  # tokens that a pass verifies at least

Decode = Callable[[Sequence[int], int, Tensor], Tensor]
Applied = Callable[[Sequence[int]], AbstractContextManager[None]]


@dataclass
class Draft:
    """The text of a line: accepted tokens, then a proposal for the rest.

    Attributes:
        line: its index in the batch.
        letters: its tokens, including the end token.
        state: the CTC state of the accepted tokens.
        window: number of tokens that the next pass verifies.
        log_p: log p(token | tokens before) of each accepted token.
    """

    line: int
    letters: list[int]
    state: Prefixes
    window: int
    log_p: list[float] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """Number of accepted tokens."""
        return len(self.log_p)


class CachedDecoder:
    """The decoder of a reader, with the cached keys and values of every line: of accepted tokens, and of the image.

    Args:
        model: the reader.
        encoded: the output of its encoder for all lines.
        applied: line indices → a context manager inside which these lines are decoded, such as one for their adapters.
    """

    def __init__(self, model: DraftingBackend, encoded: ModelOutput, applied: Applied) -> None:
        self.model, self.encoded, self.applied = model, encoded, applied
        self.cached: dict[int, list[list[Tensor]]] = {}  # line → layer → keys and values of tokens, and of the image

    def __call__(self, lines: Sequence[int], start: int, before: Tensor) -> Tensor:
        """Decode some of the lines.

        Args:
            lines: their indices.
            start: number of accepted tokens of each line to take from the cache.
            before: (line, token) long, the decoder's input tokens from there on.

        Returns: logits (line, token, vocab).
        """
        some = {name: self.encoded[name][list(lines)] for name in ("last_hidden_state", "attention_mask")}
        with self.applied(lines):
            output = self.model(
                encoder_outputs=GSANetModelOutput(**some),
                decoder_input_ids=before,
                cache=self._cache(lines, start),
                use_cache=True,
            )
        layers = [(key, value, *of_image) for key, value, _, *of_image, _ in output[CACHE]]
        for row, line in enumerate(lines):
            self.cached[line] = [[part[row] for part in layer] for layer in layers]
        return output.logits

    def _cache(self, lines: Sequence[int], start: int) -> EncoderDecoderCache:
        """Return the cache of the first tokens of some lines."""
        if not start:
            return EncoderDecoderCache(DynamicCache(), DynamicCache())
        layers = []
        for of_lines in zip(*(self.cached[line] for line in lines), strict=True):
            key, value, *of_image = zip(*of_lines, strict=True)
            of_tokens = (torch.stack([part[:, :start] for part in parts]) for parts in (key, value))
            layers.append((*of_tokens, *map(torch.stack, of_image)))
        return EncoderDecoderCache(layers)


def write(
    model: DraftingBackend, encoded: ModelOutput, columns: tuple[Tensor, Tensor], applied: Applied
) -> list[Draft]:
    """Return the texts that `generate` would find greedily, with the configured weight of the CTC head.

    Args:
        model: a reader with a CTC head.
        encoded: the output of its encoder for the lines.
        columns: the output of its CTC head: logits (batch, frame, vocab) and the number of frames (batch,) long.
        applied: line indices → a context manager inside which these lines are decoded, such as one for their adapters.
    """
    config, joint, eos = model.config, joint_scores(model, columns), model.config.eos_token_id
    texts = [text[: text.index(eos)] if eos in text else text for text in model.ctc_head.read(*columns)]
    decode = CachedDecoder(model, encoded, applied)
    most = config.decoder.max_position_embeddings - 1
    return read_drafts(decode, joint, texts, config.decoder_start_token_id, most)


def joint_scores(model: DraftingBackend, columns: tuple[Tensor, Tensor]) -> JointScores:
    """Return the scores by which a reader chooses tokens, for lines with this output of its CTC head."""
    config = model.config
    blank = config.pad_token_id
    return JointScores(CTCColumns(*columns, blank), blank, config.eos_token_id, config.ctc_decoding_weight)


def read_drafts(
    decode: Decode, joint: JointScores, texts: Sequence[Sequence[int]], start: int, most: int
) -> list[Draft]:
    """Decode greedily, c_t = argmax_c score(c | c_1 … c_{t−1}), starting from drafts.

    Args:
        decode: the decoder, called like a `CachedDecoder`.
        joint: the scores.
        texts: a draft of every line, without the end token. It changes the number of passes and never the result.
        start: the token that precedes the first one.
        most: maximum number of tokens of a text, including the end token.
    """
    states = zip(*joint.columns.empty(), strict=True)
    drafts = [
        Draft(line, [*text, joint.eos][:most], Prefixes(*state), window=most)
        for line, (text, state) in enumerate(zip(texts, states, strict=True))
    ]
    unfinished = drafts
    while unfinished:
        furthest = min(draft.accepted for draft in unfinished) + MAX_LEAD
        ahead = [draft for draft in unfinished if draft.accepted > furthest]
        behind = [draft for draft in unfinished if draft.accepted <= furthest]
        unfinished = ahead + _verify(decode, joint, behind, start, most)
    return drafts


def _verify(decode: Decode, joint: JointScores, drafts: list[Draft], start: int, most: int) -> list[Draft]:
    """Verify the next tokens of each draft, as many as its window holds, and return the unfinished drafts."""
    device = joint.columns.lengths.device
    lines = [draft.line for draft in drafts]
    rows = torch.tensor(lines, device=device)
    first = min(draft.accepted for draft in drafts)
    proposed = [draft.letters[draft.accepted : draft.accepted + draft.window] for draft in drafts]
    before = padded(
        [[start, *each.letters][first : each.accepted + len(old)] for each, old in zip(drafts, proposed, strict=True)],
        joint.eos,
        device,
    )
    tokens = padded(proposed, joint.eos, device)
    accepted = torch.tensor([[draft.accepted] for draft in drafts], device=device)
    lengths = accepted + torch.arange(tokens.shape[1], device=device)
    logits = decode(lines, first, before)
    places = (lengths - first).clamp_max(before.shape[1] - 1)
    logits = logits.gather(1, places[..., None].expand(-1, -1, logits.shape[-1]))
    prefixes = joint.columns.spelt(_stacked([draft.state for draft in drafts]), rows, tokens[:, :-1])
    log_p, best = joint(logits, prefixes, rows, lengths).log_softmax(-1).max(-1)
    unfinished, at = [], []
    for row, (draft, old) in enumerate(zip(drafts, proposed, strict=True)):
        predicted = best[row, : len(old)].tolist()
        count = next((place + 1 for place in range(len(old)) if predicted[place] != old[place]), len(old))
        continuations = _continuations(draft.letters[draft.accepted :], predicted, count)
        draft.letters[draft.accepted + count - 1] = predicted[count - 1]
        draft.log_p += log_p[row, :count].tolist()
        draft.window = max(MIN_WINDOW, 2 * count)
        if draft.letters[draft.accepted - 1] == joint.eos or draft.accepted >= most:
            draft.letters = draft.letters[: draft.accepted]
            continue
        unfinished.append((draft, continuations))
        at.append((row, count - 1))
    if not unfinished:
        return []
    place = torch.tensor(at, device=device).T
    _propose(joint, unfinished, Prefixes(*(part[place[0], place[1]] for part in prefixes)), most)
    return [draft for draft, _ in unfinished]


def _continuations(old: list[int], predicted: list[int], count: int) -> list[list[int]]:
    """Return candidates for the rest of a draft.

    If the last accepted token differs from the draft's, the draft may have had a wrong token there (substitution),
    lacked one (deletion), or had one too many (insertion); each gives another rest.

    Args:
        old: the draft's tokens from the first that was verified.
        predicted: the decoder's predictions for the verified tokens.
        count: number of accepted tokens, the last of which may differ from the draft.
    """
    if predicted[count - 1] == old[count - 1]:
        return [old[count:]]
    return [[*predicted[count:], *old[len(predicted) :]], old[count - 1 :], old[count + 1 :]]


def _propose(joint: JointScores, drafts: list[tuple[Draft, list[list[int]]]], before: Prefixes, most: int) -> None:
    """Set the rest of each draft to the continuation that the CTC head finds most probable, in place.

    Args:
        joint: the scores.
        drafts: each with its continuations, as `_continuations` returns them.
        before: the CTC state before the last accepted token, one row per draft.
        most: maximum number of tokens of a text.
    """
    columns, device = joint.columns, before.last.device
    last_tokens = [(draft.line, draft.letters[draft.accepted - 1]) for draft, _ in drafts]
    lines, last = torch.tensor(last_tokens, device=device).T
    states = _longest(columns.spelt(before, lines, last[:, None]))
    rows = torch.tensor([row for row, (_, tails) in enumerate(drafts) for _ in tails], device=device)
    ahead = [[*tail, *[joint.eos] * LOOK_AHEAD][:LOOK_AHEAD] for _, tails in drafts for tail in tails]
    ahead = torch.tensor(ahead, device=device)
    continued = _longest(columns.spelt(Prefixes(*(part[rows] for part in states)), lines[rows], ahead))
    scores = iter(continued.psi.tolist())
    for row, (draft, tails) in enumerate(drafts):
        draft.state = Prefixes(*(part[row] for part in states))
        tail = max(tails, key=lambda _: next(scores))
        end = tail.index(joint.eos) if joint.eos in tail else len(tail)
        draft.letters = [*draft.letters[: draft.accepted], *tail[:end], joint.eos][:most]


def _longest(prefixes: Prefixes) -> Prefixes:
    """Return the longest of prefixes (row, token + 1, …): (row, …)."""
    return Prefixes(*(part[:, -1] for part in prefixes))


def _stacked(states: Sequence[Prefixes]) -> Prefixes:
    return Prefixes(*(torch.stack(part) for part in zip(*states, strict=True)))


def padded(texts: Sequence[Sequence[int]], fill: int, device: torch.device) -> Tensor:
    """Return tokens (text, token), filled up at the end."""
    longest = max(map(len, texts))
    return torch.tensor([[*text, *[fill] * (longest - len(text))] for text in texts], device=device)
