"""CTC over the columns of the chosen pose: how a reader finds the alignment of text and image from its first step."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 16  # steps whose probabilities are summed as they are


class CTCHead(nn.Module):
    """Letters along the reading direction, a few steps per column of patches.

    logits(column, step) = W_step · mean over the column's tokens

    Args:
        hidden_size: width of a token.
        vocab_size: letters; number `blank` is the blank.
        steps_per_patch: steps in one column of patches.
        blank: number of the blank.
    """

    def __init__(self, hidden_size: int, vocab_size: int, steps_per_patch: int, blank: int) -> None:
        super().__init__()
        self.steps_per_patch = steps_per_patch
        self.blank = blank
        self.projection = nn.Linear(hidden_size, steps_per_patch * vocab_size)

    def forward(self, tokens: Tensor, positions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Read the columns.

        Args:
            tokens: (batch, position, hidden), seen upright.
            positions: (batch, position, 2), where they lie.
            mask: (batch, position) bool, False at padding.

        Returns: logits (batch, step, vocab) and how many steps each line has (batch,) long.
        """
        left = positions[..., 0].masked_fill(~mask, torch.inf).amin(1, keepdim=True)
        column = (positions[..., 0] - left).round().long().masked_fill(~mask, 0)
        columns = column.amax(1) + 1
        longest = cast(int, columns.max().item())  # int() of it would be a constant in an exported graph
        summed = tokens.new_zeros(tokens.shape[0], longest, tokens.shape[-1] + 1)
        counted = F.pad(tokens, (0, 1), value=1.0) * mask[..., None]
        summed = summed.scatter_add(1, column[..., None].expand_as(counted), counted.to(summed.dtype))
        mean = summed[..., :-1] / summed[..., -1:].clamp_min(1.0)
        logits = self.projection(mean).unflatten(-1, (self.steps_per_patch, -1)).flatten(1, 2)
        return logits, columns * self.steps_per_patch

    def loss(self, logits: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
        """Return Σ_line −log p_CTC(label) / Σ labels.

        Args:
            logits: (batch, step, vocab).
            lengths: (batch,) long, steps of each line.
            labels: (batch, label) long, the end mark included, −100 at padding.
        """
        present = labels >= 0
        losses = F.ctc_loss(
            logits.float().log_softmax(-1).transpose(0, 1), labels.clamp_min(0), lengths, present.sum(-1),
            blank=self.blank, reduction="sum", zero_infinity=True,
        )  # fmt: skip
        return losses / present.sum().clamp_min(1)

    def score(self, logits: Tensor, lengths: Tensor, texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return log p of every letter behind those before it, and log p of every text.

        p(c | g) = ψ(g·c) / ψ(g), ψ(g) being the probability of all texts that begin with g,
        ψ(g·c) = Σ_t p(steps before t spell g) p_t(c)

        The product of a text's letters is ψ(text); what is left to p(text) is that nothing follows.

        Args:
            logits: (batch, step, vocab).
            lengths: (batch,) long, steps of each line.
            texts: as `read` returns them.

        Returns: (batch, letter) float64, anything behind the end of a text; (batch,) float64.
        """
        count = torch.tensor([[len(text)] for text in texts], device=logits.device)
        longest = int(count.max())
        padded = [[*text, *[self.blank] * (longest - len(text))] for text in texts]
        letters = torch.tensor(padded, dtype=torch.long, device=logits.device)
        states = letters.new_full((len(letters), 2 * longest + 1), self.blank)  # blank, letter, blank, letter, …, blank
        states[:, 1::2] = letters
        p = self._probabilities(logits, lengths, states)
        jumps = torch.zeros_like(p[:, 0])  # from a letter to the next, without a blank between
        jumps[:, 3::2] = (letters[:, 1:] != letters[:, :-1]).double()
        alpha = F.one_hot(torch.full_like(lengths, 2), states.shape[1] + 2).double()  # two before the first stay 0
        entered, scales = [], []
        for of_step in p.unbind(1):
            entering = (alpha[:, 1:-1] + jumps * alpha[:, :-2]) * of_step
            after = alpha[:, 2:] * of_step + entering
            scale = after.sum(-1, keepdim=True)
            alpha = F.pad(after / scale, (2, 0))
            entered.append(entering[:, 1::2])
            scales.append(scale)
        size = F.pad(torch.cat(scales, dim=-1).log().cumsum(-1), (1, 0))
        psi = F.pad(_summed(torch.stack(entered, dim=1), size[:, :-1]), (1, 0))
        ends = alpha.gather(1, 2 * count + 2) + alpha.gather(1, 2 * count + 1)
        return psi.diff(dim=1), ends[:, 0].log() + size[:, -1]

    def _probabilities(self, logits: Tensor, lengths: Tensor, states: Tensor) -> Tensor:
        """Return p_t of the letter of every state, (batch, step, state) float64; behind a line's end is all blank."""
        logits = logits if logits.dtype == torch.float64 else logits.float()
        chosen = logits.gather(2, states[:, None].expand(-1, logits.shape[1], -1)).double()
        p = (chosen - logits.logsumexp(-1, keepdim=True)).exp()
        past_the_end = torch.arange(logits.shape[1], device=lengths.device)[None] >= lengths[:, None]
        return torch.where(past_the_end[..., None], (states == self.blank).double()[:, None], p)

    def read(self, logits: Tensor, lengths: Tensor) -> list[list[int]]:
        """Return the best path of every line: repeats joined, blanks dropped."""
        paths = logits.argmax(-1)
        texts = []
        for path, length in zip(paths, lengths.tolist(), strict=True):
            joined = torch.unique_consecutive(path[:length])
            texts.append(joined[joined != self.blank].tolist())
        return texts


def _summed(parts: Tensor, size: Tensor) -> Tensor:
    """Return log Σ_t exp(size_t) parts_t, (batch, letter).

    Args:
        parts: (batch, step, letter), 0 or more.
        size: (batch, step), falling: no number holds exp of it for all steps, and one does for a few.
    """
    blocks = []
    for some, sizes in zip(parts.split(BLOCK, dim=1), size.split(BLOCK, dim=1), strict=True):
        relative = (sizes - sizes[:, :1]).exp()
        blocks.append((relative[:, None] @ some)[:, 0].log() + sizes[:, :1])
    return torch.stack(blocks).logsumexp(0)
