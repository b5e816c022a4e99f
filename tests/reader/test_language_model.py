"""The character n-gram model: a probability, learnt from a text file as people have them."""

import math

import numpy as np
import pytest

from trocr_gsa.reader import language_model
from trocr_gsa.reader.language_model import CharacterModel

TEXT = "the cat on the mat\nthat hat, the cab"


@pytest.mark.parametrize("before", ["", "th", "the c", "zzz", "☃ the ca"])
def test_the_probabilities_of_all_next_characters_sum_to_one(before):
    model = CharacterModel(TEXT)
    letters = [*(letter for letter in model._numbers if letter != " "), "never seen"]
    p = [math.exp(model._log_p_of_each(before + letter[:1])[len(before)]) for letter in letters[:-1]]
    p.append(math.exp(model._log_p_of_each(f"{before}☃")[len(before)]))
    p.append(math.exp(model._log_p_of_each(before)[len(before)]))  # a space
    assert sum(p) == pytest.approx(1)


def test_it_is_witten_and_bells_rule():
    model = CharacterModel("ab ab")  # " ab ab ": after a always b
    alphabet = 4  # a, b, space, and all that were never seen
    p_b = (2 + 3 / alphabet) / (6 + 3)  # 6 characters, 3 different ones
    p_b_after_a = (2 + p_b) / (2 + 1)
    p_b_after_space_a = (2 + p_b_after_a) / (2 + 1)
    assert math.exp(model._log_p_of_each("ab")[1]) == pytest.approx(p_b_after_space_a)


def test_a_usual_text_is_more_probable_than_a_misspelt_one():
    model = CharacterModel(TEXT)
    assert model.log_p("the cat") > model.log_p("tne cat")
    assert model.log_p("the cat") > model.log_p("the ca")
    assert model.log_p("that cat") > model.log_p("tha tcat")
    assert math.isfinite(model.log_p("ſ ŧhing ☃"))
    assert math.isfinite(model.log_p(""))


def test_the_weight_says_how_much_the_language_counts():
    candidates = [("tne cat", -0.1), ("the cat", -1.1)]
    assert CharacterModel(TEXT, weight=0).choose(candidates) == 0
    assert CharacterModel(TEXT, weight=0.4).choose(candidates) == 1
    assert CharacterModel(TEXT, weight=0.4).choose([("tne cat", -0.1), ("the cat", -math.inf)]) == 0


def test_it_makes_no_difference_how_the_text_is_broken_into_lines_or_composed():
    one, other = CharacterModel("ein ſchöner Tag"), CharacterModel("ein\r\nſcho\u0308ner \n\n Tag\n")
    assert one.log_p("ſchön") == other.log_p("ſcho\u0308n")


def test_rare_characters_of_a_large_alphabet_count_as_never_seen():
    model = CharacterModel("".join(map(chr, range(0x4E00, 0x4E00 + 2000))) + "一一")
    assert len(model._numbers) == 1023
    assert model.log_p("一") > model.log_p(chr(0x4E00 + 1999))
    assert np.isfinite(model.log_p(chr(0x4E00 + 1999)))


def test_a_file_is_learnt_from(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert CharacterModel.from_file(path).log_p("the cat") == CharacterModel(TEXT).log_p("the cat")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "must have 1 to 20 characters, got 0"),
        (b" \n\x0c\n ", "must have 1 to 20 characters, got 0"),
        ("Straße".encode("latin-1"), "is not UTF-8"),
        (b"a" * 21, "is longer than 20 characters"),
        (None, "cannot be read: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_learnt_from_is_refused(tmp_path, monkeypatch, content, problem):
    monkeypatch.setattr(language_model, "MAX_CHARACTERS", 20)
    path = tmp_path / "text.txt"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match=f"`language_model`: {path} {problem}"):
        CharacterModel.from_file(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"`language_model`: .*gone\.txt cannot be read: No such file"):
        CharacterModel.from_file(tmp_path / "gone.txt")
