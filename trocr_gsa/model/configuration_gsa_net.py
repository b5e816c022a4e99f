"""Configuration of the GSA-Net encoder."""

from typing import ClassVar

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig
from transformers.activations import ACT2FN

from .attention import POSE_SUMS
from .groups import PointGroup
from .misspelt import refuse_misspelt

COUNTS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "patch_size",
    "num_channels",
)
PATCH_EMBEDDINGS = ("linear", "mlp", "conv", "single_conv")
CHOICES = {
    "hidden_act": tuple(ACT2FN),
    "pose_sum": POSE_SUMS,
    "absolute_position": ("centred", "table", "none"),
    "patch_embedding": PATCH_EMBEDDINGS,
}


@strict
class GSANetConfig(PreTrainedConfig):
    """Configuration of a GSA-Net. Fields that mean the same in transformers' ViTConfig have the same name.

    Args:
        hidden_size: width of a token.
        num_hidden_layers: L, layers after the lifting layer.
        pose_layers: K ≤ L, the number of layers that attend across poses. The others run on the most likely pose alone.
            K = L is the original GSA-Net; each of the K layers costs |H| times as much as one of the others.
        num_attention_heads: number of heads; divides `hidden_size`.
        pose_hidden_size: width of the pose stage (the lifting layer, the K layers across poses and the pose head). The
            patches of the chosen pose are then embedded a second time at `hidden_size`. None: one width everywhere,
            without a second embedding.
        pose_num_attention_heads: heads of the pose stage; divides its width. None: `num_attention_heads`.
        intermediate_size: width of the MLP.
        hidden_act: its activation.
        patch_size: side of a patch, pixels.
        patch_margin: pixels of the neighbouring patches that a patch's embedding sees on every side; 0: none. With a
            narrow pose stage, `patch_margin` and `patch_embedding` apply to the second embedding only.
        patch_embedding: how pixels become a token: "linear" (as in a ViT), "mlp" (two layers), "conv" (three
            convolutions within the patch, then a linear layer) or "single_conv" (one, with more channels).
        num_channels: 1 for grey images, 3 for colour.
        group: C1 C2 C4 D1 D2 D4 (exact), any other Cn or Dn up to n = 360 (approximate between quarter turns).
        pose_sum: "none", "query" or "encoding", see `GroupSelfAttention`.
        num_frequencies: number of orbits of the group among the frequencies of the encodings; 0: no relative position.
        absolute_position: "centred" (a term that rotates with the page), "table" (the same, with one learned vector per
            patch, as in a ViT), or "none" (translation equivariant).
        image_size: side in pixels of the square image that "table" covers; for other images the table is interpolated.
        num_class_tokens: class tokens of each pose, without patch and position: 1 as in a ViT, or 2 as in a DeiT.
        cross_pose_gate: attend within each pose, and across poses only through a gate that is initialised to 0; see
            `GatedGroupSelfAttention`.
        neighbourhood: radius of attention in patches; None: the whole page.
        neighbourhood_shape: "disc" or "square".
        hidden_dropout_prob: dropout after attention and MLP.
        layer_norm_eps: of every layer norm.
        initializer_range: standard deviation of the initial weights.
    """

    model_type = "gsa-net"
    attribute_map: ClassVar[dict[str, str]] = {"layer_norm_epsilon": "layer_norm_eps"}  # another name in transformers

    hidden_size: int = 192
    num_hidden_layers: int = 6
    pose_layers: int = 1
    num_attention_heads: int = 6
    pose_hidden_size: int | None = None
    pose_num_attention_heads: int | None = None
    intermediate_size: int = 768
    hidden_act: str = "gelu"
    patch_size: int = 16
    patch_margin: int = 0
    patch_embedding: str = "linear"
    num_channels: int = 1
    group: str = "C4"
    pose_sum: str = "none"
    num_frequencies: int = 6
    absolute_position: str = "centred"
    image_size: int | None = None
    num_class_tokens: int = 0
    cross_pose_gate: bool = False
    neighbourhood: float | int | None = None
    neighbourhood_shape: str = "disc"
    hidden_dropout_prob: float | int = 0.0
    layer_norm_eps: float | int = 1e-6
    initializer_range: float | int = 0.04

    def __post_init__(self, **kwargs):
        """Check the fields.

        Raises:
            ValueError: if a field is out of range, contradicts another one or is misspelt; the field is named.
        """
        refuse_misspelt(kwargs, GSANetConfig.__annotations__, GSANetConfig)
        PointGroup.from_name(self.group)
        for field in COUNTS:
            if getattr(self, field) < 1:
                raise ValueError(f"`{field}` must be at least 1, got {getattr(self, field)}.")
        for field, choices in CHOICES.items():
            if getattr(self, field) not in choices:
                raise ValueError(f"`{field}` must be one of {', '.join(choices)}, got {getattr(self, field)!r}.")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"`hidden_size` must be a multiple of `num_attention_heads` = {self.num_attention_heads}, "
                f"got {self.hidden_size}."
            )
        self._check_pose_stage()
        if not 0 <= self.patch_margin <= self.patch_size:
            raise ValueError(
                f"`patch_margin` must lie between 0 and `patch_size` = {self.patch_size}, got {self.patch_margin}."
            )
        if not 0 <= self.hidden_dropout_prob < 1:
            raise ValueError(f"`hidden_dropout_prob` must lie in [0, 1), got {self.hidden_dropout_prob}.")
        self._check_positions()
        super().__post_init__(**kwargs)

    @property
    def pose_width(self) -> int:
        """Width of the pose stage."""
        return self.hidden_size if self.pose_hidden_size is None else self.pose_hidden_size

    @property
    def pose_heads(self) -> int:
        """Attention heads of the pose stage."""
        return self.num_attention_heads if self.pose_num_attention_heads is None else self.pose_num_attention_heads

    def _check_pose_stage(self) -> None:
        if not 0 <= self.pose_layers <= self.num_hidden_layers:
            raise ValueError(
                f"`pose_layers` must lie between 0 and `num_hidden_layers` = {self.num_hidden_layers}, "
                f"got {self.pose_layers}."
            )
        for field in ("pose_hidden_size", "pose_num_attention_heads"):
            if (size := getattr(self, field)) is not None and size < 1:
                raise ValueError(f"`{field}` must be at least 1, got {size}.")
        if self.pose_width % self.pose_heads:
            raise ValueError(
                f"`pose_hidden_size` must be a multiple of `pose_num_attention_heads` = {self.pose_heads}, "
                f"got {self.pose_width}."
            )
        if self.pose_hidden_size is None:
            return
        if self.pose_layers == self.num_hidden_layers:
            raise ValueError(
                "`pose_hidden_size` needs layers on the chosen pose: `pose_layers` must be below `num_hidden_layers` = "
                f"{self.num_hidden_layers}, got {self.pose_layers}."
            )
        if self.num_class_tokens or self.absolute_position == "table":
            field = "num_class_tokens" if self.num_class_tokens else "absolute_position"
            raise ValueError(
                f"`pose_hidden_size` embeds the patches of the chosen pose a second time, but `{field}` = "
                f"{getattr(self, field)!r} belongs to a ViT that embeds them once. Leave one of the two out."
            )

    def _check_positions(self) -> None:
        for field in ("num_frequencies", "num_class_tokens"):
            if getattr(self, field) < 0:
                raise ValueError(f"`{field}` must be 0 or more, got {getattr(self, field)}.")
        if self.absolute_position == "centred" and not self.num_frequencies:
            raise ValueError('`num_frequencies` must be at least 1 for `absolute_position` "centred", got 0.')
        if self.num_class_tokens and (self.num_frequencies or self.neighbourhood is not None):
            raise ValueError(
                "`num_class_tokens` must be 0 unless `num_frequencies` is 0 and `neighbourhood` None, got "
                f"{self.num_class_tokens}: a token without a position has no distance from others."
            )
        if self.absolute_position == "table":
            if self.image_size is None or self.image_size < 1 or self.image_size % self.patch_size:
                raise ValueError(
                    f"`image_size` must be a multiple of `patch_size` = {self.patch_size} for `absolute_position` "
                    f'"table", got {self.image_size}.'
                )
            if not PointGroup.from_name(self.group).is_exact:
                raise ValueError(
                    f'`group` must map a square grid onto itself for `absolute_position` "table", got {self.group}. '
                    "Take C1, C2, C4, D1, D2 or D4."
                )
