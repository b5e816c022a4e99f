"""The comparison on rotated MNIST, at toy size: from IDX files to a section that follows from the numbers."""

import json
import sys
from dataclasses import replace

import pytest
import torch

from experiments import rotated_digits, rotated_mnist
from experiments.rotated_digits import rotated

LEARN, VALIDATION, TEST, OWN_TEST = 24, 8, 16, 6


@pytest.fixture
def mnist(write_mnist, tmp_path, monkeypatch):
    for name, number in (("LEARN", LEARN), ("VALIDATION", VALIDATION), ("TEST", TEST)):
        monkeypatch.setattr(rotated_digits, name, number)
    return write_mnist(tmp_path / "mnist", LEARN + VALIDATION + TEST, OWN_TEST)


def rows(**tests: list[float]) -> list[dict]:
    return [
        {"variant": name, "seed": seed, "test": test}
        for name, values in tests.items()
        for seed, test in enumerate(values)
    ]


def test_every_network_is_as_small_as_the_published_ones_and_no_size_is_larger():
    for size in rotated_mnist.SIZES.values():
        counts = [rotated_mnist.build(name, size).num_parameters() for name in size.variants]
        assert max(counts) <= rotated_mnist.MOST_PARAMETERS
        assert max(counts) < 1.05 * min(counts)
    with pytest.raises(ValueError, match="`size` must give at most"):
        rotated_mnist.build("R4", replace(rotated_mnist.SIZES["full"], hidden_size=64))


def test_the_parts_have_their_sizes_and_are_the_same_whenever_asked_for(mnist):
    first, second = rotated_digits.rotated_mnist(mnist), rotated_digits.rotated_mnist(mnist)
    assert [len(part.labels) for part in first] == [LEARN, VALIDATION, TEST]
    for part, again in zip(first, second, strict=True):
        assert torch.equal(part.images, again.images)
        assert part.images.min() >= 0
        assert 0.9 < part.images.amax((1, 2, 3)).min() <= 1.001


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match="train-images-idx3-ubyte"):
        rotated_digits.rotated_mnist(tmp_path)


def test_a_digit_keeps_its_ink_when_it_is_turned():
    image = torch.zeros(5, 28, 28, dtype=torch.uint8)
    image[:, 10:18, 12:16] = 255
    turned = rotated(image, torch.Generator().manual_seed(0))
    assert turned.sum((1, 2, 3)) == pytest.approx([32] * 5, rel=0.03)
    assert (turned[0] - turned[1]).abs().max() > 0.3


@pytest.mark.parametrize(
    ("tests", "verdict"),
    [
        ({"Z2": [0.5, 0.51], "R4": [0.6, 0.61], "R8": [0.7, 0.71]}, "Supported"),
        ({"Z2": [0.5, 0.51], "R4": [0.6, 0.61], "R8": [0.55, 0.7]}, "Undecided"),
        ({"Z2": [0.5, 0.51], "R4": [0.6, 0.61], "R8": [0.5, 0.51]}, "Refuted"),
    ],
)
def test_the_verdict_follows_from_the_numbers(tests, verdict):
    size = replace(rotated_mnist.SIZES["reduced"], seeds=2, variants=("Z2", "R4", "R8"))
    assert rotated_mnist.verdict(rows(**tests), size).startswith(f"**{verdict}**")


def test_shares_are_put_together_and_published(mnist, page, tmp_path, monkeypatch):
    toy = replace(rotated_mnist.SIZES["reduced"], patch_size=14, num_hidden_layers=1, epochs=1, seeds=2)
    monkeypatch.setitem(rotated_mnist.SIZES, "reduced", toy)
    runs = tmp_path / "runs"
    for share in ("--share=1/2", "--share=2/2", None):
        words = ["rotated_mnist.py", str(runs), str(mnist), "--size", "reduced", *([share] if share else [])]
        monkeypatch.setattr(sys, "argv", words)
        before = page.read_text()
        rotated_mnist.main()
        assert (page.read_text() == before) == bool(share)
    assert len(list(runs.rglob("*.json"))) == 2 * len(toy.variants)
    found = json.loads((tmp_path / "results" / "rotated_mnist.json").read_text())
    assert {row["variant"] for row in found["rows"]} == set(toy.variants)
    assert "R4 minus Z2" in page.read_text()
    assert "This is a reduced size" in page.read_text()
    assert (tmp_path / "evidence" / "rotated_mnist.png").stat().st_size > 1000
