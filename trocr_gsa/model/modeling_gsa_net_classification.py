"""A GSA-Net that classifies images, invariant under its group.

What differs from transformers' ViT: there is no class token. The classifier sees the mean of all tokens (position,
pose), weighted by p(pose). Rotating the image permutes the tokens and their weights, so the mean stays the same.
"""

from typing import Any, Self

import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import ImageClassifierOutput

from .configuration_gsa_net import GSANetConfig
from .modeling_gsa_net import GSANetModel, GSANetModelOutput, GSANetPreTrainedModel, is_requested


class GSANetForImageClassification(GSANetPreTrainedModel):
    """The encoder with a linear classifier of the mean token; invariant under the group.

    logits = W Σ_(i,h) p(h)/N f(i,h) + b, over the N positions that are not padding

    With K < L only the chosen pose is left, with p = 1. The choice has no gradient, so the pose head learns nothing
    from `labels`. It is then frozen, because parallel training waits for the gradients of all trainable weights.

    Args:
        config: of the encoder, with `num_labels` classes.

    Raises:
        ValueError: if there are no classes.

    Source: Romero & Cordonnier 2020 average over positions and poses; the weight p(h) of the pose head is ours.
    """

    def __init__(self, config: GSANetConfig) -> None:
        super().__init__(config)
        if not config.num_labels:
            raise ValueError(f"`num_labels` must be at least 1, got {config.num_labels}.")
        self.gsa_net = GSANetModel(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation, and freeze a pose head that gets no gradient.

        transformers also calls this at the end of loading.
        """
        if len(self.gsa_net.layers):
            self.gsa_net.pose_head.requires_grad_(False)
        return super().train(mode)

    def forward(
        self,
        pixel_values: Tensor,
        labels: Tensor | None = None,
        pixel_attention_mask: Tensor | None = None,
        spatial_shapes: Tensor | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Classify images.

        Args:
            pixel_values: (batch, channel, height, width), or a set of patches (batch, patch, channel · p · p).
            labels: (batch,) long, the class of each image; None: no loss.
            pixel_attention_mask: (batch, patch), 0 or False where a patch is padding.
            spatial_shapes: (batch, 2) long, rows and columns of patches; None: as stored in the set of patches.
            return_dict: False returns a tuple, without the fields that are None.
            kwargs: other arguments of `GSANetModel`, such as `output_hidden_states` and `pose_labels`.

        Returns: an ImageClassifierOutput with `logits` (batch, class), and the cross-entropy as `loss`; or a tuple.

        Raises:
            ValueError: if `pixel_values` has another shape, or its `spatial_shapes` are unknown.
        """
        encoded: GSANetModelOutput = self.gsa_net(
            pixel_values, pixel_attention_mask, spatial_shapes, return_dict=True, **kwargs
        )
        tokens, log_weights = encoded.last_hidden_state, encoded.attention_mask
        assert tokens is not None
        assert log_weights is not None
        weights = log_weights.softmax(-1)  # p(h)/N, and 0 at padding
        logits = self.classifier((weights[:, None] @ tokens)[:, 0])
        loss = None if labels is None else F.cross_entropy(logits, labels)
        output = ImageClassifierOutput(
            loss=loss, logits=logits, hidden_states=encoded.hidden_states, attentions=encoded.attentions
        )
        return output if is_requested(return_dict, self.config.return_dict) else output.to_tuple()
