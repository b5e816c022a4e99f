"""Reading with two minds: the decoder proposes letters, the CTC head says how well the text so far fits the columns.

The decoder knows language and may lose its place; CTC knows the place and no language. What is unusual: the prefix
recursion over the columns is solved in closed form by cumulative sums, so that a step costs a few tensor operations.
"""

import torch
from torch import Tensor
from transformers import LogitsProcessor

State = tuple[Tensor, Tensor, Tensor]  # of a prefix: log n and log b (step + 1), log ψ ()
IMPOSSIBLE = -1e9  # log of nothing that stays finite through sums
TOO_LONG = -1e4  # log-probability of a letter too many: finite, for whoever asks for a least number of letters
FAINT = -50.0  # floor of a step's log-probability: cumulative sums must not drown what follows


class CTCPrefixLogitsProcessor(LogitsProcessor):
    """Add the CTC head's opinion to the decoder's, letter by letter.

    score(c | g) = (1 − λ) log p_dec(c | g) + λ (log ψ(g·c) − log ψ(g)),  ψ(g) = Σ p_CTC(texts that begin with g)
    φ_t = b_t(g) + [c ≠ last letter of g] n_t(g)
    n_t(g·c) = (n_{t−1}(g·c) + φ_{t−1}) p_t(c),  b_t(g·c) = (b_{t−1}(g·c) + n_{t−1}(g·c)) p_t(blank)
    ψ(g·c) = Σ_t φ_{t−1} p_t(c)

    Here n_t and b_t are the probabilities that the steps up to t spell the prefix, ending in its letter or in a blank.

    Args:
        logits: (batch, step, vocab), the CTC head's.
        lengths: (batch,) long, steps of each line.
        blank: the blank's number.
        eos: the end mark's number; it is a letter of CTC like any other.
        weight: λ in (0, 1).
        candidates: how many of the decoder's best letters are weighed; the others are ruled out.

    Source: Watanabe et al. 2017, *Hybrid CTC/attention architecture*, §II-C; the closed form is ours.
    """

    def __init__(
        self, logits: Tensor, lengths: Tensor, blank: int, eos: int, weight: float, candidates: int = 16
    ) -> None:
        steps = logits.double().log_softmax(-1).clamp_min(FAINT)
        past_the_end = torch.arange(steps.shape[1], device=steps.device)[None] >= lengths[:, None]
        # far below what a line itself finds impossible, so that padding never decides between two impossible letters
        self.lengths = lengths.tolist()
        self.steps = steps.masked_fill(past_the_end[..., None], 4 * IMPOSSIBLE)
        self.steps[..., blank] = self.steps[..., blank].masked_fill(past_the_end, 0.0)
        self.blank_sum = self.steps[..., blank].cumsum(-1)  # (line, step)
        self.blank, self.eos, self.weight = blank, eos, weight
        self.candidates = min(candidates, steps.shape[-1])
        start = torch.cat((torch.zeros_like(self.blank_sum[:, :1]), self.blank_sum), dim=-1)
        self.empty = [(torch.full_like(row, IMPOSSIBLE), row, torch.zeros_like(row[0])) for row in start]
        # of each line, by prefix: the letters weighed behind it, and their states
        self.known: list[dict[tuple[int, ...], tuple[list[int], State]]] = [{} for _ in start]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Weigh the next letters of prefixes (row, letter), rows being lines or a line's beams in order."""
        beams = len(input_ids) // len(self.known)
        prefixes = [tuple(row) for row in input_ids[:, 1:].tolist()]
        rows = [row for row, prefix in enumerate(prefixes) if self.eos not in prefix]
        if not rows:
            return scores
        lines = torch.tensor([row // beams for row in rows], device=scores.device)
        open_prefixes = [prefixes[row] for row in rows]
        log_p = scores[rows].double().log_softmax(-1)
        log_p[:, self.blank] = -torch.inf  # no letter
        best = log_p.topk(self.candidates).indices
        best[:, -1] = torch.where((best == self.eos).any(-1), best[:, -1], self.eos)  # the end can always be weighed
        before = [self._state(row // beams, prefix) for row, prefix in zip(rows, open_prefixes, strict=True)]
        n, b, psi = (torch.stack(part) for part in zip(*before, strict=True))
        last = torch.tensor([prefix[-1] if prefix else -1 for prefix in open_prefixes], device=scores.device)
        n, b, extended = self._extend(n, b, last, lines, best)
        self.known = [{} for _ in self.known]
        for index, (line, prefix) in enumerate(zip(lines.tolist(), open_prefixes, strict=True)):
            self.known[line][prefix] = (best[index].tolist(), (n[index], b[index], extended[index]))
        fit = (extended - psi[:, None]).clamp_min(FAINT)  # where no letter fits any more, the decoder decides
        joint = (1 - self.weight) * log_p.gather(1, best) + self.weight * fit
        weighed = torch.full_like(log_p, -torch.inf).scatter(1, best, joint)
        # a text has no more letters than the line has steps: a decoder that goes round in circles ends there
        full = [len(prefix) >= self.lengths[row // beams] for row, prefix in zip(rows, open_prefixes, strict=True)]
        if any(full):
            others = torch.arange(weighed.shape[1], device=weighed.device) != self.eos
            weighed[torch.tensor(full, device=weighed.device)[:, None] & others] += TOO_LONG
        return scores.index_copy(0, torch.tensor(rows, device=scores.device), weighed.to(scores.dtype))

    def _state(self, line: int, prefix: tuple[int, ...]) -> State:
        """Return a prefix's state: remembered, or spelt out where the text began with given letters."""
        if not prefix:
            return self.empty[line]
        *before, letter = prefix
        letters, states = self.known[line].get(tuple(before), ([], ()))
        if letter in letters:
            n, b, psi = (part[letters.index(letter)] for part in states)
            return n, b, psi
        n, b, _ = self._state(line, tuple(before))
        number = torch.tensor([line, before[-1] if before else -1, letter], device=n.device)
        n, b, psi = self._extend(n[None], b[None], number[1:2], number[:1], number[None, 2:])
        return n[0, 0], b[0, 0], psi[0, 0]

    def _extend(
        self, n: Tensor, b: Tensor, last: Tensor, lines: Tensor, letters: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return n, b (row, letter, step + 1) and log ψ (row, letter) of every prefix with each letter behind it."""
        p = self.steps[lines].gather(2, letters[:, None].expand(-1, self.steps.shape[1], -1)).transpose(1, 2)
        repeated = (letters == last[:, None])[..., None]
        phi = torch.where(repeated, b[:, None], torch.logaddexp(n, b)[:, None])[..., :-1]
        psi = torch.logsumexp(phi + p, dim=-1)
        never = torch.full_like(psi[..., None], IMPOSSIBLE)
        # n_t = exp(C_t) Σ_{s ≤ t} φ_{s−1} exp(−C_{s−1}) with C the running sum of log p, and b likewise
        total = p.cumsum(-1)
        n = torch.cat((never, total + torch.logcumsumexp(phi - (total - p), dim=-1)), dim=-1)
        blank_before = torch.cat((torch.zeros_like(self.blank_sum[:, :1]), self.blank_sum[:, :-1]), dim=-1)[lines]
        grown = torch.logcumsumexp(n[..., :-1] - blank_before[:, None], dim=-1)
        b = torch.cat((never, self.blank_sum[lines][:, None] + grown), dim=-1)
        return n, b, psi
