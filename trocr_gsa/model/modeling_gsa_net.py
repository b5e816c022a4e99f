"""GSA-Net: a vision transformer that is equivariant under a group of rotations and mirrors.

What differs from transformers' ViT:
- every patch is embedded once per pose, rotated back by the pose, and attention lifts these to a field on the group;
- the first K layers attend across poses; a pose head then predicts the orientation of the page;
- the other L−K layers see only the tokens of the most likely pose, for exact groups in reading order. The choice of the
  pose commutes with the group, so the output is invariant at a fraction of the cost;
- the layers before the choice may be narrower than those after it (`pose_hidden_size`); the patches of the chosen pose
  are then embedded a second time.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging

from .attention import (
    EVERY_POSE,
    ExtendedSelfAttention,
    GatedGroupSelfAttention,
    GroupSelfAttention,
    HeadGate,
    LiftingSelfAttention,
    kept_probabilities,
)
from .attention_kernels import check_implementation
from .checks import check_pose_labels
from .configuration_gsa_net import GSANetConfig
from .embeddings import ChosenPoseEmbeddings, ConvPatchEmbedding, GSANetEmbeddings, SingleConvPatchEmbedding
from .encoding import RelativeEncoding, TableEncoding, initial_frequencies, seen_from_poses
from .groups import PointGroup
from .layers import GSANetLayer, GSANetPoseHead
from .patches import as_patches, patch_positions, raster_order

logger: Any = logging.get_logger(__name__)


@dataclass
class GSANetModelOutput(BaseModelOutput):
    """The encoder's output: a BaseModelOutput, as VisionEncoderDecoderModel expects, with more fields.

    Attributes:
        last_hidden_state: (batch, token, hidden): positions of the chosen pose, or with K = L all (pose, position).
        attention_mask: (batch, token) float, added to the decoder's attention logits: log p(pose) if all poses are
            present, and the dtype's minimum at padding.
        pose_logits: (batch, pose), log p(h), prior included.
        pose: (batch,) long, the most likely element, or the labelled one.
        pose_hidden_state: (batch, position, hidden), tokens of this pose; in reading order if the group is exact,
            otherwise in the order of the image's patches.
        pose_positions: (batch, position, 2), their positions as seen from this pose.
        pose_mask: (batch, position) bool, False at padding.
    """

    attention_mask: Tensor | None = None
    pose_logits: Tensor | None = None
    pose: Tensor | None = None
    pose_hidden_state: Tensor | None = None
    pose_positions: Tensor | None = None
    pose_mask: Tensor | None = None


class GSANetPreTrainedModel(PreTrainedModel):
    """Base class of the GSA-Net models: initial weights, and the features of transformers that they support."""

    config_class = GSANetConfig
    base_model_prefix = "gsa_net"
    main_input_name = "pixel_values"
    input_modalities = "image"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # the loss is the mean over the batch; it ignores Trainer's `num_items_in_batch`
    _no_split_modules: ClassVar[list[str]] = ["GSANetLayer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def get_correct_attn_implementation(self, requested_attention: str | None, is_init_check: bool = False) -> str:
        """Return the requested implementation of attention after checking it, as transformers does.

        Raises:
            ValueError: if the name is unknown, or the implementation takes no mask and `neighbourhood` needs one.
            ImportError: if it is not installed.
        """
        if requested_attention is not None:
            check_implementation(requested_attention, self.config.neighbourhood)
        return super().get_correct_attn_implementation(requested_attention, is_init_check)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, RelativeEncoding):
            init.copy_(module.frequencies, initial_frequencies(module.group, module.frequencies.shape[0]))
            for basis in (module.cosine, module.sine, module.pose):
                if basis is not None:
                    init.normal_(basis, std=0.2)
        elif isinstance(module, TableEncoding):
            init.normal_(module.weight, std=self.config.initializer_range)
        elif isinstance(module, GSANetEmbeddings) and module.class_tokens is not None:
            init.normal_(module.class_tokens, std=self.config.initializer_range)
        elif isinstance(module, HeadGate):
            init.zeros_(module.weight)
        elif isinstance(module, ConvPatchEmbedding | SingleConvPatchEmbedding):
            module.reset_convolutions()


class GSANetModel(GSANetPreTrainedModel):
    """Encoder: lifting, K group layers, choice of the pose, L−K layers on this pose.

    f ← lift(e);  f ← layer_k(f), k ≤ K;  log p(h) = log_softmax_h (score(f(·,h)) + prior(h));
    K < L: f ← f(·, argmax p), in reading order, [embedded again with its patches,] through the other layers.

    A group that is not exact leaves the tokens in the order of the image's patches; attention does not depend on it.

    Args:
        config: its configuration.

    Source: Schreiber 2023, §4–6; Romero & Cordonnier 2020, §5. Choosing a pose between the layers is ours, after
        learned canonicalisation (Kaba et al. 2022).
    """

    def __init__(self, config: GSANetConfig) -> None:
        super().__init__(config)
        self.group = group = PointGroup.from_name(config.group)
        around = (config.neighbourhood, config.neighbourhood_shape)
        size, heads, frequencies = config.pose_width, config.pose_heads, config.num_frequencies
        upright = PointGroup.from_name("C1")
        # an orbit of H has several directions; for a single pose each of them must be a frequency of its own
        upright_frequencies = self.orbit_size * frequencies
        across_poses = GatedGroupSelfAttention if config.cross_pose_gate else GroupSelfAttention
        self.embeddings = GSANetEmbeddings(config, group)
        self.lifting = GSANetLayer(config, LiftingSelfAttention(group, size, heads, frequencies, *around))
        self.pose_layers = nn.ModuleList(
            GSANetLayer(config, across_poses(group, size, heads, config.pose_sum, frequencies, *around))
            for _ in range(config.pose_layers)
        )
        self.pose_head = GSANetPoseHead(config)
        self.chosen_embeddings = None if config.pose_hidden_size is None else ChosenPoseEmbeddings(config, group)
        size, heads = config.hidden_size, config.num_attention_heads
        self.layers = nn.ModuleList(
            GSANetLayer(config, LiftingSelfAttention(upright, size, heads, upright_frequencies, *around))
            for _ in range(config.num_hidden_layers - config.pose_layers)
        )
        self.layernorm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self._follow_attn_implementation()
        self.post_init()

    @property
    def before_pose(self) -> list[nn.Module]:
        """The pose stage: the modules that work on all poses and predict the most likely one."""
        return [self.embeddings, self.lifting, self.pose_layers, self.pose_head]

    @property
    def orbit_size(self) -> int:
        """Number of frequencies in one orbit of the group, with ±ω counted once."""
        minus_one = self.group.num_rotations % 2 == 0
        return self.group.order // 2 if minus_one else self.group.order

    def get_input_embeddings(self) -> nn.Module:
        """Return the patch projection."""
        return self.embeddings.projection

    def forward(
        self,
        pixel_values: Tensor,
        pixel_attention_mask: Tensor | None = None,
        spatial_shapes: Tensor | None = None,
        pose_labels: Tensor | None = None,
        pose_bias: Tensor | None = None,
        only_pose: int | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> Any:
        """Encode lines.

        Args:
            pixel_values: (batch, channel, height, width), or a set of patches (batch, patch, channel · p · p).
            pixel_attention_mask: (batch, patch), 0 or False where a patch is padding.
            spatial_shapes: (batch, 2) long, rows and columns of patches; None: as stored in the set of patches.
            pose_labels: (batch,) long, the element by which each image is rotated from upright; None: the most likely.
            pose_bias: (pose,) or (batch, pose), log of a prior over poses, added to their scores.
            only_pose: the element by which every image is rotated, if it is known. It acts as a prior that allows no
                other pose, and the pose head is not computed.
            output_hidden_states: also return the input of every layer and the output of the last one: features
                (batch, pose, token, hidden) before the choice of the pose, (batch, token, hidden) after it.
            output_attentions: also return the attention probabilities of every layer: (batch, pose, head, token, token)
                within each pose, (batch, head, pose · token, pose · token) across poses, (batch, head, token, token)
                after the choice of the pose or if there is only one. Only "eager" attention computes them; without it
                a warning is logged.
            return_dict: False returns a tuple, without the fields that are None.

        Returns: a GSANetModelOutput, or a tuple.

        Raises:
            ValueError: if `pixel_values` has another shape, its `spatial_shapes` are unknown or contradict it, or
                `pose_labels` or `only_pose` are not elements of the group. The values of tensors are checked only on
                the CPU.
        """
        keeps_attentions = is_requested(output_attentions, self.config.output_attentions)
        if keeps_attentions and self.config._attn_implementation != "eager":  # as a ViT does
            logger.warning_once(
                f'`output_attentions` needs "eager" attention, got "{self.config._attn_implementation}", which has no '
                'probabilities. Call `model.set_attn_implementation("eager")` to have them.'
            )
            keeps_attentions = False
        hidden_states = [] if is_requested(output_hidden_states, self.config.output_hidden_states) else None
        with kept_probabilities() if keeps_attentions else nullcontext() as kept:
            encoded = self._encode(
                *self._as_patches(pixel_values, pixel_attention_mask, spatial_shapes),
                # a plain image has no padding: attention without a mask, as in a ViT
                pixel_values.dim() != 4 or pixel_attention_mask is not None,
                pose_labels,
                pose_bias,
                only_pose,
                hidden_states,
            )
        output = GSANetModelOutput(
            hidden_states=None if hidden_states is None else tuple(hidden_states),
            attentions=tuple(kept) if kept else None,
            **encoded,
        )
        return output if is_requested(return_dict, self.config.return_dict) else output.to_tuple()

    def _encode(
        self,
        patches: Tensor,
        patch_mask: Tensor,
        shapes: Tensor,
        is_padded: bool,
        pose_labels: Tensor | None,
        pose_bias: Tensor | None,
        only_pose: int | None,
        hidden_states: list[Tensor] | None,
    ) -> dict[str, Tensor]:
        """Encode patches, and return the fields of a GSANetModelOutput."""
        if pose_labels is not None:
            check_pose_labels(pose_labels, len(patches), self.group)
        if only_pose is not None and not 0 <= only_pose < self.group.order:
            raise ValueError(f"`only_pose` must be an element in 0 … {self.group.order - 1}, got {only_pose}.")
        wanted = EVERY_POSE
        if only_pose is not None and pose_labels is None and len(self.layers):  # with K = L all poses are output
            wanted = slice(only_pose, only_pose + 1)
        features, positions, mask = self._see(patches, patch_mask, shapes, is_padded, wanted, hidden_states)
        pose_logits = self._pose_logits(features, mask, pose_bias, only_pose)
        pose = pose_logits.argmax(-1) if pose_labels is None else pose_labels
        chosen, chosen_positions, chosen_mask = self._choose_pose(features, positions, mask, pose, patches, shapes)
        for layer in self.layers:
            _append(hidden_states, chosen)
            chosen = layer(chosen[:, None], chosen_positions, chosen_mask if is_padded else None)[:, 0]
        _append(hidden_states, chosen if len(self.layers) else features)
        chosen = self.layernorm(chosen)
        if len(self.layers):
            tokens, bias, token_mask = chosen, torch.zeros_like(chosen_positions[..., 0]), chosen_mask
        else:
            tokens = self.layernorm(features).flatten(1, 2)
            bias = pose_logits[:, :, None].expand(-1, -1, mask.shape[1]).flatten(1)
            token_mask = mask[:, None].expand(-1, self.group.order, -1).flatten(1)
        floor = torch.finfo(tokens.dtype).min
        return {
            "last_hidden_state": tokens,
            "attention_mask": bias.to(tokens.dtype).clamp_min(floor).masked_fill(~token_mask, floor),
            "pose_logits": pose_logits,
            "pose": pose,
            "pose_hidden_state": chosen[:, self.config.num_class_tokens :],
            "pose_positions": chosen_positions[:, self.config.num_class_tokens :],
            "pose_mask": chosen_mask[:, self.config.num_class_tokens :],
        }

    def see(
        self,
        pixel_values: Tensor,
        pixel_attention_mask: Tensor | None = None,
        spatial_shapes: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the features after the lifting layer and the K group layers, before a pose is chosen.

        Args: as in `forward`.

        Returns: features (batch, pose, token, hidden of the pose stage), class tokens first; positions
            (batch, token, 2); the mask (batch, token), False at padding.
        """
        patches, mask, shapes = self._as_patches(pixel_values, pixel_attention_mask, spatial_shapes)
        return self._see(patches, mask, shapes, pixel_values.dim() != 4 or pixel_attention_mask is not None)

    def _see(
        self,
        patches: Tensor,
        mask: Tensor,
        shapes: Tensor,
        is_padded: bool,
        poses: slice = EVERY_POSE,
        hidden_states: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run the pose stage on patches; the last layer computes the features of `poses` only.

        The input of each layer is appended to `hidden_states`, unless it is None.
        """
        self._follow_attn_implementation()
        positions = patch_positions(shapes, patches.shape[1])
        features = self.embeddings(patches, positions, shapes)
        # class tokens have no position, and are never padding
        class_tokens = (0, 0, self.config.num_class_tokens, 0)
        positions, mask = F.pad(positions, class_tokens), F.pad(mask, class_tokens[2:], value=True)
        padding = mask if is_padded else None
        *others, last = self.lifting, *self.pose_layers
        _append(hidden_states, features)
        for layer in others:
            features = layer(features, positions, padding)
            _append(hidden_states, features)
        return last(features, positions, padding, poses), positions, mask

    def set_bases_per_line(self, per_line: bool) -> None:
        """Project the relative encodings separately for every line, or once for the batch.

        Both give the same result unless the weights differ between lines. PEFT's batches with several adapters are
        detected; set this if the weights differ between lines for another reason.
        """
        for module in self.modules():
            if isinstance(module, ExtendedSelfAttention):
                module.bases_per_line = per_line

    def _follow_attn_implementation(self) -> None:
        """Pass the config's setting to every attention; `set_attn_implementation` changes only the config."""
        for module in self.modules():
            if isinstance(module, ExtendedSelfAttention):
                module.attn_implementation = self.config._attn_implementation or "sdpa"

    def _as_patches(
        self, pixel_values: Tensor, mask: Tensor | None, shapes: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        patches, mask, shapes = as_patches(pixel_values, mask, shapes, self.config.num_channels, self.config.patch_size)
        return patches.to(self.dtype), mask, shapes

    def _pose_logits(self, features: Tensor, mask: Tensor, pose_bias: Tensor | None, only_pose: int | None) -> Tensor:
        if only_pose is not None:
            certain = torch.arange(self.group.order, device=features.device) == only_pose
            certain = certain.to(torch.promote_types(features.dtype, torch.float32))
            return certain.log().expand(features.shape[0], -1)
        scores = self.pose_head(features, mask)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        return (scores if pose_bias is None else scores + pose_bias.to(scores)).log_softmax(-1)

    def _choose_pose(
        self, features: Tensor, positions: Tensor, mask: Tensor, pose: Tensor, patches: Tensor, shapes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the tokens of one pose.

        For exact groups they come in its reading order, so that even rounding does not depend on the rotation.
        """
        rows = torch.arange(pose.shape[0], device=pose.device)
        positions = seen_from_poses(positions, self.group)[rows, pose]
        features = features[rows, pose] if features.shape[1] == self.group.order else features[:, 0]
        windows = None if self.chosen_embeddings is None else self.chosen_embeddings.windows(patches, shapes)
        if self.group.is_exact:
            first = self.config.num_class_tokens
            order = raster_order(positions[:, first:], mask[:, first:]) + first
            order = torch.cat((torch.arange(first, device=order.device).expand(order.shape[0], -1), order), dim=1)
            features, positions = features[rows[:, None], order], positions[rows[:, None], order]
            mask = mask.gather(1, order)
            windows = None if windows is None else windows[rows[:, None], order]  # without class tokens
        if self.chosen_embeddings is not None:
            features = self.chosen_embeddings(windows, pose, features, positions)
        return features, positions, mask


def is_requested(argument: bool | None, configured: bool | None) -> bool:
    """Whether an output is requested: by the argument, or by the configuration if the argument is None."""
    return bool(configured if argument is None else argument)


def _append(hidden_states: list[Tensor] | None, features: Tensor) -> None:
    if hidden_states is not None:
        hidden_states.append(features)
