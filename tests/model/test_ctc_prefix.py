"""Prefix probabilities against a sum over every path, and what they do to reading."""

import itertools
import math

import pytest
import torch
from transformers import LogitsProcessorList

from trocr_gsa.model.ctc_prefix import CTCColumns, CTCPrefixLogitsProcessor, Prefixes

BLANK, EOS, VOCAB = 0, 1, 4
LENGTHS = (5, 3)


def collapse(path):
    joined = [letter for letter, _ in itertools.groupby(path)]
    return tuple(letter for letter in joined if letter != BLANK)


def prefix_probability(log_p, length, prefix):
    """Σ over all paths of `length` steps whose text begins with `prefix`."""
    paths = itertools.product(range(VOCAB), repeat=length)
    matching = (path for path in paths if collapse(path)[: len(prefix)] == prefix)
    return sum(math.exp(sum(log_p[step, letter] for step, letter in enumerate(path))) for path in matching)


@pytest.fixture
def logits():
    return 2 * torch.randn(2, 5, VOCAB, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def processor(logits, weight=0.5):
    return CTCPrefixLogitsProcessor(logits, torch.tensor(LENGTHS), BLANK, EOS, weight)


@pytest.mark.parametrize("prefix", [(), (2,), (2, 2), (3, 2), (2, 3, 3)])
def test_a_letter_is_weighed_by_the_sum_over_all_paths(logits, prefix):
    decoder = torch.randn(2, VOCAB, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    joint = processor(logits)(torch.tensor([[0, *prefix], [0, *prefix]]), decoder)
    log_p = logits.log_softmax(-1)
    for line, length in enumerate(LENGTHS):
        before = prefix_probability(log_p[line], length, prefix)
        for letter in range(1, VOCAB):
            after = prefix_probability(log_p[line], length, (*prefix, letter))
            if before and after:
                expected = 0.5 * decoder[line].log_softmax(-1)[letter] + 0.5 * math.log(after / before)
                assert joint[line, letter] == pytest.approx(float(expected), abs=1e-9)


def test_what_fits_no_path_is_all_but_ruled_out(logits):
    joint = processor(logits)(torch.tensor([[0], [0]]), torch.zeros(2, VOCAB))
    longer = processor(logits)(torch.tensor([[0, 2, 2], [0, 2, 2]]), torch.zeros(2, VOCAB))
    assert joint[1, 2:].min() > -10
    assert longer[1, 2] < -20  # three twos need two blanks between them: five steps, and this line has three


def test_a_text_of_as_many_letters_as_the_line_has_steps_ends_there(logits):
    text = torch.tensor([[0, 2, 3, 2], [0, 2, 3, 2]])
    joint = processor(logits)(text, torch.zeros(2, VOCAB))
    assert joint[0, 1:].min() > -1000  # five steps
    assert joint[1, EOS] > -1000  # three
    assert joint[1, 2:].max() < -5000


def test_going_letter_by_letter_is_the_same_as_starting_with_a_given_text(logits):
    stepwise, at_once = processor(logits), processor(logits)
    text = torch.tensor([[0, 3, 2, 2], [0, 2, 3, 3]])
    for length in range(1, 4):
        stepwise(text[:, :length], torch.zeros(2, VOCAB))
    torch.testing.assert_close(stepwise(text, torch.zeros(2, VOCAB)), at_once(text, torch.zeros(2, VOCAB)))


def test_beams_of_a_line_share_its_columns(logits):
    beams = processor(logits)(torch.tensor([[0, 2], [0, 3], [0, 2], [0, 3]]), torch.zeros(4, VOCAB))
    for row, letter in enumerate((2, 3)):
        alone = processor(logits)(torch.tensor([[0, letter], [0, letter]]), torch.zeros(2, VOCAB))
        torch.testing.assert_close(beams[row::2], alone)


def test_the_blank_is_no_letter_and_finished_lines_are_left_alone(logits):
    scores = torch.zeros(2, VOCAB)
    joint = processor(logits)(torch.tensor([[0, 2, EOS], [0, 2, 3]]), scores)
    assert (joint[0] == scores[0]).all()
    assert joint[1, BLANK] == -torch.inf


def test_padding_steps_change_nothing(logits):
    cut = CTCPrefixLogitsProcessor(logits[1:, :3], torch.tensor([3]), BLANK, EOS, 0.5)
    prefix = torch.tensor([[0, 2], [0, 2]])
    padded = processor(logits)(prefix, torch.zeros(2, VOCAB))[1:]
    torch.testing.assert_close(padded, cut(prefix[:1], torch.zeros(1, VOCAB)))


def test_it_is_a_processor_that_transformers_takes(logits):
    chain = LogitsProcessorList([processor(logits)])
    assert chain(torch.tensor([[0], [0]]), torch.zeros(2, VOCAB)).shape == (2, VOCAB)


@pytest.mark.parametrize("given", [(), (2,), (3, 3)])
def test_letters_at_once_are_worth_the_sum_over_all_paths_of_every_beginning(logits, given):
    columns, lines = CTCColumns(logits, torch.tensor(LENGTHS), BLANK), torch.tensor([1, 0, 1])
    prefixes = Prefixes(*(part[lines] for part in columns.empty()))
    prefixes = Prefixes(*(part[:, -1] for part in columns.spelt(prefixes, lines, torch.tensor([given] * 3).long())))
    letters = torch.tensor([[2, 2, 3], [3, 2, 2], [3, 2, 3]])
    found = columns.spelt(prefixes, lines, letters)
    log_p = logits.log_softmax(-1)
    for row, line in enumerate(lines.tolist()):
        for count in range(4):
            text = (*given, *letters[row, :count].tolist())
            expected = prefix_probability(log_p[line], LENGTHS[line], text)
            assert float(found.psi[row, count].exp()) == pytest.approx(expected, abs=1e-12)
            assert found.last[row, count] == (text[-1] if text else -1)
