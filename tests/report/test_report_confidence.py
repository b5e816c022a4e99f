"""Bins, calibration error, setting lines aside and the temperature: against values worked out by hand."""

import math

import numpy as np
import pytest

from trocr_gsa.metrics import error_rates as metrics
from trocr_gsa.metrics.confidence import (
    Bin,
    cer_of_surest,
    confidence_bins,
    expected_calibration_error,
    fit_temperature,
)
from trocr_gsa.metrics.error_rates import ErrorCount

RIGHT, WRONG = ErrorCount(0, 10), ErrorCount(5, 10)


def test_bins_hold_as_many_lines_each():
    bins = confidence_bins([0.8, 0.2, 0.6, 0.4], [RIGHT, WRONG, RIGHT, RIGHT], bins=2)
    assert [(each.lines, each.right, each.cer) for each in bins] == [(2, 0.5, 0.25), (2, 1.0, 0.0)]
    assert [each.confidence for each in bins] == pytest.approx([0.3, 0.7])


def test_lines_of_the_same_confidence_share_a_bin():
    (only,) = confidence_bins([1.0] * 20, [RIGHT] * 10 + [WRONG] * 10)
    assert only == Bin(20, 1.0, 0.5, 0.25)


def test_one_line_is_one_bin():
    assert confidence_bins([0.5], [WRONG]) == [Bin(1, 0.5, 0.0, 0.5)]


def test_the_calibration_error_is_that_worked_out_by_hand():
    bins = [Bin(1, 0.9, 0.5, 0), Bin(3, 0.6, 0.7, 0)]
    assert expected_calibration_error(bins) == pytest.approx(0.25 * 0.4 + 0.75 * 0.1)
    assert expected_calibration_error([Bin(4, 1.0, 1.0, 0)]) == 0


def test_setting_the_least_sure_lines_aside_leaves_the_errors_of_the_others():
    confidences, counts = [0.1] + [0.9] * 9, [WRONG] + [RIGHT] * 8 + [ErrorCount(1, 10)]
    assert cer_of_surest(confidences, counts, 1.0) == pytest.approx(6 / 100)
    assert cer_of_surest(confidences, counts, 0.9) == pytest.approx(1 / 90)
    assert cer_of_surest([0.3], [WRONG], 0.5) == 0.5


def test_confidence_that_means_nothing_saves_nothing_by_being_low():
    """The control: the least sure line is as good as the others."""
    assert cer_of_surest([0.1, 0.9], [RIGHT, WRONG], 0.5) == 0.5


def negative_log_likelihood(temperature, confidences, right):
    calibrated = np.asarray(confidences) ** (1 / temperature)
    return -np.log(np.where(right, calibrated, 1 - calibrated)).sum()


def test_with_one_confidence_for_all_the_temperature_makes_it_the_share_read_right():
    temperature = fit_temperature([0.9] * 4, [True, False, False, False])
    assert temperature == pytest.approx(math.log(0.9) / math.log(0.25))
    assert 0.9 ** (1 / temperature) == pytest.approx(0.25)


def test_the_temperature_is_the_likeliest():
    confidences, right = [0.99, 0.97, 0.9, 0.8, 0.95], [True, True, False, False, True]
    temperature = fit_temperature(confidences, right)
    best = negative_log_likelihood(temperature, confidences, right)
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert negative_log_likelihood(factor * temperature, confidences, right) > best


def test_the_temperature_of_confidences_that_are_frequencies_is_one():
    rng = np.random.default_rng(0)
    true = rng.uniform(0.05, 1, 20_000)
    right = rng.uniform(size=20_000) < true
    assert fit_temperature(true, right) == pytest.approx(1, abs=0.03)
    assert fit_temperature(true**0.25, right) == pytest.approx(0.25, abs=0.01)


def test_a_line_wrong_for_certain_has_no_infinite_weight():
    assert fit_temperature([1.0, 0.9, 0.9], [False, True, False]) < 1e3


@pytest.mark.parametrize("right", [[True, True], [False, False]])
def test_no_temperature_fits_where_all_lines_are_alike(right):
    with pytest.raises(ValueError, match=r"`right`: (all|none) of 2 lines were read without an error"):
        fit_temperature([0.5, 0.6], right)


@pytest.mark.parametrize("confidences", [[0.5], [0.5, 1.5], [0.5, float("nan")], []])
def test_confidences_are_probabilities_one_a_line(confidences):
    for use in (lambda: confidence_bins(confidences, [RIGHT, WRONG]), lambda: fit_temperature(confidences, [True, 0])):
        with pytest.raises(ValueError, match="`confidences` must"):
            use()


def test_a_share_is_more_than_nothing():
    with pytest.raises(ValueError, match="`share`"):
        cer_of_surest([0.5], [RIGHT], 0)


def test_an_alignment_puts_both_texts_together_again_and_counts_the_errors():
    for reference, prediction in (("ſein Wort", "fein Wor t"), ("abc d", "axxc"), ("", "x"), ("x", ""), ("", "")):
        edits = metrics.align_characters(reference, prediction)
        assert "".join(edit.reference for edit in edits) == reference
        assert "".join(edit.prediction for edit in edits) == prediction
        errors = sum(max(len(edit.reference), len(edit.prediction)) for edit in edits if not edit.agrees)
        assert errors == metrics.count_character_errors(reference, prediction).errors


def test_the_interval_of_a_difference_is_narrow_where_the_same_lines_are_hard_for_both():
    base = [ErrorCount(errors, 10) for errors in (1, 9, 2, 8, 3)]
    other = [ErrorCount(count.errors - 1, 10) for count in base]
    low, high = metrics.paired_interval(base, other, list("abcde"))
    assert (low, high) == pytest.approx((-0.1, -0.1))
    alone = metrics.bootstrap_interval(base, list("abcde"))
    assert alone[1] - alone[0] > 0.3


def test_a_reader_does_not_differ_from_itself():
    counts = [ErrorCount(errors, 10) for errors in (1, 9, 2)]
    assert metrics.paired_interval(counts, counts, list("abc")) == (0, 0)


def test_a_difference_is_of_the_same_lines():
    with pytest.raises(ValueError, match="`other_counts`"):
        metrics.paired_interval([RIGHT], [RIGHT, WRONG], ["a"])
