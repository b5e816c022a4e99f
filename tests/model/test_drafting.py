"""A draft that is checked becomes the text that greedy reading writes, whatever the draft."""

import itertools
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest
import torch
from tiny_models import as_set, noise, tiny_reader

from trocr_gsa.model.ctc_prefix import CTCColumns, JointScores
from trocr_gsa.reader import drafting
from trocr_gsa.reader.drafting import CachedDecoder, read_drafts, write

PAD, END = 0, 1


@pytest.fixture
def model():
    torch.manual_seed(1)
    model = tiny_reader(ctc_steps_per_patch=3, group="C4")
    torch.nn.init.normal_(model.ctc_head.projection.weight, std=0.7)  # columns that are sure of something
    return model


@pytest.fixture
def lines():
    return as_set([noise(2, 6), noise(5, 2), noise(1, 8), noise(2, 3)], filler=1e3)


def nowhere(lines):
    return nullcontext()


def letter_by_letter(model, encoded):
    """The letters of every line and their log-probabilities, by transformers' `generate`."""
    most = model.config.decoder.max_position_embeddings
    out = model.generate(
        encoder_outputs=encoded, num_beams=1, max_length=most, output_scores=True, return_dict_in_generate=True
    )
    log_p = model.compute_transition_scores(out.sequences, out.scores, normalize_logits=True)
    for letters, values in zip(out.sequences[:, 1:].tolist(), log_p, strict=True):
        length = letters.index(END) + 1 if END in letters else len(letters)
        yield letters[:length], values[:length]


@torch.no_grad()
def test_a_checked_draft_is_what_greedy_reading_writes(model, lines):
    encoded = model.encoder(**lines)
    columns = model.ctc_head(encoded.pose_hidden_state, encoded.pose_positions, encoded.pose_mask)
    drafts = write(model, encoded, columns, nowhere)
    for draft, (letters, log_p) in zip(drafts, letter_by_letter(model, encoded), strict=True):
        assert draft.letters == letters
        assert torch.tensor(draft.log_p) == pytest.approx(
            log_p, abs=1e-5
        )  # `generate` keeps scores in single precision


@pytest.mark.parametrize("seed", range(4))
@torch.no_grad()
def test_the_text_does_not_depend_on_the_draft(model, lines, seed):
    encoded = model.encoder(**lines)
    columns = model.ctc_head(encoded.pose_hidden_state, encoded.pose_positions, encoded.pose_mask)
    joint = JointScores(CTCColumns(*columns, PAD), PAD, END, model.config.ctc_decoding_weight)
    generator = torch.Generator().manual_seed(seed)
    texts = [torch.randint(2, 20, (length,), generator=generator).tolist() for length in (0, 3, 9, 40)]
    most = model.config.decoder.max_position_embeddings - 1
    drafts = read_drafts(CachedDecoder(model, encoded, nowhere), joint, texts, PAD, most)
    assert [draft.letters for draft in drafts] == [letters for letters, _ in letter_by_letter(model, encoded)]


@torch.no_grad()
def test_the_right_draft_takes_one_pass_and_every_pass_but_the_last_gains_a_letter(model, lines):
    encoded = model.encoder(**lines)
    columns = model.ctc_head(encoded.pose_hidden_state, encoded.pose_positions, encoded.pose_mask)
    joint = JointScores(CTCColumns(*columns, PAD), PAD, END, model.config.ctc_decoding_weight)
    right = [letters for letters, _ in letter_by_letter(model, encoded)]
    passes = []
    most = model.config.decoder.max_position_embeddings - 1

    def decode(lines, start, before):
        passes.append(start)
        return decoder(lines, start, before)

    decoder = CachedDecoder(model, encoded, nowhere)
    read_drafts(decode, joint, [[letter for letter in letters if letter != END] for letters in right], PAD, most)
    assert passes == [0]
    decoder = CachedDecoder(model, encoded, nowhere)
    passes.clear()
    read_drafts(decode, joint, [[]] * len(right), PAD, most)
    assert len(passes) <= max(map(len, right))


@torch.no_grad()
def test_behind_a_mistake_no_more_is_looked_at_than_twice_what_stood(model, lines, monkeypatch):
    monkeypatch.setattr(drafting, "MIN_WINDOW", 1)
    encoded = model.encoder(**lines)
    columns = model.ctc_head(encoded.pose_hidden_state, encoded.pose_positions, encoded.pose_mask)
    joint = JointScores(CTCColumns(*columns, PAD), PAD, END, model.config.ctc_decoding_weight)
    right = [letters for letters, _ in letter_by_letter(model, encoded)]
    line = max(range(len(right)), key=lambda line: len(right[line]))
    assert len(right[line]) > 4
    wrong = [letter + 1 for letter in right[line]]
    asked = []

    def decode(lines, start, before):
        asked.append(before.shape[1])
        return decoder(lines, start, before)

    decoder = CachedDecoder(model, encoded, nowhere)
    alone = CTCColumns(*(part[line : line + 1] for part in columns), PAD)
    monkeypatch.setattr(decoder, "encoded", {name: part[line : line + 1] for name, part in encoded.items()})
    most = model.config.decoder.max_position_embeddings - 1
    (draft,) = read_drafts(decode, replace(joint, columns=alone), [wrong], PAD, most)
    assert draft.letters == right[line]
    assert asked[1] == 2  # one letter stood: the one that was found in place of the first


@torch.no_grad()
def test_lines_that_are_further_wait_for_those_behind(model, lines, monkeypatch):
    monkeypatch.setattr(drafting, "MAX_LEAD", 0)
    encoded = model.encoder(**lines)
    columns = model.ctc_head(encoded.pose_hidden_state, encoded.pose_positions, encoded.pose_mask)
    asked = []

    def applied(some):
        asked.append(list(some))
        return nullcontext()

    drafts = write(model, encoded, columns, applied)
    assert [draft.letters for draft in drafts] == [letters for letters, _ in letter_by_letter(model, encoded)]
    assert asked[0] == [0, 1, 2, 3]
    assert any(not set(later) <= set(earlier) for earlier, later in itertools.pairwise(asked))


@torch.no_grad()
def test_adapters_are_applied_to_the_lines_that_are_decoded(model, lines):
    encoded = model.encoder(**lines)
    columns = model.ctc_head(encoded.pose_hidden_state, encoded.pose_positions, encoded.pose_mask)
    inside, decoded = [], []

    @contextmanager
    def applied(some):
        inside.append(list(some))
        yield
        inside.pop()

    def note(module, words, named):
        decoded.append(inside[-1])
        assert len(named["input_ids"]) == len(inside[-1])

    model.decoder.register_forward_pre_hook(note, with_kwargs=True)
    write(model, encoded, columns, applied)
    assert decoded[0] == [0, 1, 2, 3]
    assert len(decoded[-1]) < 4
