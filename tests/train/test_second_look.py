"""Where the pose head is in doubt, the CTC head decides, or the decoder if there is no such head."""

from contextlib import contextmanager

import pytest
import torch
from tiny_checkpoint import draw_line

from trocr_gsa.reader import decoding as reading
from trocr_gsa.reader.decoding import read_images

DOUBT = reading.DOUBT
TEXTS = {"abc": 40, "defghijk": 90, "fedcba": 70, "kj": 30, "hi hi": 50, "bcdfghij": 100}
PICTURES = [draw_line(text, width) for text, width in TEXTS.items()]


@pytest.fixture(autouse=True)
def _read_in_doubt(_read_once, monkeypatch):
    """Undo what the other tests of training do without."""
    monkeypatch.setattr(reading, "DOUBT", DOUBT)


@pytest.fixture
def reader(tiny):
    model, processor = tiny
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2 and "pose_head" not in name:
                weight.mul_(3)  # so that what is read depends on the picture
    return model.double().eval(), processor


def in_every_pose(reader, num_beams):
    """For each picture, its reading in every pose, each told as certain."""
    group = reader[0].encoder.group
    poses = [{turn: 1.0} for turn in group.angles[: group.num_rotations]]
    return zip(*(read_images(*reader, PICTURES, pose, num_beams) for pose in poses), strict=True)


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
@pytest.mark.parametrize("judge", ["CTC head", "decoder"])
def test_in_doubt_the_surest_pose_is_read_at_every_turn(reader, judge, angle, monkeypatch):
    """The pose head is untrained: every pose is a doubt."""
    if judge == "decoder":
        monkeypatch.setattr(reader[0], "ctc_head", None)
    judged = in_every_pose(reader, 0 if judge == "CTC head" else 1)
    surest = [max(range(len(same)), key=lambda pose, same=same: same[pose].confidence) for same in judged]
    expected = [same[pose] for same, pose in zip(in_every_pose(reader, 1), surest, strict=True)]
    assert len({found.orientation for found in expected}) > 1
    found = read_images(*reader, [picture.rotate(angle, expand=True) for picture in PICTURES])
    for line, best in zip(found, expected, strict=True):
        assert line.text == best.text
        assert line.confidence == pytest.approx(best.confidence, rel=1e-6)
        assert line.orientation == (best.orientation + angle) % 360


def test_a_reader_without_doubt_reads_once(reader, monkeypatch):
    reads = []
    monkeypatch.setattr(reading, "_read", lambda *words, read=reading._read: reads.append(1) or read(*words))
    read_images(*reader, PICTURES, {180: 1.0})
    assert len(reads) == 1
    monkeypatch.setattr(reading, "DOUBT", 0.9)
    read_images(*reader, PICTURES)
    assert len(reads) == 2


def test_what_the_prior_rules_out_is_not_looked_at(reader):
    found = read_images(*reader, PICTURES, {0: 0.5, 180: 0.5})
    assert {line.orientation for line in found} <= {0.0, 180.0}


def test_a_pose_is_read_inside_what_its_line_needs(reader):
    """Whoever reads lines of several adapters is told which lines encoder and decoder look at, whenever they do."""
    model, processor = reader
    inside, looked = [], {"encoder": [], "ctc_head": [], "decoder": []}

    @contextmanager
    def applied(places):
        inside.append(list(places))
        yield
        inside.pop()

    def note(name):
        def hook(module, words, named):
            rows = next(value for value in (*words, *named.values()) if isinstance(value, torch.Tensor)).shape[0]
            assert rows == len(inside[-1])
            looked[name].append(inside[-1])

        return hook

    for name in looked:
        getattr(model, name).register_forward_pre_hook(note(name), with_kwargs=True)
    read_images(model, processor, PICTURES, applied=applied)
    everywhere = list(range(len(PICTURES)))
    assert sorted(looked["encoder"][0]) == sorted(looked["decoder"][0]) == everywhere
    again = [place for places in looked["encoder"][1:] for place in places]
    assert sorted(again) == sorted(3 * everywhere)
    assert {place for places in looked["decoder"] for place in places} == set(everywhere)
    assert sorted(looked["ctc_head"][0]) == everywhere  # to compare poses, then to draft
    assert {place for places in looked["ctc_head"] for place in places} == set(everywhere)
