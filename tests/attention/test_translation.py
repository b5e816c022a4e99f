"""Relative encodings alone: moving the content moves the features."""

import pytest
import torch
from group_actions import grid
from sharp_weights import sharpened
from torch import nn

from trocr_gsa.model.attention import GroupSelfAttention, LiftingSelfAttention
from trocr_gsa.model.encoding import CentredEncoding
from trocr_gsa.model.groups import PointGroup

HIDDEN, HEADS = 8, 2
ROWS, COLUMNS = 4, 8


class Local(nn.Module):
    """Two layers that each look one patch far."""

    def __init__(self, name: str, pose_sum: str = "none") -> None:
        super().__init__()
        group = PointGroup.from_name(name)
        self.lift = LiftingSelfAttention(group, HIDDEN, HEADS, neighbourhood=1.5)
        self.attend = GroupSelfAttention(group, HIDDEN, HEADS, pose_sum, neighbourhood=1.5)

    def forward(self, f, positions):
        return self.attend(nn.functional.gelu(self.lift(f, positions)), positions)


def on_grid(run, page, left):
    """Run on the window of a larger page that begins at column `left`; (pose, row, column, hidden)."""
    window = page[:, left : left + COLUMNS].reshape(1, ROWS * COLUMNS, HIDDEN)
    return run(window, grid(ROWS, COLUMNS))[0].unflatten(1, (ROWS, COLUMNS))


@pytest.mark.parametrize("pose_sum", ["none", "query", "encoding"])
@pytest.mark.parametrize("name", ["C1", "C4", "D4"])
def test_shifting_the_content_shifts_the_features_away_from_the_border(name, pose_sum):
    run = sharpened(Local(name, pose_sum))
    page = torch.randn(ROWS, COLUMNS + 1, HIDDEN, dtype=torch.float64)
    here, shifted = on_grid(run, page, 0), on_grid(run, page, 1)
    interior, border = slice(3, COLUMNS - 2), slice(COLUMNS - 1, COLUMNS)
    assert (here[:, :, interior] - shifted[:, :, 2 : COLUMNS - 3]).abs().max() / here.abs().max() < 1e-11
    assert (here[:, :, border] - shifted[:, :, COLUMNS - 2 : COLUMNS - 1]).abs().max() > 1e-3  # new content came in


def test_the_origin_of_the_positions_does_not_count():
    group = PointGroup.from_name("C4")
    run = sharpened(GroupSelfAttention(group, HIDDEN, HEADS))
    f = torch.randn(1, 4, 6, HIDDEN, dtype=torch.float64)
    here, there = run(f, grid(2, 3)), run(f, grid(2, 3) + torch.tensor([7.0, -3.5]))
    assert (here - there).abs().max() / here.abs().max() < 1e-11


def test_a_centred_encoding_gives_translation_up():
    """The control: an absolute term is not translation equivariant, and is not said to be."""
    run, centred = sharpened(Local("C4")), sharpened(CentredEncoding(PointGroup.from_name("C4"), HIDDEN, 2))
    page = torch.randn(ROWS, COLUMNS + 1, HIDDEN, dtype=torch.float64)

    def placed(f, x):
        return run(f[:, None] + centred(x), x)

    here, shifted = on_grid(placed, page, 0), on_grid(placed, page, 1)
    assert (here[:, :, 3:-2] - shifted[:, :, 2:-3]).abs().max() > 1e-3
