"""CTC over the columns of the chosen pose. With it, training aligns text and image from the first steps."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 16  # frames that are summed on one scale


class CTCHead(nn.Module):
    """Predicts a token or the blank at every CTC frame along the line.

    logits(column, frame) = W_frame · mean over the features of the column

    Args:
        hidden_size: width of the features.
        vocab_size: number of tokens, the blank included.
        steps_per_patch: frames per column of patches.
        blank: id of the blank.
    """

    def __init__(self, hidden_size: int, vocab_size: int, steps_per_patch: int, blank: int) -> None:
        super().__init__()
        self.steps_per_patch = steps_per_patch
        self.blank = blank
        self.projection = nn.Linear(hidden_size, steps_per_patch * vocab_size)

    def forward(self, tokens: Tensor, positions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the frames of each line.

        Args:
            tokens: (batch, position, hidden), features of the chosen pose.
            positions: (batch, position, 2), their positions as seen from this pose.
            mask: (batch, position) bool, False at padding.

        Returns: logits (batch, frame, vocab), and the number of frames of each line (batch,) long.
        """
        left = positions[..., 0].masked_fill(~mask, torch.inf).amin(1, keepdim=True)
        column = (positions[..., 0] - left).round().long().masked_fill(~mask, 0)
        columns = column.amax(1) + 1
        longest = cast(int, columns.max().item())  # int() would make it a constant in an exported graph
        summed = tokens.new_zeros(tokens.shape[0], longest, tokens.shape[-1] + 1)
        counted = F.pad(tokens, (0, 1), value=1.0) * mask[..., None]
        summed = summed.scatter_add(1, column[..., None].expand_as(counted), counted.to(summed.dtype))
        mean = summed[..., :-1] / summed[..., -1:].clamp_min(1.0)
        logits = self.projection(mean).unflatten(-1, (self.steps_per_patch, -1)).flatten(1, 2)
        return logits, columns * self.steps_per_patch

    @torch.no_grad()
    def resize(self, vocab_size: int) -> None:
        """Change the number of tokens; a new token starts with the mean of the others.

        Args:
            vocab_size: number of tokens, the blank included.

        Raises:
            ValueError: if the blank is no longer among them.
        """
        if vocab_size <= self.blank:
            raise ValueError(f"The CTC blank is token {self.blank}: keep at least {self.blank + 1}, got {vocab_size}.")
        old = self.projection
        new = nn.Linear(old.in_features, self.steps_per_patch * vocab_size).to(old.weight)
        for name, values in old.named_parameters():
            frames = values.unflatten(0, (self.steps_per_patch, -1))
            more = max(vocab_size - frames.shape[1], 0)
            mean = frames.mean(1, keepdim=True).expand(-1, more, *frames.shape[2:])
            new.get_parameter(name).copy_(torch.cat((frames[:, :vocab_size], mean), dim=1).flatten(0, 1))
        self.projection = new

    def loss(self, logits: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
        """Return Σ_line −log p_CTC(label) / Σ labels.

        Args:
            logits: (batch, frame, vocab).
            lengths: (batch,) long, frames of each line.
            labels: (batch, token) long, the end token included, −100 at padding.
        """
        present = labels >= 0
        losses = F.ctc_loss(
            logits.float().log_softmax(-1).transpose(0, 1), labels.clamp_min(0), lengths, present.sum(-1),
            blank=self.blank, reduction="sum", zero_infinity=True,
        )  # fmt: skip
        return losses / present.sum().clamp_min(1)

    def read(self, logits: Tensor, lengths: Tensor) -> list[list[int]]:
        """Return the token ids of the best path of every line, as the function `read` does."""
        return read(logits, lengths, self.blank)

    def score(self, logits: Tensor, lengths: Tensor, texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return log p of every token given the tokens before it, and of every text, as the function `score` does."""
        return score(logits, lengths, texts, self.blank)


def read(logits: Tensor, lengths: Tensor, blank: int) -> list[list[int]]:
    """Return the token ids of the best path of every line, with repeats merged and blanks removed."""
    paths = logits.argmax(-1)
    texts = []
    for path, length in zip(paths, lengths.tolist(), strict=True):
        joined = torch.unique_consecutive(path[:length])
        texts.append(joined[joined != blank].tolist())
    return texts


def score(logits: Tensor, lengths: Tensor, texts: Sequence[Sequence[int]], blank: int) -> tuple[Tensor, Tensor]:
    """Return log p of every token given the tokens before it, and log p of every text.

    p(c | g) = ψ(g·c) / ψ(g), where ψ(g) is the probability of all texts that begin with g,
    ψ(g·c) = Σ_t p(frames before t spell g) p_t(c)

    The product of p(c | g) over the tokens of a text is ψ(text). p(text) is smaller: it requires that nothing
    follows.

    Args:
        logits: (batch, frame, vocab).
        lengths: (batch,) long, frames of each line.
        texts: token ids, as `read` returns them.
        blank: id of the blank.

    Returns: (batch, token) float64, undefined after the end of a text; (batch,) float64.
    """
    count = torch.tensor([[len(text)] for text in texts], device=logits.device)
    longest = int(count.max())
    padded = [[*text, *[blank] * (longest - len(text))] for text in texts]
    letters = torch.tensor(padded, dtype=torch.long, device=logits.device)
    states = letters.new_full((len(letters), 2 * longest + 1), blank)  # blank, token, blank, token, …, blank
    states[:, 1::2] = letters
    p = _probabilities(logits, lengths, states, blank)
    jumps = torch.zeros_like(p[:, 0])  # from a token to the next one, without a blank between them
    jumps[:, 3::2] = (letters[:, 1:] != letters[:, :-1]).double()
    alpha = F.one_hot(torch.full_like(lengths, 2), states.shape[1] + 2).double()  # the first two columns stay 0
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


def _probabilities(logits: Tensor, lengths: Tensor, states: Tensor, blank: int) -> Tensor:
    """Return p_t of every state's token, (batch, frame, state) float64; after the end of a line, p_t(blank) = 1."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    chosen = logits.gather(2, states[:, None].expand(-1, logits.shape[1], -1)).double()
    p = (chosen - logits.logsumexp(-1, keepdim=True)).exp()
    past_the_end = torch.arange(logits.shape[1], device=lengths.device)[None] >= lengths[:, None]
    return torch.where(past_the_end[..., None], (states == blank).double()[:, None], p)


def _summed(parts: Tensor, size: Tensor) -> Tensor:
    """Return log Σ_t exp(size_t) parts_t, (batch, token).

    Args:
        parts: (batch, frame, token), not negative.
        size: (batch, frame), decreasing. Over all frames exp(size) underflows; within a block of frames it does not.
    """
    blocks = []
    for some, sizes in zip(parts.split(BLOCK, dim=1), size.split(BLOCK, dim=1), strict=True):
        relative = (sizes - sizes[:, :1]).exp()
        blocks.append((relative[:, None] @ some)[:, 0].log() + sizes[:, :1])
    return torch.stack(blocks).logsumexp(0)
