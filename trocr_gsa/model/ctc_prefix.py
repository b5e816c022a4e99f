"""Joint decoding: the decoder proposes tokens, and the CTC head scores how well the text so far fits the frames.

The decoder models language but may skip or repeat a part of the line; CTC is aligned with the line but has no language
model. What is unusual:
- the prefix recursion over the frames is solved in closed form by cumulative sums, one token at a time;
- the score of a candidate token after a prefix needs no recursion, only an inner product over the frames. So one matrix
  product scores all candidates after all prefixes of a draft, and the recursion runs only for tokens that were written.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LogitsProcessor

LOG_ZERO = -1e9  # log 0, as a number that stays finite in sums
TOO_LONG_PENALTY = -1e4  # added to a token that makes the text too long; finite, so that `min_length` still works
MIN_LOG_P = -50.0  # floor of a frame's log-probability: without it cumulative sums lose the frames that follow
MIN_LOG_SHARE = -300.0  # floor of a frame's share of a sum; smaller shares become denormal numbers, which are slow
CANDIDATES = 16  # the decoder's best tokens, which CTC scores; the others are ruled out

Key = tuple[int, tuple[int, ...]]  # line, and its tokens so far


class Prefixes(NamedTuple):
    """CTC states of texts so far, one text per row.

    Attributes:
        n: (…, frame + 1), log n_t: the frames up to t spell the text and end in its last token.
        b: (…, frame + 1), log b_t: the frames up to t spell the text and end in a blank.
        psi: (…), log ψ, the log-probability of all texts that begin with this text.
        last: (…) long, the last token; −1 for an empty text.
    """

    n: Tensor
    b: Tensor
    psi: Tensor
    last: Tensor


class CTCColumns:
    """The frames of the CTC head, and how well texts fit them.

    φ_t = b_t(g) + [c ≠ last letter of g] n_t(g)
    n_t(g·c) = (n_{t−1}(g·c) + φ_{t−1}) p_t(c),  b_t(g·c) = (b_{t−1}(g·c) + n_{t−1}(g·c)) p_t(blank)
    ψ(g·c) = Σ_t φ_{t−1} p_t(c)

    Args:
        logits: (batch, frame, vocab), of the CTC head.
        lengths: (batch,) long, frames of each line.
        blank: id of the blank.

    Source: Watanabe et al. 2017, *Hybrid CTC/attention architecture*, §II-C; the closed form is ours.
    """

    def __init__(self, logits: Tensor, lengths: Tensor, blank: int) -> None:
        log_p = logits.double().log_softmax(-1).clamp_min(MIN_LOG_P)
        log_p = log_p.transpose(1, 2).contiguous()  # (batch, vocab, frame)
        past_the_end = torch.arange(log_p.shape[2], device=log_p.device)[None] >= lengths[:, None]
        # far below `LOG_ZERO`, so that padding never decides between two impossible tokens
        self.log_p = log_p.masked_fill(past_the_end[:, None], 4 * LOG_ZERO)
        self.log_p[:, blank] = self.log_p[:, blank].masked_fill(past_the_end, 0.0)
        self.p = self.log_p.exp()
        self.past_the_end = past_the_end
        self.blank_sum = self.log_p[:, blank].cumsum(-1)
        self.lengths = lengths

    def empty(self) -> Prefixes:
        """Return the empty text of every line."""
        b = torch.cat((torch.zeros_like(self.blank_sum[:, :1]), self.blank_sum), dim=-1)
        none = torch.full_like(self.lengths, -1)
        return Prefixes(torch.full_like(b, LOG_ZERO), b, torch.zeros_like(b[:, 0]), none)

    def spelt(self, prefixes: Prefixes, lines: Tensor, letters: Tensor) -> Prefixes:
        """Append tokens one by one, and return all prefixes on the way: (row, token + 1, …), the given ones first.

        Args:
            prefixes: (row, …).
            lines: (row,) long, the line of each prefix.
            letters: (row, token) long, the tokens to append.
        """
        p = self.log_p[lines[:, None], letters].transpose(0, 1)  # (token, row, frame)
        # n_t = exp(C_t) Σ_{s ≤ t} φ_{s−1} exp(−C_{s−1}), where C is the cumulative sum of log p; b likewise
        total, blank_total = p.cumsum(-1), self.blank_sum[lines]
        before, blank_before = total - p, F.pad(blank_total[:, :-1], (1, 0))
        last = torch.cat((prefixes.last[:, None], letters), dim=1)
        repeated = (last[:, 1:] == last[:, :-1]).T[..., None]
        n, b = (torch.cat((part[None], part.new_full((len(p), *part.shape), LOG_ZERO))) for part in prefixes[:2])
        phi = torch.empty_like(p)
        for place in range(len(p)):
            either = torch.logaddexp(n[place], b[place])
            phi[place] = torch.where(repeated[place], b[place], either)[:, :-1]
            n[place + 1, :, 1:] = total[place] + torch.logcumsumexp(phi[place] - before[place], dim=-1)
            b[place + 1, :, 1:] = blank_total + torch.logcumsumexp(n[place + 1, :, :-1] - blank_before, dim=-1)
        psi = torch.cat((prefixes.psi[None], torch.logsumexp(phi + p, dim=-1)))
        return Prefixes(n.transpose(0, 1), b.transpose(0, 1), psi.T, last)

    def gains(self, prefixes: Prefixes, lines: Tensor, letters: Tensor) -> Tensor:
        """Return log ψ(g·c) − log ψ(g) for prefixes g (row, text) and tokens c (token,): (row, text, token).

        The sum over frames is an inner product of probabilities; φ is divided by its largest value for each prefix.
        """
        ended = self.past_the_end[lines][:, None]
        either = torch.logaddexp(prefixes.n, prefixes.b)[..., :-1].masked_fill(ended, -torch.inf)
        largest = either.amax(-1, keepdim=True)
        phi = (either - largest).clamp_min(MIN_LOG_SHARE).exp()
        gained = phi @ self.p[lines[:, None], letters].transpose(1, 2)
        # the same token twice needs a blank in between
        apart = (prefixes.b[..., :-1] - largest).clamp(MIN_LOG_SHARE, 0.0).exp()
        again = (apart * self.p[lines[:, None], prefixes.last.clamp_min(0)]).sum(-1, keepdim=True)
        gained = torch.where(letters == prefixes.last[..., None], again, gained)
        return gained.log() + largest - prefixes.psi[..., None]


@dataclass(frozen=True)
class JointScores:
    """Scores of next tokens, from the decoder and the CTC head.

    score(c | g) = (1 − λ) log p_dec(c | g) + λ (log ψ(g·c) − log ψ(g))

    Args:
        columns: the CTC frames of the lines.
        blank: id of the blank, which is never written.
        eos: id of the end token, which CTC predicts like every other token.
        weight: λ in (0, 1).
    """

    columns: CTCColumns
    blank: int
    eos: int
    weight: float

    def __call__(self, logits: Tensor, prefixes: Prefixes, lines: Tensor, lengths: Tensor) -> Tensor:
        """Return the scores of the tokens that may follow prefixes (row, text), −∞ for a token that is ruled out.

        Args:
            logits: (row, text, vocab), of the decoder.
            prefixes: (row, text, …).
            lines: (row,) long, the line of each row.
            lengths: (row, text) long, number of tokens of each prefix. A prefix with as many tokens as its line has
                frames must end there: this stops a decoder that repeats itself.
        """
        numbers = torch.arange(logits.shape[-1], device=logits.device)
        log_p = logits.double().log_softmax(-1).masked_fill(numbers == self.blank, -torch.inf)
        best = log_p.topk(min(CANDIDATES, log_p.shape[-1])).indices
        # the end token is always a candidate
        best[..., -1] = torch.where((best == self.eos).any(-1), best[..., -1], self.eos)
        letters, places = best.unique(return_inverse=True)
        fit = self.columns.gains(prefixes, lines, letters).gather(-1, places)
        fit = fit.clamp_min(MIN_LOG_P)  # where no token fits any more, the decoder decides
        joint = (1 - self.weight) * log_p.gather(-1, best) + self.weight * fit
        scores = torch.full_like(log_p, -torch.inf).scatter(-1, best, joint)
        is_full = lengths >= self.columns.lengths[lines, None]
        return torch.where(is_full[..., None] & (numbers != self.eos), scores + TOO_LONG_PENALTY, scores)


class CTCPrefixLogitsProcessor(LogitsProcessor):
    """Replace the decoder's scores by `JointScores` at every step of `generate`.

    Args:
        logits: (batch, frame, vocab), of the CTC head.
        lengths: (batch,) long, frames of each line.
        blank: id of the blank.
        eos: id of the end token.
        weight: λ in (0, 1).
    """

    def __init__(self, logits: Tensor, lengths: Tensor, blank: int, eos: int, weight: float) -> None:
        self.joint = JointScores(CTCColumns(logits, lengths, blank), blank, eos, weight)
        empty = self.joint.columns.empty()
        self.empty: dict[Key, Prefixes] = {
            (line, ()): Prefixes(*rows) for line, rows in enumerate(zip(*empty, strict=True))
        }
        self.known = dict(self.empty)  # prefixes by line and text

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Score the next tokens of prefixes (row, token); a row is a line, or one of the beams of a line, in order."""
        beams = len(input_ids) // len(self.empty)
        texts = [tuple(row) for row in input_ids[:, 1:].tolist()]
        rows = [row for row, text in enumerate(texts) if self.joint.eos not in text]
        if not rows:
            return scores
        keys = [(row // beams, texts[row]) for row in rows]
        prefixes = self._look_up(keys)
        self.known = self.empty | {key: self.known[key] for key in keys}
        prefixes = Prefixes(*(part[:, None] for part in prefixes))
        lines, lengths = torch.tensor([(line, len(text)) for line, text in keys], device=scores.device).T
        weighed = self.joint(scores[rows][:, None], prefixes, lines, lengths[:, None])[:, 0]
        return scores.index_copy(0, torch.tensor(rows, device=scores.device), weighed.to(scores.dtype))

    def _look_up(self, keys: list[Key]) -> Prefixes:
        """Return the prefixes of lines and texts, from the cache or by appending one token to a shorter prefix."""
        new = list(dict.fromkeys(key for key in keys if key not in self.known))
        if new:
            before = self._look_up([(line, text[:-1]) for line, text in new])
            numbers = torch.tensor([(line, text[-1]) for line, text in new], device=before.last.device)
            grown = self.joint.columns.spelt(before, numbers[:, 0], numbers[:, 1:])
            grown = (part[:, -1] for part in grown)
            self.known |= {key: Prefixes(*rows) for key, rows in zip(new, zip(*grown, strict=True), strict=True)}
        found = [self.known[key] for key in keys]
        return Prefixes(*(torch.stack(part) for part in zip(*found, strict=True)))
