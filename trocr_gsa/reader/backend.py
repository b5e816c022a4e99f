"""What reading needs of a model, whatever computes it: PyTorch (`TrOCRGSAModel`) or onnxruntime (`OnnxModel`).

What is unusual: these are protocols, so that a model inherits nothing and another runtime needs only these members.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeGuard

import torch
from torch import Tensor
from transformers.utils.generic import ModelOutput

from trocr_gsa.model.ctc import CTCHead
from trocr_gsa.model.groups import PointGroup
from trocr_gsa.model.orientation import Orientation


class EncoderBackend(Protocol):
    """An encoder, called as a GSANetModel is."""

    @property
    def group(self) -> PointGroup:
        """The group under which it is equivariant."""
        ...

    def __call__(
        self, *, pixel_values: Tensor, pixel_attention_mask: Tensor, spatial_shapes: Tensor, only_pose: int
    ) -> ModelOutput:
        """Encode lines as one pose sees them.

        Args:
            pixel_values: (batch, patch, channel · p · p).
            pixel_attention_mask: (batch, patch), 0 at padding.
            spatial_shapes: (batch, 2) long, rows and columns of patches.
            only_pose: the element of the group.

        Returns: as `Backend.encode`.
        """
        ...


class Backend(Protocol):
    """A model that lines are read with."""

    @property
    def config(self) -> Any:
        """A TrOCRGSAConfig."""
        ...

    @property
    def name_or_path(self) -> str | None:
        """The folder or Hub id that it was loaded from."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    @property
    def encoder(self) -> EncoderBackend:
        """Its encoder."""
        ...

    @property
    def ctc_head(self) -> CTCHead | None:
        """The head that reads an encoded line without the decoder; None: there is none, or `generate` alone uses it."""
        ...

    def encode(
        self, *, pixel_values: Tensor, pixel_attention_mask: Tensor, spatial_shapes: Tensor, orientation: Orientation
    ) -> ModelOutput:
        """Encode lines under a prior over poses.

        Args:
            pixel_values: (batch, patch, channel · p · p).
            pixel_attention_mask: (batch, patch), 0 at padding.
            spatial_shapes: (batch, 2) long, rows and columns of patches.
            orientation: "any", "upright" or {degrees counter-clockwise: probability}.

        Returns: what `generate` takes, with `pose`, (batch,) long, and `pose_logits`, (batch, pose), log p(pose); where
            there is a `ctc_head`, also `pose_hidden_state`, `pose_positions` and `pose_mask`.
        """
        ...

    def generate(
        self,
        *,
        encoder_outputs: Any,
        num_beams: int,
        max_length: int,
        return_dict_in_generate: bool,
        output_scores: bool,
        **settings: Any,
    ) -> Any:
        """Write the texts of encoded lines.

        Args:
            encoder_outputs: what `encode` returned.
            num_beams: 1 writes greedily.
            max_length: most tokens, the one that decoding starts from included.
            return_dict_in_generate: True.
            output_scores: True.
            settings: `num_return_sequences`, of a model that can search with beams.

        Returns: `sequences` (batch, token) long and `scores`, a tuple of (batch, vocab), as transformers' `generate`.
        """
        ...

    def compute_transition_scores(
        self, sequences: Tensor, scores: Any, beam_indices: Tensor | None, normalize_logits: bool
    ) -> Tensor:
        """Return log p of every token written, (batch, token)."""
        ...


class DraftingBackend(Backend, Protocol):
    """A model with a CTC head of its own, whose drafts its decoder can verify (`trocr_gsa.reader.drafting`)."""

    @property
    def ctc_head(self) -> CTCHead:
        """The head that reads an encoded line without the decoder."""
        ...

    def __call__(self, *, encoder_outputs: Any, decoder_input_ids: Tensor, cache: Any, use_cache: bool) -> Any:
        """Decode given tokens.

        Args:
            encoder_outputs: with `last_hidden_state` and `attention_mask`.
            decoder_input_ids: (batch, token) long.
            cache: of the tokens before them.
            use_cache: True.

        Returns: `logits` (batch, token, vocab), and the cache.
        """
        ...


def can_draft(model: Backend) -> TypeGuard[DraftingBackend]:
    """Whether a model has a CTC head that can be asked by itself."""
    return model.ctc_head is not None


def computes_on_cpu_in_torch(model: Backend) -> bool:
    """Whether a model's threads are those of PyTorch on a CPU; another runtime sees to its own."""
    return isinstance(model, torch.nn.Module) and model.device.type == "cpu"
