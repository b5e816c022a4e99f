"""The interface between a reader and its model: PyTorch (`TrOCRGSAModel`), onnxruntime (`OnnxModel`) or another.

What is unusual: these are protocols. A model inherits nothing, and another runtime implements only these members.
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
    """An encoder, called like a GSANetModel."""

    @property
    def group(self) -> PointGroup:
        """The group under which it is equivariant."""
        ...

    def __call__(
        self, *, pixel_values: Tensor, pixel_attention_mask: Tensor, spatial_shapes: Tensor, only_pose: int
    ) -> ModelOutput:
        """Encode lines in a given pose.

        Args:
            pixel_values: (batch, patch, channel · p · p).
            pixel_attention_mask: (batch, patch), 0 at padding.
            spatial_shapes: (batch, 2) long, rows and columns of patches.
            only_pose: the element of the group.

        Returns: as `Backend.encode`.
        """
        ...


class Backend(Protocol):
    """A model that reads lines."""

    @property
    def config(self) -> Any:
        """A TrOCRGSAConfig."""
        ...

    @property
    def name_or_path(self) -> str | None:
        """The folder or Hub id from which it was loaded."""
        ...

    @property
    def device(self) -> torch.device:
        """The device on which it computes."""
        ...

    @property
    def encoder(self) -> EncoderBackend:
        """Its encoder."""
        ...

    @property
    def ctc_head(self) -> CTCHead | None:
        """The head that reads an encoded line without the decoder; None: there is none, or it is in the encoder."""
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

        Returns: the input of `generate`, with `pose`, (batch,) long, and `pose_logits`, (batch, pose), log p(pose); if
            there is a `ctc_head`, also `pose_hidden_state`, `pose_positions` and `pose_mask`; if the head is in the
            encoder, `ctc_logits` and `ctc_lengths`, which compare poses.
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
        """Decode encoded lines.

        Args:
            encoder_outputs: the output of `encode`.
            num_beams: 1 decodes greedily.
            max_length: maximum number of tokens, including the start token.
            return_dict_in_generate: True.
            output_scores: True.
            settings: `num_return_sequences`, for models that have a beam search.

        Returns: `sequences` (batch, token) long and `scores`, a tuple of (batch, vocab), like transformers' `generate`.
        """
        ...

    def compute_transition_scores(
        self, sequences: Tensor, scores: Any, beam_indices: Tensor | None, normalize_logits: bool
    ) -> Tensor:
        """Return log p of every generated token, (batch, token)."""
        ...


class DraftingBackend(Backend, Protocol):
    """A model with a CTC head, whose drafts the decoder verifies (`trocr_gsa.reader.drafting`)."""

    @property
    def ctc_head(self) -> CTCHead:
        """The head that reads an encoded line without the decoder."""
        ...

    def __call__(self, *, encoder_outputs: Any, decoder_input_ids: Tensor, cache: Any, use_cache: bool) -> Any:
        """Decode given tokens.

        Args:
            encoder_outputs: with `last_hidden_state` and `attention_mask`.
            decoder_input_ids: (batch, token) long.
            cache: the cached keys and values of the tokens before them.
            use_cache: True.

        Returns: `logits` (batch, token, vocab), and the cache.
        """
        ...


def can_draft(model: Backend) -> TypeGuard[DraftingBackend]:
    """Whether a model has a CTC head that can be called separately."""
    return model.ctc_head is not None


def computes_on_cpu_in_torch(model: Backend) -> bool:
    """Whether a model computes with PyTorch's threads on a CPU. Other runtimes manage their own threads."""
    return isinstance(model, torch.nn.Module) and model.device.type == "cpu"
