"""The comparison on rotated MNIST, at toy size: from IDX files to a section that follows from the numbers."""

import json
import math
import sys
from dataclasses import asdict, replace

import pytest
import torch

from experiments import rotated_digits, rotated_mnist
from experiments import rotated_mnist_tables as tables
from experiments.rotated_digits import rotated
from experiments.rotated_mnist_cost import LiteralLayer, cost, evaluate_literally
from experiments.rotated_mnist_networks import MOST_PARAMETERS, SIZES, build, inputs
from trocr_gsa import PointGroup
from trocr_gsa.equivariance import equivariance_error
from trocr_gsa.model.encoding import RelativeEncoding

LEARN, VALIDATION, TEST, OWN_TEST = 24, 8, 16, 6


@pytest.fixture
def mnist(write_mnist, tmp_path, monkeypatch):
    for name, number in (("LEARN", LEARN), ("VALIDATION", VALIDATION), ("TEST", TEST)):
        monkeypatch.setattr(rotated_digits, name, number)
    return write_mnist(tmp_path / "mnist", LEARN + VALIDATION + TEST, OWN_TEST)


COSTS = [
    {"variant": "R4", "ours": {"minutes": 0.5, "memory": 2**20}, "literal": {"minutes": 1.5, "memory": 2**22}},
]


def rows(**tests: list[float]) -> list[dict]:
    return [
        {
            "variant": name,
            "seed": seed,
            "test": test,
            "validation": test,
            "parameters": 43_000,
            "minutes_per_epoch": 0.1,
        }
        for name, values in tests.items()
        for seed, test in enumerate(values)
    ]


def results(names: tuple[str, ...], rows: list[dict]) -> dict:
    return asdict(SIZES["short"]) | {"size": "short", "variants": names, "rows": rows}


def test_every_network_is_as_small_as_the_published_ones_and_no_size_is_larger():
    for size in SIZES.values():
        counts = [build(name, size).num_parameters() for name in size.variants]
        assert max(counts) <= MOST_PARAMETERS
        assert max(counts) < 1.05 * min(counts)
    with pytest.raises(ValueError, match="`size` must give at most"):
        build("R4", replace(SIZES["gpu"], hidden_size=64))


@pytest.mark.parametrize("name", ["R4", "R4, query", "R4, encoding", "D4"])
def test_turning_a_digit_leaves_its_logits_alone(name):
    model = build(name, SIZES["short"]).double().eval()
    digits = inputs(torch.rand(2, 1, 28, 28).double(), SIZES["short"])
    assert equivariance_error(lambda x: model(x).logits, model.gsa_net.group, digits) < 1e-11


def test_without_rotations_it_does_not():
    """The control."""
    model = build("Z2", SIZES["short"]).double().eval()
    digits = inputs(torch.rand(2, 1, 28, 28).double(), SIZES["short"])
    assert equivariance_error(lambda x: model(x).logits, PointGroup.from_name("C4"), digits) > 1e-3


def test_a_step_costs_time_and_memory():
    spent = cost("R4", replace(SIZES["short"], batch=2), literal=True)
    assert spent.minutes > 0
    assert spent.memory >= 0


@pytest.mark.parametrize("name", ["R4", "R4, query", "R4, encoding"])
def test_the_literal_evaluation_gives_the_same_logits(name):
    model, digits = build(name, SIZES["short"]).double().eval(), torch.rand(2, 1, 24, 24).double()
    logits = model(digits).logits
    evaluate_literally(model, SIZES["short"].side)
    assert sum(isinstance(module, LiteralLayer) for module in model.modules()) == SIZES["short"].num_hidden_layers
    assert (model(digits).logits - logits).abs().max() < 1e-5 * logits.abs().max()


def test_the_first_wavelengths_reach_from_two_patches_to_the_whole_image():
    size = SIZES["short"]
    model = build("R4", size)
    for module in model.modules():
        if isinstance(module, RelativeEncoding):
            wavelengths = 2 * math.pi / module.frequencies.norm(dim=1)
            assert wavelengths.min().item() == pytest.approx(2)
            assert wavelengths.max().item() == pytest.approx(size.side)


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
    image = torch.zeros(5, 1, 28, 28)
    image[..., 10:18, 12:16] = 1
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
    assert tables.verdict(results(("Z2", "R4", "R8"), rows(**tests))).startswith(f"**{verdict}**")


def test_what_was_not_run_is_said_and_decides_nothing():
    found = results(("Z2", "R4", "R8", "D4"), rows(Z2=[0.5, 0.51], R4=[0.6, 0.61]))
    assert tables.verdict(found).startswith("**Undecided** (2 seeds of R4")
    assert "Not run yet: R8; D4." in tables.verdict(found)
    assert "| R8 | not run |" in tables.table(found)


def test_a_single_seed_decides_nothing():
    found = results(("Z2", "R4"), rows(Z2=[0.5], R4=[0.9]))
    assert tables.verdict(found).startswith("**Undecided** (1 seed of R4")
    assert "R4 minus Z2: +40.00 points (undecided)" in tables.verdict(found)


def test_seeds_are_compared_with_their_own():
    found = rows(Z2=[0.5, 0.7, 0.9], R4=[0.6, 0.8])
    assert tables.gain(found, "Z2", "R4").value == pytest.approx(0.1)
    assert tables.gain(found, "Z2", "R4").half == pytest.approx(0, abs=1e-9)


def test_a_stopped_training_ends_as_one_that_was_not_stopped(mnist, tmp_path):
    size, parts = replace(SIZES["short"], epochs=2, batch=8), rotated_digits.rotated_mnist(mnist)
    whole = rotated_mnist.train("R4", 1, size, parts, tmp_path / "whole.pt")
    stopped = rotated_mnist.Training("R4", 1, size, parts[0])
    stopped.train_epoch()
    stopped.save(tmp_path / "stopped.pt")
    after = rotated_mnist.Training("R4", 1, size, parts[0])
    after.load(tmp_path / "stopped.pt")
    after.train_epoch()
    once_more = rotated_mnist.Training("R4", 1, size, parts[0])
    for _ in range(2):
        once_more.train_epoch()
    weights = zip(after.model.parameters(), once_more.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)
    assert rotated_mnist.accuracy(after.model, parts[2], size) == whole["test"]
    assert not (tmp_path / "whole.pt").exists()


def test_shares_are_put_together_and_published(mnist, page, tmp_path, monkeypatch):
    toy = replace(SIZES["short"], variants=("Z2", "R4", "R8"), epochs=1, seeds=2)
    monkeypatch.setitem(SIZES, "short", toy)
    monkeypatch.setattr(rotated_mnist, "costs", lambda size: COSTS)
    runs = tmp_path / "runs"

    def publish(*options: str) -> dict:
        monkeypatch.setattr(sys, "argv", ["rotated_mnist.py", str(runs), str(mnist), "--size", "short", *options])
        rotated_mnist.main()
        path = tmp_path / "results" / "rotated_mnist.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    empty = page.read_text()
    assert not publish("--share=1/2")
    assert page.read_text() == empty
    assert len(publish("--publish")["rows"]) == 3
    assert "Not run yet: Z2." in page.read_text()
    found = publish()
    assert len(list(runs.rglob("*-?.json"))) == len(found["rows"]) == 5
    assert {row["variant"] for row in found["rows"]} == set(toy.variants)
    assert "R4 minus Z2" in page.read_text()
    assert "| R4 | 0.50 | 1.50 | 1 MiB | 4 MiB |" in page.read_text()
    assert (tmp_path / "evidence" / "rotated_mnist.png").stat().st_size > 1000
