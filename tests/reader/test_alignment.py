"""Which steps spell which tokens."""

import itertools

import numpy as np
import pytest
import torch

from trocr_gsa.reader.alignment import align

BLANK, VOCAB = 0, 4


def spelt(path: tuple[int, ...]) -> list[int]:
    return [token for token, _ in itertools.groupby(path) if token != BLANK]


def spans_of(path: tuple[int, ...]) -> list[list[int]]:
    edges = np.cumsum([0, *(len(list(run)) for _, run in itertools.groupby(path))])
    runs = [token for token, _ in itertools.groupby(path)]
    return [[int(edges[i]), int(edges[i + 1])] for i, token in enumerate(runs) if token != BLANK]


def best_path(logits: torch.Tensor, text: list[int]) -> tuple[int, ...]:
    """Looked for among all paths."""
    log_p = logits.log_softmax(-1).numpy()
    paths = [path for path in itertools.product(range(VOCAB), repeat=len(logits)) if spelt(path) == text]
    return max(paths, key=lambda path: sum(log_p[step, token] for step, token in enumerate(path)))


@pytest.mark.parametrize("text", [[], [1], [1, 2], [2, 2], [1, 1, 3], [3, 2, 1]])
def test_the_best_of_all_paths_is_found(text):
    logits = 2 * torch.randn(1, 6, VOCAB, generator=torch.Generator().manual_seed(len(text)))
    (found,) = align(logits, torch.tensor([6]), [text], BLANK)
    assert found is not None
    assert found.tolist() == spans_of(best_path(logits[0], text))


def test_lines_of_a_batch_are_aligned_as_they_are_alone():
    generator = torch.Generator().manual_seed(1)
    logits, lengths, texts = torch.randn(3, 9, VOCAB, generator=generator), [9, 4, 6], [[1, 1, 2, 3], [2], [3, 1]]
    together = align(logits, torch.tensor(lengths), texts, BLANK)
    for line, length in enumerate(lengths):
        (alone,) = align(logits[line : line + 1, :length], torch.tensor([length]), [texts[line]], BLANK)
        np.testing.assert_array_equal(together[line], alone)


def test_a_text_with_more_tokens_than_steps_is_not_aligned():
    logits = torch.zeros(1, 3, VOCAB)
    assert align(logits, torch.tensor([3]), [[1, 2, 3, 1]], BLANK) == [None]
    assert align(logits, torch.tensor([3]), [[1, 1, 2]], BLANK) == [None]  # a blank is needed between the equal ones
    assert align(logits, torch.tensor([3]), [[1, 2, 1]], BLANK)[0] is not None
