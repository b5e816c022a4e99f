"""GSA-Net: a vision transformer whose tokens turn with the page.

What is unusual, for a reader of transformers' ViT:
- every patch is embedded once per pose, un-rotated by it, and attention lifts these to a field on the group;
- the first K layers attend across poses; a pose head then says which way up the page is;
- the other L−K layers see only the tokens of the likeliest pose, put back into reading order: choosing commutes with
  the group, so the output is invariant at a fraction of the cost;
- the layers before the choice may be narrower than those behind it (`pose_hidden_size`): the chosen pose's patches are
  then embedded a second time.
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

from .attention import GroupSelfAttention, LiftingSelfAttention
from .configuration_gsa_net import GSANetConfig
from .embeddings import ChosenPoseEmbeddings, ConvPatchEmbedding, GSANetEmbeddings
from .encoding import RelativeEncoding, TableEncoding, initial_frequencies, seen_from_poses
from .extended_attention import EVERY_POSE, ExtendedSelfAttention, check_implementation, kept_probabilities
from .gated_attention import GatedGroupSelfAttention, HeadGate
from .groups import PointGroup
from .layers import GSANetLayer, GSANetPoseHead
from .patches import as_patches, patch_positions, raster_order


@dataclass
class GSANetModelOutput(BaseModelOutput):
    """What the encoder hands to a decoder: a BaseModelOutput, as VisionEncoderDecoderModel expects, and more.

    Attributes:
        last_hidden_state: (batch, token, hidden): the chosen pose's positions, or with K = L every (pose, position).
        attention_mask: (batch, token) float, to be added to attention logits: log p(pose) if all poses are there, and
            the type's minimum where a token is padding.
        pose_logits: (batch, pose), log p(h), prior included.
        pose: (batch,) long, the likeliest element, or the labelled one.
        pose_hidden_state: (batch, position, hidden), tokens of that pose in reading order.
        pose_positions: (batch, position, 2), where these lie as seen from it.
        pose_mask: (batch, position) bool, False at padding.
    """

    attention_mask: Tensor | None = None
    pose_logits: Tensor | None = None
    pose: Tensor | None = None
    pose_hidden_state: Tensor | None = None
    pose_positions: Tensor | None = None
    pose_mask: Tensor | None = None


class GSANetPreTrainedModel(PreTrainedModel):
    """What every GSA-Net model shares: how weights start, what transformers may do with it."""

    config_class = GSANetConfig
    base_model_prefix = "gsa_net"
    main_input_name = "pixel_values"
    input_modalities = "image"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # a loss is the mean over its batch, whatever Trainer's `num_items_in_batch` says
    _no_split_modules: ClassVar[list[str]] = ["GSANetLayer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def get_correct_attn_implementation(self, requested_attention: str | None, is_init_check: bool = False) -> str:
        """Return the way to compute attention that is wanted, or refuse it, as transformers does.

        Raises:
            ValueError: if there is none of that name, or it takes no mask where `neighbourhood` needs one.
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
        elif isinstance(module, ConvPatchEmbedding):
            module.reset_convolutions()


