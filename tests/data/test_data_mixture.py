from collections import Counter

import pytest
from line_makers import lines_in_memory

from trocr_gsa.data import Mixture, RenderedLines


@pytest.fixture
def sources():
    return [lines_in_memory([f"{name}{i}" for i in range(size)]) for name, size in (("a", 4), ("b", 30), ("c", 10))]


def counts(mixture, epoch=0):
    return Counter(text[0] for text in mixture.texts(epoch))


def test_each_source_gives_its_share(sources):
    assert counts(Mixture(sources, [2, 1, 1], size=40)) == {"a": 20, "b": 10, "c": 10}


def test_shares_that_do_not_divide_are_off_by_one_line_at_most(sources):
    shares = counts(Mixture(sources, [1, 1, 1], size=40))
    assert sum(shares.values()) == 40
    assert set(shares.values()) == {13, 14}


def test_without_weights_every_line_comes_once(sources):
    mixture = Mixture(sources)
    assert len(mixture) == 44
    assert len(set(mixture.texts())) == 44


def test_a_small_source_comes_round_before_any_line_is_seen_more_often(sources):
    seen = Counter(text for text in Mixture(sources, [2, 1, 1], size=40).texts() if text[0] == "a")
    assert set(seen.values()) == {5}


def test_a_large_source_is_spread_over_epochs(sources):
    mixture = Mixture(sources, [1, 1, 1], size=30)
    texts = [text for epoch in range(3) for text in mixture.texts(epoch) if text[0] == "b"]
    assert len(texts) == len(set(texts)) == 30


def test_texts_and_sizes_belong_to_the_lines(sources):
    mixture = Mixture(sources, [1, 2, 1], size=20)
    for epoch in (0, 3):
        samples = [mixture[epoch * 20 + i] for i in range(20)]
        assert [sample.text for sample in samples] == mixture.texts(epoch)
        assert [sample.image.size for sample in samples] == mixture.sizes(epoch)


def test_a_seed_determines_the_order(sources):
    assert Mixture(sources, seed=1).texts() == Mixture(sources, seed=1).texts() != Mixture(sources, seed=2).texts()


def test_a_mixture_of_mixtures_holds_its_proportions(sources):
    inner = Mixture(sources[:2], [1, 1], size=20)
    assert counts(Mixture([inner, sources[2]], [1, 1], size=40)) == {"a": 10, "b": 10, "c": 20}


@pytest.mark.parametrize("weights", [[1, 1], [1, 0, 1], [1, 1, -1]])
def test_weights_that_do_not_fit_are_refused(sources, weights):
    with pytest.raises(ValueError, match="`weights` must be 3 positive numbers"):
        Mixture(sources, weights)


def test_problems_of_every_source_are_told(sources):
    sources[1].problems = ["b.png: the text is empty."]
    assert Mixture(sources).problems == ["b.png: the text is empty."]


def test_a_mixture_asks_a_large_source_only_for_the_lines_it_takes(sources, renderer):
    mixture = Mixture([sources[0], RenderedLines(renderer, 10**6)], [1, 1], size=8)
    assert len(mixture.sizes()) == 8
