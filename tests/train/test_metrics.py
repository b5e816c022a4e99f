"""Error rates: counted over the corpus, guarded at the edges, resampled by document."""

from pathlib import Path

import evaluate
import pytest

from trocr_gsa.metrics import error_rates as metrics
from trocr_gsa.metrics.error_rates import ErrorCount

MODULES = Path(metrics.__file__).parent / "evaluate_modules"


def test_rates_divide_once_for_the_corpus():
    assert metrics.cer(["abcd", "ab"], ["abcd", "xy"]) == pytest.approx(2 / 6)
    assert metrics.wer(["a b c", "d"], ["a x c", "d"]) == pytest.approx(1 / 4)


def test_an_empty_reference_read_as_empty_is_no_error():
    assert metrics.cer([""], [""]) == 0
    assert metrics.cer(["", "abcd"], ["x", "abcd"]) == pytest.approx(1 / 4)
    assert metrics.wer(["", "a b"], ["", "a b"]) == 0


def test_composed_and_decomposed_letters_are_the_same():
    assert metrics.cer(["ü"], ["u\u0308"]) == 0


def test_unequal_numbers_are_refused():
    with pytest.raises(ValueError, match="`predictions`"):
        metrics.cer(["a"], [])


def test_an_interval_holds_the_rate_and_repeats_with_its_seed():
    counts = [ErrorCount(errors, 10) for errors in (0, 1, 2, 3, 4, 5)]
    documents = list("aabbcc")
    low, high = metrics.bootstrap_interval(counts, documents)
    assert low < metrics.error_rate(counts) < high
    assert metrics.bootstrap_interval(counts, documents) == (low, high)


def test_lines_of_one_document_are_drawn_together():
    counts = [ErrorCount(0, 10)] * 20 + [ErrorCount(5, 10)] * 20
    together = metrics.bootstrap_interval(counts, ["a"] * 20 + ["b"] * 20)
    apart = metrics.bootstrap_interval(counts, list(range(40)))
    assert together == (0, 0.5)
    assert apart[1] - apart[0] < 0.2


def test_a_single_document_is_resampled_by_its_lines():
    counts = [ErrorCount(0, 10)] * 20 + [ErrorCount(5, 10)] * 20
    low, high = metrics.bootstrap_interval(counts, ["a"] * 40)
    assert (low, high) == metrics.bootstrap_interval(counts, list(range(40)))
    assert low < 0.25 < high


def test_an_interval_needs_a_document_a_line():
    with pytest.raises(ValueError, match="`documents`"):
        metrics.bootstrap_interval([ErrorCount(0, 1)], [])


def test_translation_scores_reach_100_on_a_perfect_reading():
    texts = ["the cat sat on the mat today"]
    assert metrics.chrf(texts, texts) == pytest.approx(100)
    assert metrics.bleu(texts, texts) == pytest.approx(100)


@pytest.mark.parametrize("name", ["cer", "wer"])
def test_the_evaluate_modules_agree_without_a_network(name, tmp_path):
    references, predictions = ["a line", "of text"], ["a lime", "of text"]
    metric = evaluate.load(str(MODULES / name), cache_dir=str(tmp_path))
    found = metric.compute(references=references, predictions=predictions)
    assert found == {name: getattr(metrics, name)(references, predictions)}
