"""Patch embeddings: for every pose, and with a narrow pose stage a second time for the chosen pose.

What is unusual: a patch is rotated back by the pose before it is embedded. So every function of its pixels keeps the
symmetry, for example a convolution within the patch. Class tokens have no position and are the same for every pose.
"""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from .attention import per_line
from .configuration_gsa_net import GSANetConfig
from .encoding import CentredEncoding, TableEncoding, orbit
from .groups import PointGroup
from .patches import see_from_pose, see_from_poses, with_margin

CONVOLUTIONS = 3
PATCHES_ON_CPU = 128  # that are convolved at once: the memory that they need is small enough to be used again
SINGLE_KERNEL = 5  # pixels


class ConvPatchEmbedding(nn.Module):
    """Three convolutions of stride 2 within a patch, then a linear layer: W · conv₃(conv₂(conv₁(patch))).

    Source: convolutions before a vision transformer, Xiao et al. 2021 (2106.14881); here they stay within the patch.

    Args:
        num_channels: of the image.
        side: of the patch with its margin, pixels.
        hidden_size: width of a token.
        hidden_act: activation after each convolution.
    """

    def __init__(self, num_channels: int, side: int, hidden_size: int, hidden_act: str) -> None:
        super().__init__()
        self.num_channels, self.side = num_channels, side
        last = max(8, hidden_size // 3)
        channels = [num_channels, *(max(4, last // 2**halvings) for halvings in reversed(range(CONVOLUTIONS)))]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(size, next_size, 3, stride=2, padding=1) for size, next_size in pairwise(channels)
        )
        self.activation_fn = ACT2FN[hidden_act]
        for _ in range(CONVOLUTIONS):
            side = -(-side // 2)
        self.dense = nn.Linear(channels[-1] * side * side, hidden_size)

    def forward(self, patches: Tensor) -> Tensor:
        """Embed patches (…, channel · w · w) as (…, hidden)."""
        pixels = patches.flatten(0, -2)
        in_parts = pixels.device.type == "cpu" and not torch.compiler.is_compiling()
        parts = pixels.split(PATCHES_ON_CPU) if in_parts else (pixels,)
        return torch.cat([self._embed(part) for part in parts]).unflatten(0, patches.shape[:-1])

    def _embed(self, pixels: Tensor) -> Tensor:
        pixels = pixels.unflatten(-1, (self.num_channels, self.side, self.side))
        # Channels last in memory take a fifth less time on a CPU. Gradients would have these strides too, which
        # DistributedDataParallel warns of. One channel needs a copy for it.
        is_trained = torch.is_grad_enabled() and any(each.requires_grad for each in self.convolutions.parameters())
        if not is_trained:
            pixels = pixels.movedim(1, -1).clone(memory_format=torch.contiguous_format).movedim(-1, 1)
        for convolution in self.convolutions:
            pixels = self.activation_fn(convolution(pixels))
        return self.dense(pixels.flatten(1))

    def reset_convolutions(self) -> None:
        """Initialise the kernels so that the size of the activations stays the same (He et al. 2015)."""
        for convolution in self.convolutions:
            nn.init.kaiming_normal_(cast(Tensor, convolution.weight), nonlinearity="relu")


class SingleConvPatchEmbedding(nn.Module):
    """One convolution within a patch, then a linear layer: W · conv(patch).

    The stride is half a patch. So with a margin, the windows of neighbouring patches overlap by whole strides, and the
    two layers act as two convolutions of the image, of strides p/2 and p. For small images and narrow networks.

    Args:
        num_channels: of the image.
        side: of the patch with its margin, pixels.
        stride: of the convolution, pixels.
        hidden_size: width of a token; the convolution has a quarter of it, and at least 8 channels.
        hidden_act: activation after the convolution.
    """

    def __init__(self, num_channels: int, side: int, stride: int, hidden_size: int, hidden_act: str) -> None:
        super().__init__()
        self.num_channels, self.side = num_channels, side
        channels, kernel = max(8, hidden_size // 4), min(SINGLE_KERNEL, side)
        self.convolution = nn.Conv2d(num_channels, channels, kernel, stride)
        self.activation_fn = ACT2FN[hidden_act]
        self.dense = nn.Linear(channels * ((side - kernel) // stride + 1) ** 2, hidden_size)

    def forward(self, patches: Tensor) -> Tensor:
        """Embed patches (…, channel · w · w) as (…, hidden)."""
        pixels = patches.flatten(0, -2).unflatten(-1, (self.num_channels, self.side, self.side))
        return self.dense(self.activation_fn(self.convolution(pixels)).flatten(1)).unflatten(0, patches.shape[:-1])

    def reset_convolutions(self) -> None:
        """Initialise the kernels as `ConvPatchEmbedding` does, and let the linear layer keep the size of its input."""
        nn.init.kaiming_normal_(cast(Tensor, self.convolution.weight), nonlinearity="relu")
        nn.init.normal_(cast(Tensor, self.dense.weight), std=self.dense.in_features**-0.5)


def patch_embedding(config: GSANetConfig) -> nn.Module:
    """Return the module that embeds a patch with its margin at full width."""
    side, width = config.patch_size + 2 * config.patch_margin, config.hidden_size
    pixels = config.num_channels * side * side
    if config.patch_embedding == "conv":
        return ConvPatchEmbedding(config.num_channels, side, width, config.hidden_act)
    if config.patch_embedding == "single_conv":
        stride = max(1, config.patch_size // 2)
        return SingleConvPatchEmbedding(config.num_channels, side, stride, width, config.hidden_act)
    if config.patch_embedding == "mlp":
        return nn.Sequential(nn.Linear(pixels, 2 * width), ACT2FN[config.hidden_act], nn.Linear(2 * width, width))
    return nn.Linear(pixels, width)


class GSANetEmbeddings(nn.Module):
    """Class tokens, and the embedded patches as seen from each pose: e(i,h) = φ(h⁻¹·patch_i) [+ position(i,h)].

    φ is linear in a narrow pose stage, and `patch_embedding` otherwise. position(i,h) is e(h⁻¹(x(i) − centre)), a sum
    of cosines and sines ("centred") or a learned row of a table ("table").

    Args:
        config: of the encoder.
        group: H.
    """

    def __init__(self, config: GSANetConfig, group: PointGroup) -> None:
        super().__init__()
        self.group = group
        self.patch_size = config.patch_size
        width = config.pose_width
        if config.pose_hidden_size is None:
            self.margin = config.patch_margin
            self.projection = patch_embedding(config)
        else:
            self.margin = 0
            self.projection = nn.Linear(config.num_channels * config.patch_size**2, width)
        self.position = None
        if config.absolute_position == "centred":
            self.position = CentredEncoding(group, width, config.num_frequencies)
        elif config.image_size is not None and config.absolute_position == "table":
            self.position = TableEncoding(group, width, config.image_size // config.patch_size)
        self.class_tokens = None
        if config.num_class_tokens:
            self.class_tokens = nn.Parameter(torch.empty(config.num_class_tokens, width))

    def forward(self, patches: Tensor, positions: Tensor, spatial_shapes: Tensor) -> Tensor:
        """Embed patches.

        Args:
            patches: (batch, position, channel · p · p).
            positions: (batch, position, 2), in patches, origin at the image's centre.
            spatial_shapes: (batch, 2) long, rows and columns of patches.

        Returns: (batch, pose, class token + position, hidden).
        """
        windows = with_margin(patches, spatial_shapes, self.patch_size, self.margin)
        seen = see_from_poses(windows, self.group, self.patch_size + 2 * self.margin)
        features = per_line(self.projection, seen)
        if isinstance(self.position, TableEncoding):
            features = features + self.position(positions, spatial_shapes)
        elif self.position is not None:
            features = features + self.position(positions)
        if self.class_tokens is None:
            return features
        tokens = self.class_tokens.to(features.dtype).expand(*features.shape[:2], -1, -1)
        return torch.cat((tokens, features), dim=2)


class ChosenPoseEmbeddings(nn.Module):
    """A second embedding of the chosen pose's patches at full width, plus the features of the narrow stage.

    e(i) = φ(h⁻¹·patch_i) + W f(i,h) [+ position(h⁻¹(x(i) − centre))],  h the chosen pose

    Args:
        config: of the encoder, with a narrow pose stage.
        group: H.

    Source: ours. f is a field on the group and h⁻¹·patch is the patch seen from pose h, so this commutes with the
        choice of the pose.
    """

    def __init__(self, config: GSANetConfig, group: PointGroup) -> None:
        super().__init__()
        self.group = group
        self.patch_size, self.margin = config.patch_size, config.patch_margin
        self.projection = patch_embedding(config)
        self.features = nn.Linear(config.pose_width, config.hidden_size)
        self.position = None
        if config.absolute_position == "centred":
            # an orbit of H has several directions; for a single pose each of them must be a frequency of its own
            frequencies = config.num_frequencies * len(orbit(group).representatives)
            self.position = CentredEncoding(PointGroup.from_name("C1"), config.hidden_size, frequencies)

    def windows(self, patches: Tensor, spatial_shapes: Tensor) -> Tensor:
        """Return patches (batch, position, channel · p · p) with their margin, not yet rotated."""
        return with_margin(patches, spatial_shapes, self.patch_size, self.margin)

    def forward(self, windows: Tensor, pose: Tensor, features: Tensor, positions: Tensor) -> Tensor:
        """Embed patches of the chosen pose.

        Args:
            windows: (batch, position, channel · w · w), patches with their margin, not yet rotated.
            pose: (batch,) long, the chosen elements.
            features: (batch, position, hidden of the pose stage), of this pose.
            positions: (batch, position, 2), as seen from this pose.

        Returns: (batch, position, hidden).
        """
        seen = see_from_pose(windows, pose, self.group, self.patch_size + 2 * self.margin)
        tokens = self.projection(seen) + self.features(features)
        return tokens if self.position is None else tokens + self.position(positions)[:, 0]
