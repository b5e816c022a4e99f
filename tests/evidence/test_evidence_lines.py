"""Small readers of lines, and the three comparisons of them, at toy size."""

import json
import sys
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from slow_cases import others_slow

from experiments import line_sets, sizes, small_reader
from experiments.ablations import BASE, variants
from experiments.line_sets import Line, batch, digit_lines, turned
from experiments.small_reader import Design, SmallReader, TrainingSettings, evaluate, train

TURNS = (90.0, 180.0, 270.0)


def line(width: int = 96, text: str = "01"):
    return Line(np.random.default_rng(0).normal(size=(24, width)).astype(np.float32), text)


def written(reader, angle: float) -> torch.Tensor:
    """Logits of a line that lies at an angle, read along the likeliest direction."""
    with torch.no_grad():
        return reader(batch([turned(line().pixels, angle, 12)], 12), None)[0]


def reader(**design):
    return SmallReader(Design(hidden_size=16, layers=2, **design), "01").eval()


@pytest.mark.parametrize("angle", TURNS)
def test_an_untaught_gsa_net_writes_the_same_at_every_quarter_turn_and_a_vit_does_not(angle):
    equivariant, vit = reader(), reader(group="C1")
    torch.testing.assert_close(written(equivariant, angle), written(equivariant, 0.0), atol=1e-5, rtol=1e-5)
    turned, upright = written(vit, angle), written(vit, 0.0)
    assert turned.shape != upright.shape or (turned - upright).abs().max() > 1e-3


def test_a_vit_that_is_told_the_direction_reads_along_it():
    vit = reader(group="C1", directions=4)
    for label, angle in enumerate((0.0, *TURNS)):
        assert vit.label(angle) == label
        _, steps, _ = vit(batch([turned(line().pixels, angle, 12)], 12), torch.tensor([label]))
        assert steps.item() == 96 // 12 * vit.ctc.steps_per_patch
    assert vit.label(359.0) == 0


def test_patches_beside_a_turned_line_are_none_of_it():
    assert turned(line().pixels, 0.0, 12)[1].all()
    page, held = turned(line().pixels, 45.0, 12)
    assert held.shape == tuple(side // 12 for side in page.shape)
    assert 0.2 < held.float().mean() < 0.7


def test_the_digits_of_a_split_are_in_no_other(write_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(line_sets, "DIGITS_FOR_VALIDATION", 10)
    folder = write_mnist(tmp_path / "mnist", 30, 6)
    seen = {}
    for split, digits in (("train", 20), ("validation", 10), ("test", 6)):
        monkeypatch.setattr(line_sets.np.random, "default_rng", lambda key: Everything())
        seen[split] = Everything.asked = []
        line_sets.digit_lines(folder, split, 1, 24, 12, 0)
        assert digits in seen[split]


class Everything:
    """A generator that notes from how many digits it was to choose."""

    asked: list

    def integers(self, low, high=None, size=None):
        self.asked.append(low)
        return 3 if size is None else np.zeros(size, dtype=int)


def test_a_reader_learns_the_digits_of_a_few_lines(write_mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(line_sets, "DIGITS_FOR_VALIDATION", 10)
    lines = digit_lines(write_mnist(tmp_path / "mnist", 30, 6), "train", 8, 24, 12, 0)
    design = Design(hidden_size=32, layers=2)
    taught = train(design, TrainingSettings(60, lines_per_step=8, learning_rate=5e-3, warmup=5), lines)
    untaught = train(design, TrainingSettings(1, lines_per_step=8, learning_rate=1e-5), lines)
    assert evaluate(taught, lines, 0.0)["cer"] < 0.8 < evaluate(untaught, lines, 0.0)["cer"]
    assert evaluate(taught, lines, 90.0) == evaluate(taught, lines, 0.0)


def test_an_ablation_changes_what_its_name_says_and_nothing_else():
    base = Design()
    changed = {
        name: {key for key, value in vars(design).items() if value != vars(base)[key]}
        for name, design in variants(base).items()
    }
    assert changed.pop(BASE) == set()
    assert sorted(sorted(keys) for keys in changed.values()) == [
        ["absolute_position"], ["group"], ["hidden_size", "layers"], ["hidden_size", "layers"], ["patch_size"],
        ["pose_layers"], ["pose_layers"], ["pose_layers"], ["pose_sum"], ["pose_sum"],
    ]  # fmt: skip
    for name, design in variants(base).items():
        config = SmallReader(design, "01").encoder.config
        assert config.pose_layers == (0 if design.group == "C1" else design.pose_layers), name
        assert (config.pose_sum, config.absolute_position) == (design.pose_sum, design.absolute_position), name


@pytest.mark.parametrize("name", others_slow(["less_data", "encoder_size", "angles", "ablations"], "angles"))
def test_shares_are_put_together_and_published(name, write_mnist, page, tmp_path, monkeypatch):
    script = import_module(f"experiments.{name}")
    monkeypatch.setattr(line_sets, "DIGITS_FOR_VALIDATION", 10)
    monkeypatch.setattr(small_reader, "PROBE", 1)
    toy = {"counts": (2, 4), "widths": (16, 32), "steps": 1, "lines_per_step": 2, "test_lines": 2}
    monkeypatch.setattr(script, "ANGLES", [0.0, 45.0, 90.0, 195.0], raising=False)
    design = replace(sizes.SIZES["reduced"].design, hidden_size=16, layers=2)
    monkeypatch.setitem(sizes.SIZES, "reduced", replace(sizes.SIZES["reduced"], design=design, **toy))
    card = tmp_path / "card.md"
    card.write_text(page.read_text())
    monkeypatch.setattr(script, "CARD", card, raising=False)
    data, runs = write_mnist(tmp_path / "data" / "mnist", 40, 6).parent, tmp_path / "runs"
    for share in ("1/2", "2/2", "1/1"):
        before = page.read_text()
        monkeypatch.setattr(sys, "argv", [name, str(runs), str(data), "--seeds", "2", "--share", share])
        script.main()
        assert (page.read_text() == before) == (share != "1/1")
    found = json.loads((tmp_path / "results" / f"{name}.json").read_text())
    assert {row["seed"] for row in found["rows"]} == {0, 1}
    assert (name == "ablations") == ("| digits |" in card.read_text())
    assert f"](evidence/{name}.png)" in page.read_text()
    assert (tmp_path / "evidence" / f"{name}.png").stat().st_size > 1000
