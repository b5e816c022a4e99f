"""CTC over the columns of the chosen pose: how a reader finds the alignment of text and image from its first step."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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

    def confidence(self, logits: Tensor, lengths: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
        """Return p_CTC(text)^(1 / letters), in [0, 1], for a text of every line: (batch,).

        Args:
            logits: (batch, step, vocab).
            lengths: (batch,) long, steps of each line.
            texts: as `read` returns them.
        """
        count = torch.tensor([len(text) for text in texts])
        letters = torch.tensor([letter for text in texts for letter in text], dtype=torch.long)
        losses = F.ctc_loss(
            logits.float().log_softmax(-1).transpose(0, 1), letters.to(logits.device), lengths, count.to(lengths),
            blank=self.blank, reduction="none",
        )  # fmt: skip
        return (-losses / count.clamp_min(1).to(losses)).exp()

    def read(self, logits: Tensor, lengths: Tensor) -> list[list[int]]:
        """Return the best path of every line: repeats joined, blanks dropped."""
        paths = logits.argmax(-1)
        texts = []
        for path, length in zip(paths, lengths.tolist(), strict=True):
            joined = torch.unique_consecutive(path[:length])
            texts.append(joined[joined != self.blank].tolist())
        return texts
