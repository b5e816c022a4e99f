"""The CTC head: columns in reading order whichever way the image lies, torch's loss on them, and the best path."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from tiny_models import END, EXACT_GROUPS, LAYERS, VOCABULARY, as_set, difference, noise, tiny_reader, turns

from trocr_gsa.model.ctc import CTCHead
from trocr_gsa.model.ctc_prefix import CTCColumns

STEPS = 2


def read(model, lines, poses):
    """Logits and lengths of the CTC head of some lines, the poses being known."""
    labels = torch.full((len(poses), 1), END)
    out = model(**as_set(lines, filler=1e3), labels=labels, pose_labels=torch.tensor(poses))
    return out.ctc_logits, out.ctc_lengths


@pytest.mark.parametrize("pose_layers", [0, 1, LAYERS])
def test_a_step_reads_the_mean_of_its_column(pose_layers):
    model = tiny_reader(ctc_steps_per_patch=STEPS, group="C4", pose_layers=pose_layers)
    line = noise(3, 5)
    logits, lengths = read(model, [line], [0])
    tokens = model.encoder(line, pose_labels=torch.tensor([0])).pose_hidden_state[0].unflatten(0, (3, 5))
    head = model.ctc_head.projection
    for column in range(5):
        expected = head(sum(tokens[row, column] for row in range(3)) / 3).unflatten(0, (STEPS, VOCABULARY))
        assert difference(logits[0, STEPS * column : STEPS * (column + 1)], expected) < 1e-12
    assert lengths.tolist() == [5 * STEPS]


@pytest.mark.parametrize("pose_layers", [0, 1, LAYERS])
@pytest.mark.parametrize("name", EXACT_GROUPS)
def test_a_turned_line_has_the_columns_of_the_upright_one(name, pose_layers):
    model = tiny_reader(ctc_steps_per_patch=STEPS, group=name, pose_layers=pose_layers)
    line = noise(2, 5)
    turned = turns(model.encoder.group, line)
    logits, lengths = read(model, turned, list(range(len(turned))))
    assert lengths.tolist() == [5 * STEPS] * len(turned)
    for other in logits[1:]:
        assert difference(other, logits[0]) < 1e-11


def test_lines_of_unlike_lengths_do_not_mix():
    model = tiny_reader(ctc_steps_per_patch=STEPS, group="C4")
    standing = model.encoder.group.transform_image(noise(2, 3), 1)
    lines, poses = [noise(1, 4), noise(2, 2), standing, noise(1, 1)], [0, 0, 1, 0]
    logits, lengths = read(model, lines, poses)
    assert lengths.tolist() == [8, 4, 6, 2]
    for index, (line, pose) in enumerate(zip(lines, poses, strict=True)):
        alone, length = read(model, [line], [pose])
        assert difference(logits[index, : length[0]], alone[0]) < 1e-11


def path_probability(log_p: torch.Tensor, label: list[int]) -> torch.Tensor:
    """Sum, over every path that collapses to a label, of the product of its steps' probabilities."""
    total = torch.zeros((), dtype=log_p.dtype)
    for path in torch.cartesian_prod(*[torch.arange(log_p.shape[1])] * len(log_p)).tolist():
        steps = [letter for t, letter in enumerate(path) if t == 0 or letter != path[t - 1]]
        if [letter for letter in steps if letter != 0] == label:
            total = total + sum(log_p[t, letter] for t, letter in enumerate(path)).exp()
    return total


def test_the_loss_sums_over_every_path_of_every_line():
    head, logits = CTCHead(4, 3, STEPS, blank=0), torch.randn(3, 4, 3)
    lengths, labels = torch.tensor([4, 3, 2]), [[1, 2], [1, 1], []]
    padded = torch.tensor([[1, 2], [1, 1], [-100, -100]])
    log_p = logits.log_softmax(-1)
    terms = [-path_probability(log_p[n, : lengths[n]], labels[n]).log() for n in range(3)]
    assert head.loss(logits, lengths, padded).item() == pytest.approx((sum(terms) / 4).item(), rel=1e-5)


def beginning_probability(log_p: torch.Tensor, label: list[int]) -> torch.Tensor:
    """Sum the probabilities of all labels that begin so."""
    return sum(
        path_probability(log_p, [*label, *more])
        for length in range(len(log_p) - len(label) + 1)
        for more in itertools.product(range(1, log_p.shape[1]), repeat=length)
    )


