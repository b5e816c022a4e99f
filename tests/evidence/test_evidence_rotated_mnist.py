"""The comparison on rotated MNIST, at toy size: from IDX files to a section that follows from the numbers."""

import gzip
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

SCRIPTS = Path(__file__).parents[2] / "scripts"
LEARN, VALIDATION, TEST, OWN_TEST = 24, 8, 16, 6


@pytest.fixture(scope="module", autouse=True)
def _scripts():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        patch.syspath_prepend(str(SCRIPTS / "evidence"))
        yield


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """Bars and blots, and a file that is not compressed."""
    import rotated_digits

    for name, number in (("LEARN", LEARN), ("VALIDATION", VALIDATION), ("TEST", TEST)):
        monkeypatch.setattr(rotated_digits, name, number)
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, number in (("train", LEARN + VALIDATION + TEST), ("t10k", OWN_TEST)):
        labels = (np.arange(number) % 2).astype(np.uint8)
        images = np.zeros((number, 28, 28), np.uint8)
        images[labels == 0, 4:24, 13:15] = 255
        images[labels == 1, 10:18, 10:18] = 255
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


def rows(**tests: list[float]) -> list[dict]:
    return [
        {"variant": name, "seed": seed, "test": test}
        for name, values in tests.items()
        for seed, test in enumerate(values)
    ]


def test_every_network_is_as_small_as_the_published_ones_and_no_size_is_larger():
    import rotated_mnist

    for size in rotated_mnist.SIZES.values():
        counts = [rotated_mnist.build(name, size).num_parameters() for name in size.variants]
        assert max(counts) <= rotated_mnist.MOST_PARAMETERS
        assert max(counts) < 1.05 * min(counts)
    with pytest.raises(ValueError, match="`size` must give at most"):
        rotated_mnist.build("R4", replace(rotated_mnist.SIZES["full"], hidden_size=64))


def test_the_parts_have_their_sizes_and_are_the_same_whenever_asked_for(mnist):
    import rotated_digits

    first, second = rotated_digits.rotated_mnist(mnist), rotated_digits.rotated_mnist(mnist)
    assert [len(part.labels) for part in first] == [LEARN, VALIDATION, TEST]
    for part, again in zip(first, second, strict=True):
        assert torch.equal(part.images, again.images)
        assert part.images.min() >= 0
        assert 0.9 < part.images.amax((1, 2, 3)).min() <= 1.001


def test_a_file_that_is_missing_is_named(tmp_path):
    import rotated_digits

    with pytest.raises(ValueError, match="train-images-idx3-ubyte"):
        rotated_digits.rotated_mnist(tmp_path)


def test_a_digit_keeps_its_ink_when_it_is_turned():
    from rotated_digits import rotated

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
    import rotated_mnist

    size = replace(rotated_mnist.SIZES["reduced"], seeds=2, variants=("Z2", "R4", "R8"))
    assert rotated_mnist.judge(rows(**tests), size).startswith(f"**{verdict}**")


def test_shares_are_put_together_and_published(mnist, tmp_path, monkeypatch):
    import record
    import rotated_mnist

    page = tmp_path / "evidence.md"
    page.write_text(
        "<!-- rotated_mnist: written by scripts/evidence/rotated_mnist.py -->\n<!-- /rotated_mnist -->\nafter\n"
    )
    monkeypatch.setattr(record, "PAGE", page)
    monkeypatch.setattr(record, "FOLDER", tmp_path / "evidence")
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
    found = json.loads((tmp_path / "evidence" / "rotated_mnist.json").read_text())
    assert {row["variant"] for row in found["rows"]} == set(toy.variants)
    assert "R4 minus Z2" in page.read_text()
    assert "This is a reduced size" in page.read_text()
    assert (tmp_path / "evidence" / "rotated_mnist.png").stat().st_size > 1000