class GSANetModel(GSANetPreTrainedModel):
    """Encoder: lift, K group layers, pose, L−K layers on that pose.

    f ← lift(e);  f ← layer_k(f), k ≤ K;  log p(h) = log_softmax_h (score(f(·,h)) + prior(h));
    K < L: f ← f(·, argmax p), in reading order, [embedded again with its patches,] through the other layers.

    Args:
        config: what it is built from.

    Source: Schreiber 2023, §4–6; Romero & Cordonnier 2020, §5; choosing a pose in between is ours, after learned
        canonicalisation (Kaba et al. 2022).
    """

    def __init__(self, config: GSANetConfig) -> None:
        super().__init__(config)
        self.group = group = PointGroup.from_name(config.group)
        around = (config.neighbourhood, config.neighbourhood_shape)
        size, heads, frequencies = config.pose_width, config.pose_heads, config.num_frequencies
        upright = PointGroup.from_name("C1")
        # a group's orbit holds several directions: alone, a pose needs as many frequencies of its own
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
        self.post_init()

    @property
    def before_pose(self) -> list[nn.Module]:
        """The parts that work on every pose and tell which is the likeliest."""
        return [self.embeddings, self.lifting, self.pose_layers, self.pose_head]

    @property
    def orbit_size(self) -> int:
        """Frequencies in one orbit of the group, ±ω counted once."""
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
            pixel_values: (batch, channel, height, width), or as a set of patches (batch, patch, channel · p · p).
            pixel_attention_mask: (batch, patch), 0 or False where a patch is padding.
            spatial_shapes: (batch, 2) long, rows and columns of patches; None: as the set of patches itself says.
            pose_labels: (batch,) long, the element by which each image is turned from upright; None: the likeliest.
            pose_bias: (pose,) or (batch, pose), log of a prior over poses, added to their scores.
            only_pose: the element by which every image is known to be turned: as a prior that leaves no other, and
                without the work that would tell them apart.
            output_hidden_states: also return what goes into every layer, and what the last one makes of it: features
                (batch, pose, token, hidden) up to the choice of the pose, (batch, token, hidden) behind it.
            output_attentions: also return the probabilities of every layer, which "eager" attention alone computes:
                (batch, pose, head, token, token) within each pose, (batch, head, pose · token, pose · token) across
                poses, (batch, head, token, token) behind the choice of the pose.
            return_dict: False returns a tuple, without what is None.

        Returns: a GSANetModelOutput, or a tuple.

        Raises:
            ValueError: if `pixel_values` is neither, nothing says its `spatial_shapes`, or `output_attentions` is true
                and attention is not "eager".
        """
        keeps_attentions = asked(output_attentions, self.config.output_attentions)
        if keeps_attentions and self.config._attn_implementation != "eager":
            raise ValueError(
                f'`output_attentions` needs "eager" attention, got "{self.config._attn_implementation}", which has no '
                'probabilities. Call `model.set_attn_implementation("eager")` first.'
            )
        hidden_states = [] if asked(output_hidden_states, self.config.output_hidden_states) else None
        with kept_probabilities() if keeps_attentions else nullcontext() as kept:
            encoded = self._encode(
                self._as_patches(pixel_values, pixel_attention_mask, spatial_shapes),
                # an image is all patches: attention without a mask is a ViT's
                pixel_values.dim() != 4 or pixel_attention_mask is not None,
                pose_labels,
                pose_bias,
                only_pose,
                hidden_states,
            )
        behind = 1 + self.config.pose_layers  # where layers see one pose
        output = GSANetModelOutput(
            hidden_states=None if hidden_states is None else tuple(hidden_states),
            attentions=None if not kept else (*kept[:behind], *(weights[:, 0] for weights in kept[behind:])),
            **encoded,
        )
        return output if asked(return_dict, self.config.return_dict) else output.to_tuple()

    def _encode(
        self,
        seen: tuple[Tensor, Tensor, Tensor],
        is_padded: bool,
        pose_labels: Tensor | None,
        pose_bias: Tensor | None,
        only_pose: int | None,
        hidden_states: list[Tensor] | None,
    ) -> dict[str, Tensor]:
        """Return the fields of a GSANetModelOutput; what is seen are patches, their mask and shapes."""
        wanted = EVERY_POSE
        if only_pose is not None and pose_labels is None and len(self.layers):  # K = L hands on every pose
            wanted = slice(only_pose, only_pose + 1)
        patches, patch_mask, shapes = seen
        features, positions, mask = self._see(patches, patch_mask, shapes, is_padded, wanted, hidden_states)
        pose_logits = self._pose_logits(features, mask, pose_bias, only_pose)
        pose = pose_logits.argmax(-1) if pose_labels is None else pose_labels
        chosen, chosen_positions, chosen_mask = self._choose_pose(features, positions, mask, pose, patches, shapes)
        for layer in self.layers:
            _keep(hidden_states, chosen)
            chosen = layer(chosen[:, None], chosen_positions, chosen_mask if is_padded else None)[:, 0]
        _keep(hidden_states, chosen if len(self.layers) else features)
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
        """Return what the lifting layer and the K layers behind it make of lines, before a pose is chosen.

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
        """Run the pose stage on patches; of its last layer, the `poses` are those whose features are wanted.

        What goes into each layer is added to `hidden_states`, if they are to be kept.
        """
        self._follow_attn_implementation()
        positions = patch_positions(shapes, patches.shape[1])
        features = self.embeddings(patches, positions, shapes)
        nowhere = (0, 0, self.config.num_class_tokens, 0)  # class tokens have no position, and are never padding
        positions, mask = F.pad(positions, nowhere), F.pad(mask, nowhere[2:], value=True)
        padding = mask if is_padded else None
        *others, last = self.lifting, *self.pose_layers
        _keep(hidden_states, features)
        for layer in others:
            features = layer(features, positions, padding)
            _keep(hidden_states, features)
        return last(features, positions, padding, poses), positions, mask

    def set_bases_per_line(self, per_line: bool) -> None:
        """Project relative encodings for every line on its own, or once for all: the same, if weights are the same.

        In PEFT's batches of several adapters that is done anyway; whoever changes weights line by line in another way
        has to ask for it.
        """
        for module in self.modules():
            if isinstance(module, ExtendedSelfAttention):
                module.bases_per_line = per_line

    def _follow_attn_implementation(self) -> None:
        """Compute as the config says, which is all that `set_attn_implementation` changes."""
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
        """Take one pose's tokens, seen from it, in reading order: even rounding then forgets how the page lay."""
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
            windows = None if windows is None else windows[rows[:, None], order]  # no class tokens here
        if self.chosen_embeddings is not None:
            features = self.chosen_embeddings(windows, pose, features, positions)
        return features, positions, mask


def asked(argument: bool | None, configured: bool | None) -> bool:
    """Whether an output is wanted: as the call says, else as the configuration does."""
    return bool(configured if argument is None else argument)


def _keep(hidden_states: list[Tensor] | None, features: Tensor) -> None:
    if hidden_states is not None:
        hidden_states.append(features)