def test_a_text_and_its_letters_are_scored_over_every_path():
    head, logits = CTCHead(4, 3, STEPS, blank=0), torch.randn(4, 4, 3).double()
    lengths, texts = torch.tensor([4, 3, 2, 4]), [[1, 2], [1], [], [2, 2]]
    log_p = logits.log_softmax(-1)
    letters, whole = head.score(logits, lengths, texts)
    for n, text in enumerate(texts):
        own = log_p[n, : lengths[n]]
        assert whole[n].exp().item() == pytest.approx(path_probability(own, text).item())
        begun = [beginning_probability(own, text[:count]).item() for count in range(len(text) + 1)]
        expected = [after / before for before, after in itertools.pairwise(begun)]
        assert letters[n, : len(text)].exp().tolist() == pytest.approx(expected)


def test_the_scores_of_long_texts_are_those_of_the_prefix_recursion():
    steps, letters = 500, 20
    head, logits = CTCHead(4, 3, STEPS, blank=0), torch.randn(4, steps, letters).double()
    logits[::2] *= 30  # sure of nearly every step, and of some that are next to impossible
    lengths = torch.tensor([steps, steps // 2, 3, steps - 1])
    texts = head.read(logits, lengths)
    found, whole = head.score(logits, lengths, texts)
    columns, longest = CTCColumns(logits, lengths, 0), max(map(len, texts))
    padded = torch.tensor([[*text, *[1] * (longest - len(text))] for text in texts])
    psi = columns.spelt(columns.empty(), torch.arange(4), padded).psi.diff(dim=1)
    for n, text in enumerate(texts):
        assert found[n, : len(text)].tolist() == pytest.approx(psi[n, : len(text)].tolist(), abs=1e-9)
        log_p = logits[n, : lengths[n]].log_softmax(-1)
        loss = F.ctc_loss(log_p, torch.tensor(text), (len(log_p),), (len(text),), reduction="sum")
        assert whole[n].item() == pytest.approx(-loss.item(), rel=1e-9)


def test_lines_without_any_letter_are_scored():
    head, logits = CTCHead(4, 3, STEPS, blank=0), torch.randn(2, 4, 3)
    letters, whole = head.score(logits, torch.tensor([4, 2]), [[], []])
    assert letters.shape == (2, 0)
    assert whole[1].item() == pytest.approx(logits.log_softmax(-1)[1, :2, 0].sum().item(), rel=1e-5)


def test_the_loss_is_torchs_on_each_line_by_itself():
    model = tiny_reader(ctc_steps_per_patch=STEPS, group="C4")
    labels = torch.tensor([[5, 9, END], [END, -100, -100], [-100, -100, -100]])
    lines = as_set([noise(1, 4), noise(2, 2), noise(1, 1)], filler=1e3)
    out = model(**lines, labels=labels, pose_labels=torch.zeros(3, dtype=torch.long))
    terms = []
    for line, row in enumerate(labels):
        log_p, label = out.ctc_logits[line, : out.ctc_lengths[line]].log_softmax(-1), row[row >= 0]
        terms.append(F.ctc_loss(log_p, label, (len(log_p),), (len(label),), blank=0, reduction="sum"))
    assert difference(out.ctc_loss, sum(terms) / 4) < 1e-5  # torch's loss is evaluated in float32


def test_a_line_without_letters_is_scored_by_its_blanks():
    head, logits = CTCHead(4, 3, STEPS, blank=0), torch.randn(1, 4, 3)
    loss = head.loss(logits, torch.tensor([4]), torch.tensor([[-100, -100]]))
    assert loss.item() == pytest.approx(-logits.log_softmax(-1)[0, :, 0].sum().item(), rel=1e-5)


def test_more_letters_than_steps_neither_raise_nor_spoil_the_batch():
    head, logits = CTCHead(4, 3, STEPS, blank=0), torch.randn(2, 4, 3, requires_grad=True)
    loss = head.loss(logits, torch.tensor([4, 2]), torch.tensor([[1, 2, -100], [1, 1, 1]]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad[0].abs().sum() > 0
    assert (logits.grad[1] == 0).all()


@pytest.mark.parametrize(
    ("path", "length", "text"),
    [
        ([1, 1, 0, 1, 2, 2], 6, [1, 1, 2]),
        ([0, 0, 0, 0, 0, 0], 6, []),
        ([2, 0, 0, 2, 1, 1], 3, [2]),
        ([2, 2, 2, 2, 2, 2], 6, [2]),
        ([0, 1, 0, 2, 0, 1], 6, [1, 2, 1]),
    ],
)
def test_the_best_path_joins_repeats_and_drops_blanks(path, length, text):
    logits = F.one_hot(torch.tensor([path]), 3).float()
    assert CTCHead(4, 3, STEPS, blank=0).read(logits, torch.tensor([length])) == [text]


def test_no_head_is_built_where_none_is_asked_for():
    model = tiny_reader(ctc_steps_per_patch=0)
    out = model(pixel_values=noise(1, 2), labels=torch.tensor([[END]]))
    assert model.ctc_head is None
    assert out.ctc_loss is None
    assert out.ctc_logits is None
