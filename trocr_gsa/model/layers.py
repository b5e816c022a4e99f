"""The encoder's parts: transformer layers around an equivariant attention, and the pose head.

They apply the same function to the feature of every (position, pose), or average over positions. So they keep the
symmetry.
"""

from torch import Tensor, nn
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer

from .attention import EVERY_POSE, GroupSelfAttention, LiftingSelfAttention, per_line
from .configuration_gsa_net import GSANetConfig


class GSANetMLP(nn.Module):
    """fc2 act(fc1 f), the same for every pose; in a narrow pose stage it is narrower by the same factor."""

    def __init__(self, config: GSANetConfig, hidden_size: int) -> None:
        super().__init__()
        intermediate_size = max(1, config.intermediate_size * hidden_size // config.hidden_size)
        self.fc1 = nn.Linear(hidden_size, intermediate_size)
        self.fc2 = nn.Linear(intermediate_size, hidden_size)
        self.activation_fn = ACT2FN[config.hidden_act]

    def forward(self, features: Tensor) -> Tensor:
        """Map features (batch, …, hidden) one by one."""
        return per_line(self.fc2, self.activation_fn(per_line(self.fc1, features)))


class GSANetLayer(GradientCheckpointingLayer):
    """A pre-norm transformer layer with a given attention: f + attention(norm f), then f + mlp(norm f)."""

    def __init__(self, config: GSANetConfig, attention: LiftingSelfAttention | GroupSelfAttention) -> None:
        super().__init__()
        hidden_size = attention.q_proj.in_features
        self.layernorm_before = nn.LayerNorm(hidden_size, eps=config.layer_norm_eps)
        self.attention = attention
        self.layernorm_after = nn.LayerNorm(hidden_size, eps=config.layer_norm_eps)
        self.mlp = GSANetMLP(config, hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, features: Tensor, positions: Tensor, mask: Tensor | None, poses: slice = EVERY_POSE) -> Tensor:
        """Map features (batch, pose, position, hidden) to new ones, for the poses in the slice `poses` only."""
        only = {} if poses == EVERY_POSE else {"poses": poses}  # a custom attention need not have this argument
        attended = self.attention(self.layernorm_before(features), positions, mask, **only)
        features = features[:, poses] + self.dropout(attended)
        return features + self.dropout(self.mlp(self.layernorm_after(features)))


class GSANetPoseHead(nn.Module):
    """One invariant score per pose: the mean over positions of a small MLP, which is the same for every pose."""

    def __init__(self, config: GSANetConfig) -> None:
        super().__init__()
        self.layernorm = nn.LayerNorm(config.pose_width, eps=config.layer_norm_eps)
        self.dense = nn.Linear(config.pose_width, config.pose_width)
        self.score = nn.Linear(config.pose_width, 1)
        self.activation_fn = ACT2FN[config.hidden_act]

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return scores (batch, pose) of features (batch, pose, position, hidden) with a mask (batch, position).

        They are 0 if all is padding.
        """
        hidden = self.activation_fn(per_line(self.dense, self.layernorm(features)))
        scores = per_line(self.score, hidden).squeeze(-1)
        weight = mask[:, None].to(scores)
        return (scores * weight).sum(-1) / weight.sum(-1).clamp_min(1.0)
