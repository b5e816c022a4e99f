"""The most probable alignment of CTC frames and tokens (Viterbi)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def align(logits: Tensor, lengths: Tensor, texts: Sequence[Sequence[int]], blank: int) -> list[np.ndarray | None]:
    """Find the frames of each token on the most probable path that spells a text.

    path = argmax Π_t p_t(π_t) over all π that give the text after merging repeats and removing blanks

    Args:
        logits: (batch, frame, vocab), of the CTC head.
        lengths: (batch,) long, number of frames of each line.
        texts: tokens of each line, without blanks.
        blank: id of the blank.

    Returns: for each line, (token, 2) int: the first frame of every token, and the one after its last; None if the line
        has too few frames for its text.
    """
    longest = max(map(len, texts), default=0)
    states = np.full((len(texts), 2 * longest + 1), blank)  # blank, token, blank, token, …, blank
    for row, text in zip(states, texts, strict=True):
        row[1 : 2 * len(text) : 2] = text
    index = torch.from_numpy(states).to(logits.device)
    log_p = logits.float().log_softmax(-1).gather(2, index[:, None].expand(-1, logits.shape[1], -1)).double().cpu()
    counts, ends = np.array([len(text) for text in texts]), lengths.cpu().numpy()
    score, moves = _best_moves(log_p.numpy(), states, ends)
    return [_spans(score[line], moves[: ends[line], line], int(counts[line])) for line in range(len(texts))]


def _best_moves(log_p: np.ndarray, states: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the best path into every state.

    Returns: log p of the best path to each state at the line's last frame, (batch, state); and the number of states by
        which that path moved at every frame, (frame, batch, state).
    """
    steps = log_p.shape[1]
    can_jump = np.zeros_like(states, dtype=bool)  # from a token to the next, without a blank between
    can_jump[:, 3::2] = states[:, 3::2] != states[:, 1:-2:2]
    moves = np.zeros((steps, *states.shape), dtype=np.int8)
    score = np.full((states.shape[0], states.shape[1] + 2), -np.inf)  # the two before the first are never reached
    score[:, 2:4] = log_p[:, 0, :2]
    for step in range(1, steps):
        ways = np.stack([score[:, 2:], score[:, 1:-1], np.where(can_jump, score[:, :-2], -np.inf)])
        moves[step] = ways.argmax(0)
        after = np.take_along_axis(ways, moves[step][None].astype(int), axis=0)[0] + log_p[:, step]
        score[:, 2:] = np.where((step < ends)[:, None], after, score[:, 2:])
    return score[:, 2:], moves


def _spans(score: np.ndarray, moves: np.ndarray, count: int) -> np.ndarray | None:
    """Follow the best path of a line of `count` tokens back to its beginning."""
    last = 2 * count
    state = last if not count or score[last] >= score[last - 1] else last - 1
    if not np.isfinite(score[state]):
        return None
    spans = np.zeros((count, 2), dtype=int)
    for step in range(len(moves) - 1, -1, -1):
        if state % 2:
            token = state // 2
            spans[token] = (step, spans[token, 1] or step + 1)
        state -= int(moves[step, state])
    return spans
