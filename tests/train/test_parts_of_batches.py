"""Lines that are encoded a few at a time are read as those that are encoded together."""

import pytest
import torch
from tiny_checkpoint import draw_line

from trocr_gsa.reader import decoding as reading
from trocr_gsa.reader.decoding import read_images
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.build import new_model

PICTURES = [draw_line("abcdefgh", 110), draw_line("ab", 30), draw_line("defghijk", 90), draw_line("fedcba", 70)]


@pytest.mark.parametrize("pose_layers", [1, 2])
@pytest.mark.parametrize("beams", [0, 1])
def test_parts_of_a_batch_are_read_as_the_whole(tiny_architecture, monkeypatch, pose_layers, beams):
    torch.manual_seed(0)
    sizes = tiny_architecture | {"encoder_pose_layers": pose_layers, "ctc_steps_per_patch": 2}
    model, processor = new_model(TrainingArguments.from_dict(sizes | {"train": "lines", "method": "full"}))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(3)  # so that what is read depends on the picture
    model.double().eval()
    batches = []
    model.encoder.register_forward_hook(lambda module, words, out: batches.append(len(out.pose)))
    whole = read_images(model, processor, PICTURES, {180: 1.0}, num_beams=beams)
    monkeypatch.setattr(reading, "ENCODED_PATCHES_ON_CPU", 40)
    parts = read_images(model, processor, PICTURES, {180: 1.0}, num_beams=beams)
    assert len({line.text for line in whole}) > 2
    assert batches[0] == 4
    assert len(batches) > 2
    assert sum(batches) == 8
    for one, other in zip(parts, whole, strict=True):
        assert one.text == other.text
        assert one.confidence == pytest.approx(other.confidence, rel=1e-9)
