"""The rescoring of alternatives, on texts for which the right choice is known."""

import math

import pytest

from experiments.rescoring import Candidates, CharacterModel, chosen_texts, fitted_rates, nearest, rate

TEXTS = ["the cat", "the hat", "the cab", "that cat"]


def test_the_probabilities_of_all_next_characters_sum_to_one():
    model = CharacterModel(TEXTS, order=3)
    alphabet = [*model.counts[""], "never seen"]
    for before in ("\0", "\0th", "\0zzz", "\0the c"):
        assert sum(model._p(character, before) for character in alphabet) == pytest.approx(1)


def test_a_usual_text_is_more_probable_than_a_misspelt_one():
    model = CharacterModel(TEXTS)
    assert model.log_p("the cat") > model.log_p("tne cat")
    assert math.isfinite(model.log_p("ſome ŧhing eľſe"))


def test_a_weight_of_zero_keeps_the_reading_and_a_larger_one_corrects_it():
    line = Candidates("the cat", "tne cat", [("tne cat", -0.1), ("the cat", -0.2)])
    scores = [[CharacterModel(TEXTS).log_p(text) for text, _ in line.alternatives]]
    assert chosen_texts([line], scores, 0.0) == ["tne cat"]
    assert chosen_texts([line], scores, 0.4) == ["the cat"]
    assert nearest(line) == "the cat"
    assert rate([line], ["tne cat"]) == pytest.approx(1 / 7)


def test_the_weight_of_a_set_is_fitted_on_the_others():
    helped = [Candidates("the cat", "tne cat", [("tne cat", -0.1), ("the cat", -0.2)])]
    harmed = [Candidates("tne cat", "tne cat", [("tne cat", -0.1), ("the cat", -0.2)])]
    models = dict.fromkeys(("a", "b"), CharacterModel(TEXTS))
    rates = fitted_rates({"a": helped, "b": harmed}, models)
    assert rates["a"] == pytest.approx(1 / 7)  # b wants no language model
    assert rates["b"] == pytest.approx(1 / 7)  # a wants one, which harms b
