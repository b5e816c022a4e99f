"""Where the pose head is in doubt, the reading that is surest of itself decides."""

from contextlib import contextmanager

import pytest
import torch
from tiny_checkpoint import draw_line

from trocr_gsa.reader import decoding as reading
from trocr_gsa.reader.decoding import read_images

DOUBT = reading.DOUBT
PICTURES = [draw_line("abc", 40), draw_line("defghijk", 90), draw_line("fedcba", 70)]


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


def upright_alone(reader, angle):
    """Readings by pose of the group, each told as certain."""
    group = reader[0].encoder.group
    pictures = [picture.rotate(angle, expand=True) for picture in PICTURES]
    return [read_images(*reader, pictures, {turn: 1.0}) for turn in group.angles[: group.num_rotations]]


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_a_reader_in_doubt_takes_the_surest_reading_at_every_turn(reader, angle):
    """The pose head is untrained: every pose is a doubt."""
    expected = [max(same, key=lambda found: found.confidence) for same in zip(*upright_alone(reader, 0), strict=True)]
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
    inside, looked = [], {"encoder": [], "decoder": []}

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
    assert sorted(looked["encoder"][0]) == sorted(looked["decoder"][0]) == [0, 1, 2]
    again = [place for places in looked["encoder"][1:] for place in places]
    assert sorted(again) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {place for places in looked["decoder"] for place in places} == {0, 1, 2}
