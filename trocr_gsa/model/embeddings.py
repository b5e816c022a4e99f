"""From patches to the tokens of every pose.

What is unusual: a patch is embedded once per pose, un-rotated by it; class tokens, which lie nowhere, likewise.
"""

import torch
from torch import Tensor, nn

from .configuration_gsa_net import GSANetConfig
from .encoding import CentredEncoding, TableEncoding
from .groups import PointGroup
from .patches import see_from_poses


class GSANetEmbeddings(nn.Module):
    """Class tokens, and patches as each pose sees them, projected: e(i,h) = W·(h⁻¹·patch_i) [+ position(i,h)].

    position(i,h) is e(h⁻¹(x(i) − centre)), a sum of waves ("centred") or a learned row ("table").

    Args:
        config: the encoder's.
        group: H.
    """

    def __init__(self, config: GSANetConfig, group: PointGroup) -> None:
        super().__init__()
        self.group = group
        self.patch_size = config.patch_size
        self.projection = nn.Linear(config.num_channels * config.patch_size**2, config.hidden_size)
        self.position = None
        if config.absolute_position == "centred":
            self.position = CentredEncoding(group, config.hidden_size, config.num_frequencies)
        elif config.image_size is not None and config.absolute_position == "table":
            self.position = TableEncoding(group, config.hidden_size, config.image_size // config.patch_size)
        self.class_tokens = None
        if config.num_class_tokens:
            self.class_tokens = nn.Parameter(torch.empty(config.num_class_tokens, config.hidden_size))

    def forward(self, patches: Tensor, positions: Tensor, spatial_shapes: Tensor) -> Tensor:
        """Embed patches.

        Args:
            patches: (batch, position, channel · p · p).
            positions: (batch, position, 2), in patches, origin at the image's centre.
            spatial_shapes: (batch, 2) long, rows and columns of patches.

        Returns: (batch, pose, class token + position, hidden).
        """
        features = self.projection(see_from_poses(patches, self.group, self.patch_size))
        if isinstance(self.position, TableEncoding):
            features = features + self.position(positions, spatial_shapes)
        elif self.position is not None:
            features = features + self.position(positions)
        if self.class_tokens is None:
            return features
        tokens = self.class_tokens.to(features.dtype).expand(*features.shape[:2], -1, -1)
        return torch.cat((tokens, features), dim=2)
