"""Define your own group, and measure the equivariance of a layer and of a whole encoder.

python examples/own_group.py
"""

import torch

from trocr_gsa import GroupSelfAttention, GSANetConfig, GSANetModel, equivariance_error
from trocr_gsa.equivariance import turn_placed_field, turn_poses
from trocr_gsa.model.encoding import grid_positions
from trocr_gsa.model.groups import register_group

# half turn and both mirrors, but no quarter turn: for text that can be upside down or mirrored
ELEMENTS = torch.tensor([[[1, 0], [0, 1]], [[-1, 0], [0, -1]], [[-1, 0], [0, 1]], [[1, 0], [0, -1]]])


@torch.no_grad()
def main() -> None:
    """Print the errors in double precision, relative to the largest output."""
    torch.manual_seed(0)
    group = register_group("rectangle", ELEMENTS)
    positions = grid_positions(3, 5).double()
    field = torch.randn(1, group.order, len(positions), 32, dtype=torch.float64)
    layer = GroupSelfAttention(group, hidden_size=32, num_heads=4).double()
    print(f"layer: {error_of(lambda placed: layer(*placed), group, (field, positions)):.0e}")

    def look_at_one_pose(placed):  # the control
        return layer(*placed) * torch.arange(group.order)[:, None, None]

    print(f"layer that tells poses apart: {error_of(look_at_one_pose, group, (field, positions)):.0e}")
    config = GSANetConfig(group="rectangle", hidden_size=32, num_attention_heads=4, intermediate_size=64, patch_size=8)
    encoder = GSANetModel(config).double().eval()
    image = torch.randn(1, 1, 24, 40, dtype=torch.float64)
    invariant = equivariance_error(lambda image: encoder(image).last_hidden_state, group, image)
    print(f"tokens of an encoder, whichever way the image lies: {invariant:.0e}")


def error_of(function, group, placed) -> float:
    """Return the equivariance error of a function of features with positions."""
    return equivariance_error(function, group, placed, turn_placed_field, turn_poses)


if __name__ == "__main__":
    main()
