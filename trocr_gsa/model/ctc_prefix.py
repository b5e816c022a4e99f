"""Reading with two minds: the decoder proposes letters, the CTC head says how well the text so far fits the columns.

The decoder knows language and may lose its place; CTC knows the place and no language. What is unusual:
- the prefix recursion over the columns is solved in closed form by cumulative sums, letter after letter;
- what a letter is worth behind a prefix needs no recursion, only an inner product over the columns: so all letters, and
  all prefixes of a draft, are weighed by one matrix product, and only the letters that were written are recursed.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LogitsProcessor

IMPOSSIBLE = -1e9  # log of nothing that stays finite through sums
TOO_LONG = -1e4  # log-probability of a letter too many: finite, for whoever asks for a least number of letters
FAINT = -50.0  # floor of a step's log-probability: cumulative sums must not drown what follows
NOTHING = -300.0  # log of a share that no sum notices; less would become numbers that processors are slow with
CANDIDATES = 16  # letters of the decoder's that are weighed; the others are ruled out

Key = tuple[int, tuple[int, ...]]  # a line, and its text so far


class Prefixes(NamedTuple):
    """Texts so far, one a row, as the columns see them.

    Attributes:
        n: (…, step + 1), log n_t: the steps up to t spell the text and end in its last letter.
        b: (…, step + 1), log b_t: they spell it and end in a blank.
        psi: (…), log ψ: the probability of texts that begin so.
        last: (…) long, the last letter; −1 where there is none.
    """

    n: Tensor
    b: Tensor
    psi: Tensor
    last: Tensor


class CTCColumns:
    """The CTC head's columns, and how well texts fit them.

    φ_t = b_t(g) + [c ≠ last letter of g] n_t(g)
    n_t(g·c) = (n_{t−1}(g·c) + φ_{t−1}) p_t(c),  b_t(g·c) = (b_{t−1}(g·c) + n_{t−1}(g·c)) p_t(blank)
    ψ(g·c) = Σ_t φ_{t−1} p_t(c)

    Args:
        logits: (batch, step, vocab), the CTC head's.
        lengths: (batch,) long, steps of each line.
        blank: the blank's number.

    Source: Watanabe et al. 2017, *Hybrid CTC/attention architecture*, §II-C; the closed form is ours.
    """

    def __init__(self, logits: Tensor, lengths: Tensor, blank: int) -> None:
        log_p = logits.double().log_softmax(-1).clamp_min(FAINT).transpose(1, 2).contiguous()  # (batch, vocab, step)
        past_the_end = torch.arange(log_p.shape[2], device=log_p.device)[None] >= lengths[:, None]
        # far below what a line itself finds impossible, so that padding never decides between two impossible letters
        self.log_p = log_p.masked_fill(past_the_end[:, None], 4 * IMPOSSIBLE)
        self.log_p[:, blank] = self.log_p[:, blank].masked_fill(past_the_end, 0.0)
        self.p = self.log_p.exp()
        self.past_the_end = past_the_end
        self.blank_sum = self.log_p[:, blank].cumsum(-1)
        self.lengths = lengths

    def empty(self) -> Prefixes:
        """Return the text without letters, of every line."""
        b = torch.cat((torch.zeros_like(self.blank_sum[:, :1]), self.blank_sum), dim=-1)
        none = torch.full_like(self.lengths, -1)
        return Prefixes(torch.full_like(b, IMPOSSIBLE), b, torch.zeros_like(b[:, 0]), none)

    def spelt(self, prefixes: Prefixes, lines: Tensor, letters: Tensor) -> Prefixes:
        """Return prefixes with letters added one by one: (row, letter + 1, …), the first being what was given.

        Args:
            prefixes: (row, …).
            lines: (row,) long, whose they are.
            letters: (row, letter) long.
        """
        p = self.log_p[lines[:, None], letters].transpose(0, 1)  # (letter, row, step)
        # n_t = exp(C_t) Σ_{s ≤ t} φ_{s−1} exp(−C_{s−1}) with C the running sum of log p, and b likewise
        total, blank_total = p.cumsum(-1), self.blank_sum[lines]
        before, blank_before = total - p, F.pad(blank_total[:, :-1], (1, 0))
        last = torch.cat((prefixes.last[:, None], letters), dim=1)
        repeated = (last[:, 1:] == last[:, :-1]).T[..., None]
        n, b = (torch.cat((part[None], part.new_full((len(p), *part.shape), IMPOSSIBLE))) for part in prefixes[:2])
        phi = torch.empty_like(p)
        for place in range(len(p)):
            either = torch.logaddexp(n[place], b[place])
            phi[place] = torch.where(repeated[place], b[place], either)[:, :-1]
            n[place + 1, :, 1:] = total[place] + torch.logcumsumexp(phi[place] - before[place], dim=-1)
            b[place + 1, :, 1:] = blank_total + torch.logcumsumexp(n[place + 1, :, :-1] - blank_before, dim=-1)
        psi = torch.cat((prefixes.psi[None], torch.logsumexp(phi + p, dim=-1)))
        return Prefixes(n.transpose(0, 1), b.transpose(0, 1), psi.T, last)

    def gains(self, prefixes: Prefixes, lines: Tensor, letters: Tensor) -> Tensor:
        """Return log ψ(g·c) − log ψ(g) for prefixes (row, text) and letters c (letter,): (row, text, letter).

        The sum over columns is an inner product of probabilities, each prefix's relative to its largest φ.
        """
        ended = self.past_the_end[lines][:, None]
        either = torch.logaddexp(prefixes.n, prefixes.b)[..., :-1].masked_fill(ended, -torch.inf)
        largest = either.amax(-1, keepdim=True)
        phi = (either - largest).clamp_min(NOTHING).exp()
        gained = phi @ self.p[lines[:, None], letters].transpose(1, 2)
        apart = (prefixes.b[..., :-1] - largest).clamp(NOTHING, 0.0).exp()  # between the same letter twice is a blank
        again = (apart * self.p[lines[:, None], prefixes.last.clamp_min(0)]).sum(-1, keepdim=True)
        gained = torch.where(letters == prefixes.last[..., None], again, gained)
        return gained.log() + largest - prefixes.psi[..., None]


@dataclass(frozen=True)
class JointScores:
    """What decides between letters.

    score(c | g) = (1 − λ) log p_dec(c | g) + λ (log ψ(g·c) − log ψ(g))

    Args:
        columns: of the lines.
        blank: the blank's number; it is no letter.
        eos: the end mark's number; it is a letter of CTC like any other.
        weight: λ in (0, 1).
    """

    columns: CTCColumns
    blank: int
    eos: int
    weight: float

    def __call__(self, logits: Tensor, prefixes: Prefixes, lines: Tensor, lengths: Tensor) -> Tensor:
        """Return the scores of the letters behind prefixes (row, text), −∞ where a letter is ruled out.

        Args:
            logits: (row, text, vocab), the decoder's.
            prefixes: of lines, (row, text, …).
            lines: (row,) long.
            lengths: (row, text) long, letters of each prefix. One that has as many as its line has steps ends there: a
                decoder would go round in circles for ever.
        """
        numbers = torch.arange(logits.shape[-1], device=logits.device)
        log_p = logits.double().log_softmax(-1).masked_fill(numbers == self.blank, -torch.inf)
        best = log_p.topk(min(CANDIDATES, log_p.shape[-1])).indices
        # the end can always be weighed
        best[..., -1] = torch.where((best == self.eos).any(-1), best[..., -1], self.eos)
        letters, places = best.unique(return_inverse=True)
        fit = self.columns.gains(prefixes, lines, letters).gather(-1, places)
        fit = fit.clamp_min(FAINT)  # where no letter fits any more, the decoder decides
        joint = (1 - self.weight) * log_p.gather(-1, best) + self.weight * fit
        scores = torch.full_like(log_p, -torch.inf).scatter(-1, best, joint)
        is_full = lengths >= self.columns.lengths[lines, None]
        return torch.where(is_full[..., None] & (numbers != self.eos), scores + TOO_LONG, scores)


class CTCPrefixLogitsProcessor(LogitsProcessor):
    """Add the CTC head's opinion to the decoder's, letter by letter, as `JointScores` says.

    Args:
        logits: (batch, step, vocab), the CTC head's.
        lengths: (batch,) long, steps of each line.
        blank: the blank's number.
        eos: the end mark's number.
        weight: λ in (0, 1).
    """

    def __init__(self, logits: Tensor, lengths: Tensor, blank: int, eos: int, weight: float) -> None:
        self.joint = JointScores(CTCColumns(logits, lengths, blank), blank, eos, weight)
        empty = self.joint.columns.empty()
        self.empty: dict[Key, Prefixes] = {
            (line, ()): Prefixes(*rows) for line, rows in enumerate(zip(*empty, strict=True))
        }
        self.known = dict(self.empty)  # by line and text

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Weigh the next letters of prefixes (row, letter), rows being lines or a line's beams in order."""
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
        """Return the prefixes of lines and texts: remembered, or one letter behind others that are looked up."""
        new = list(dict.fromkeys(key for key in keys if key not in self.known))
        if new:
            before = self._look_up([(line, text[:-1]) for line, text in new])
            numbers = torch.tensor([(line, text[-1]) for line, text in new], device=before.last.device)
            grown = self.joint.columns.spelt(before, numbers[:, 0], numbers[:, 1:])
            grown = (part[:, -1] for part in grown)
            self.known |= {key: Prefixes(*rows) for key, rows in zip(new, zip(*grown, strict=True), strict=True)}
        found = [self.known[key] for key in keys]
        return Prefixes(*(torch.stack(part) for part in zip(*found, strict=True)))
