"""Averaging two checkpoints: what lies between them, and only between those of one shape."""

import pytest
import torch
from tiny_checkpoint import save_checkpoint

from experiments.average_checkpoints import average
from trocr_gsa import TrOCRGSAModel


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def after(tmp_path_factory, before):
    model = TrOCRGSAModel.from_pretrained(before)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1.0)
    folder = save_checkpoint(tmp_path_factory.mktemp("after"))
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_every_weight_lies_at_its_share_of_the_way(before, after, share, tmp_path):
    average(before, after, share, tmp_path / "averaged")
    start = TrOCRGSAModel.from_pretrained(before).state_dict()
    for name, weight in TrOCRGSAModel.from_pretrained(tmp_path / "averaged").state_dict().items():
        torch.testing.assert_close(weight, start[name] + share, msg=name)


def test_a_share_beyond_either_and_other_shapes_are_refused(before, after, tmp_path):
    with pytest.raises(ValueError, match=r"`share` must be between 0 and 1, got 1\.5"):
        average(before, after, 1.5, tmp_path / "averaged")
    wider = save_checkpoint(tmp_path / "wider", encoder_intermediate_size=48)
    with pytest.raises(ValueError, match=r"`after` must have the shapes of `before`: encoder\..* is \(.*32.*48"):
        average(before, wider, 0.5, tmp_path / "averaged")
