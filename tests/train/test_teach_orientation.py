"""Which way up, learned from pictures without texts, and nothing else changed by it."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_checkpoint import draw_line

from trocr_gsa import LineReader, TrOCRGSAModel, TrOCRGSAProcessor
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.build import build
from trocr_gsa.train.teach_orientation import teach_orientation


@pytest.fixture
def reader(taken_over) -> tuple[TrOCRGSAModel, TrOCRGSAProcessor]:
    return TrOCRGSAModel.from_pretrained(taken_over), TrOCRGSAProcessor.from_pretrained(taken_over)


@pytest.fixture
def words() -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [draw_line("".join(random.choice(list("bdhklt"), 6)), 64).convert("RGB") for _ in range(40)]


def test_the_way_up_is_learned_and_found_at_every_turn(reader, words):
    model, processor = reader
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    result = teach_orientation(model, processor, words, max_steps=60, batch_size=8, learning_rate=3e-3)
    assert (result.lines, result.held_out, result.steps) == (36, 4, 60)
    assert result.accuracy == 1
    changed = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed
    assert all(name.startswith("encoder.pose_head.") for name in changed)
    lines = LineReader(model, processor)
    for quarters in range(4):
        turned = [word.rotate(90 * quarters, expand=True) for word in words[:4]]
        assert [line.orientation for line in lines.read(turned)] == [90.0 * quarters] * 4


def test_it_ends_when_the_time_is_up(reader, words):
    assert teach_orientation(*reader, words, max_minutes=0).steps == 0


def test_few_pictures_are_all_learned_from(reader, words):
    result = teach_orientation(*reader, words[:5], max_steps=1)
    assert (result.lines, result.held_out, result.accuracy) == (5, 0, None)


def test_a_bad_picture_is_named_and_the_others_are_learned_from(reader, words, tmp_path):
    (tmp_path / "empty.png").touch()
    result = teach_orientation(*reader, [tmp_path / "empty.png", *words[:5]], max_steps=1)
    assert result.lines == 5
    assert len(result.problems) == 1
    assert "empty.png" in result.problems[0]


def test_without_any_usable_picture_there_is_one_error(reader, tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(ValueError, match=r"`pictures`.*none of 1.*empty\.png"):
        teach_orientation(*reader, [tmp_path / "empty.png"])


def test_a_reader_with_one_pose_has_nothing_to_learn(stock_checkpoint, reader, words):
    upright = TrOCRGSAModel.from_trocr(stock_checkpoint, group="C1")
    with pytest.raises(ValueError, match="`group`"):
        teach_orientation(upright, reader[1], words)


def test_an_adapter_can_learn_the_pose_head_and_open_the_gates(taken_over):
    settings = {"model": taken_over, "train": "lines", "method": "lora", "train_pose": True, "rank": 2}
    adapted, model, _ = build(TrainingArguments.from_dict(settings))
    learned = [name for name, weight in adapted.named_parameters() if weight.requires_grad and "lora_" not in name]
    assert all("pose_head" in name or ".gate." in name for name in learned)
    assert any("pose_head" in name for name in learned)
    assert len([name for name in learned if ".gate." in name]) == model.encoder.config.pose_layers
    images = torch.randn(2, 3, 64, 64)
    model.train()(pixel_values=images, labels=torch.tensor([[0, 7, 2], [0, 9, 2]])).loss.backward()
    assert all(weight.grad.abs().max() > 0 for name, weight in adapted.named_parameters() if name in learned)


def test_a_gate_that_an_adapter_opened_is_open_in_reading_too(taken_over):
    settings = {"model": taken_over, "train": "lines", "method": "lora", "train_pose": True, "rank": 2}
    adapted, model, _ = build(TrainingArguments.from_dict(settings))
    for name, weight in adapted.eval().named_parameters():
        if ".gate." in name and weight.requires_grad:
            torch.nn.init.constant_(weight, 0.5)
    images = torch.randn(1, 3, 64, 64)
    learning = model.encoder(images).pose_logits
    with torch.no_grad():
        assert torch.equal(model.encoder(images).pose_logits, learning)
    with adapted.disable_adapter(), torch.no_grad():
        assert not torch.equal(model.encoder(images).pose_logits, learning)
