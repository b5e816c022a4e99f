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


def watch(patch, name):
    """Return a list that grows with each call of a function of `decoding`."""
    calls, function = [], getattr(reading, name)
    patch.setattr(reading, name, lambda *words: calls.append(1) or function(*words))
    return calls


def test_a_reader_without_doubt_encodes_once(reader, monkeypatch):
    encoded = watch(monkeypatch, "_encode")
    read_images(*reader, PICTURES)
    assert len(encoded) == 5  # all lines in their likeliest pose, then each pose with those that were in another
    encoded.clear()
    read_images(*reader, PICTURES, {180: 1.0})
    monkeypatch.setattr(reading, "DOUBT", 0.9)
    read_images(*reader, PICTURES)
    assert len(encoded) == 2


@pytest.mark.parametrize(("weight", "num_beams", "reads"), [(0.5, 1, 1), (0.0, 1, 5), (0.0, 0, 1)])
def test_one_pose_is_decoded_where_the_ctc_head_has_a_say(reader, weight, num_beams, reads, monkeypatch):
    monkeypatch.setattr(reader[0].config, "ctc_decoding_weight", weight)
    read = watch(monkeypatch, "_read")
    read_images(*reader, PICTURES, num_beams=num_beams)
    assert len(read) == reads


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
    by_the_head = [place for places in looked["ctc_head"] for place in places]
    assert sorted(by_the_head) == sorted(5 * everywhere)  # to compare four poses, then to draft
