"""Texts chosen with a language model: among what the reader finds likely, with the reader's own probabilities."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from PIL import Image
from slow_cases import others_slow
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint

from trocr_gsa.reader import LineReader, rescoring
from trocr_gsa.reader.language_model import CharacterModel
from trocr_gsa.reader.rescoring import likely_texts

PICTURES = [draw_line("a bär"), draw_line("zwei", 100), draw_line("drei", 40)]
BLANK = 0


class Fond:
    """A language in which one text is far more usual than all others."""

    def __init__(self, text: str) -> None:
        self.text = text

    def choose(self, candidates: Sequence[tuple[str, float]]) -> int:
        return max(
            range(len(candidates)), key=lambda place: candidates[place][1] + 1e6 * (candidates[place][0] == self.text)
        )


class Indifferent(Fond):
    """A language in which all texts are equally usual; it remembers among which it chose."""

    def __init__(self) -> None:
        super().__init__("no line has this text")
        self.candidates: list[tuple[str, float]] = []

    def choose(self, candidates: Sequence[tuple[str, float]]) -> int:
        self.candidates += candidates
        return super().choose(candidates)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("drafting"), sure=True, ctc_steps_per_patch=2)


@pytest.fixture(scope="module")
def drafting(folder) -> LineReader:
    return LineReader.from_pretrained(folder, device="cpu")


@pytest.fixture(autouse=True)
def tries_much(monkeypatch):
    """Random weights find no token likely, and its head and its decoder are never of one mind."""
    monkeypatch.setattr("trocr_gsa.model.ctc_prefix.CANDIDATES", 1000)
    monkeypatch.setattr(rescoring, "LEAST", 0.0)
    monkeypatch.setattr(rescoring, "WIDTH", 4)


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token != BLANK)


def test_likely_texts_are_those_with_the_largest_sum_over_paths():
    p = torch.rand(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    p = (p / p.sum(-1, keepdim=True)).tolist()
    sums: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(3), repeat=5):
        text = collapsed(path)
        sums[text] = sums.get(text, 0.0) + math.prod(frame[token] for frame, token in zip(p, path, strict=True))
    expected = sorted(sums, key=lambda text: -sums[text])
    assert likely_texts(p, BLANK, width=1000) == expected
    assert likely_texts(p, BLANK, width=20)[0] == expected[0]


def test_a_long_line_does_not_underflow():
    p = [[0.5, 0.3, 0.2]] * 3000
    assert len(likely_texts(p, BLANK, width=3)) == 3


def test_without_a_language_model_nothing_is_rescored(drafting, monkeypatch):
    expected = drafting.read(PICTURES)
    monkeypatch.setattr("trocr_gsa.reader.decoding.rescored", None)
    assert drafting.read(PICTURES) == expected
    assert drafting.read(PICTURES, language_model=None) == expected


def test_a_candidate_has_the_probability_that_it_has_as_the_readers_text(drafting, monkeypatch):
    seen = []

    def spy(model, encoded, columns, applied, written, language, to_text):
        joint, start = rescoring.joint_scores(model, columns), model.config.decoder_start_token_id
        for line, (tokens, log_p) in enumerate(written):
            decode = rescoring.CachedDecoder(model, encoded, applied)
            seen.append((log_p, rescoring._scored(decode, joint, start, line, [tokens[:1], tokens])[1][1]))
        return written

    monkeypatch.setattr("trocr_gsa.reader.decoding.rescored", spy)
    drafting.read(PICTURES, language_model=Indifferent())
    assert len(seen) >= len(PICTURES)
    for own, scored in seen:
        assert scored == pytest.approx(own, rel=1e-4, abs=1e-5)


def candidates_of(reader: LineReader, picture: Image.Image) -> dict[str, float]:
    """Return the texts among which a language model chooses, and their log-probabilities."""
    language = Indifferent()
    reader.read([picture], language_model=language)
    return {
        text: max(log_p for other, log_p in language.candidates if other == text) for text, _ in language.candidates
    }


def test_a_text_that_the_language_prefers_is_chosen_with_the_readers_confidence(drafting):
    (plain,) = drafting.read(PICTURES[:1])
    candidates = candidates_of(drafting, PICTURES[0])
    possible = [text for text, log_p in candidates.items() if log_p > -math.inf and text != plain.text]
    assert possible
    for text in possible:
        (line,) = drafting.read(PICTURES[:1], language_model=Fond(text))
        assert line.text == text
        assert 0 < line.confidence < 1
        assert line.confidence != plain.confidence
        assert len(line.character_confidences) == len(text)


def test_a_text_that_the_reader_rules_out_is_never_chosen(drafting, monkeypatch):
    monkeypatch.setattr("trocr_gsa.model.ctc_prefix.CANDIDATES", 16)
    (plain,) = drafting.read(PICTURES[:1])
    candidates = candidates_of(drafting, PICTURES[0])
    impossible = [text for text, log_p in candidates.items() if log_p == -math.inf]
    assert impossible
    (line,) = drafting.read(PICTURES[:1], language_model=Fond(impossible[0]))
    assert line.text in candidates
    assert candidates[line.text] > -math.inf
    assert plain.text in candidates


def test_of_equally_usual_texts_the_most_probable_is_chosen(drafting):
    for picture in PICTURES:
        candidates = candidates_of(drafting, picture)
        (line,) = drafting.read([picture], language_model=Indifferent())
        assert line.text == max(candidates, key=candidates.__getitem__)


def test_turning_the_picture_changes_nothing(drafting):
    language = CharacterModel("abc äöü the cat on the mat")
    upright = drafting.read(PICTURES, language_model=language)
    for turn in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270):
        turned = drafting.read([picture.transpose(turn) for picture in PICTURES], language_model=language)
        assert [line.text for line in turned] == [line.text for line in upright]


def test_lines_of_a_batch_read_as_alone(drafting):
    language = CharacterModel("abc äöü the cat on the mat")
    together = drafting.read(PICTURES, language_model=language)
    for picture, line in zip(PICTURES, together, strict=True):
        (alone,) = drafting.read([picture], language_model=language)
        assert alone.text == line.text
        assert alone.confidence == pytest.approx(line.confidence, rel=1e-3)


def test_each_line_is_scored_with_its_adapter(folder, tmp_path):
    reader = LineReader.from_pretrained(folder, adapter={"fr": save_adapter(folder, tmp_path / "fr")}, device="cpu")
    language = CharacterModel("abc äöü the cat on the mat")
    mixed = reader.read([PICTURES[0]] * 2, adapter=["fr", None], language_model=language)
    for line, adapter in zip(mixed, ["fr", None], strict=True):
        (alone,) = reader.read([PICTURES[0]], adapter=adapter, language_model=language)
        assert (alone.text, alone.confidence) == (line.text, pytest.approx(line.confidence, rel=1e-3))


@pytest.mark.parametrize("num_beams", [0, 2])
def test_it_does_not_go_with_another_search(drafting, num_beams):
    with pytest.raises(ValueError, match=r"`language_model` needs .* `num_beams` = 1"):
        drafting.read(PICTURES, num_beams=num_beams, language_model=CharacterModel("a"))


@pytest.mark.parametrize("head", others_slow([0, 2], 0))
def test_a_reader_that_does_not_draft_says_so(tmp_path, head):
    weight: dict[str, Any] = {"ctc_decoding_weight": 0.0} if head else {}
    path = save_checkpoint(tmp_path / "model", ctc_steps_per_patch=head, **weight)
    reader = LineReader.from_pretrained(path, device="cpu")
    with pytest.raises(ValueError, match="`language_model` needs a reader whose CTC head drafts"):
        reader.read(PICTURES, language_model=CharacterModel("a"))
