"""Where the decoder attends to for each letter, on the image as it was given.

What is unusual: the decoder is given the text (teacher forcing), so that this works for any text, also a corrected one.
The encoder's tokens, which are in the reading order of the chosen pose, are mapped back to their places on the image,
also on a tilted line.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers.models.vision_encoder_decoder.modeling_vision_encoder_decoder import shift_tokens_right

from trocr_gsa.model.modeling_gsa_net import GSANetModelOutput
from trocr_gsa.model.modeling_trocr_gsa import Orientation, TrOCRGSAModel
from trocr_gsa.model.patches import raster_order
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor

from .preparation.prepared import PreparedLine, prepare_line
from .spelling import pieces


@dataclass(frozen=True)
class LetterPlaces:
    """The cross-attention of each letter.

    Attributes:
        letters: the text, split as the tokens allow: single characters for a tokenizer of bytes.
        corners: (patch, 4, 2) float64, x and y of each patch's corners in pixels of the image, clockwise from the top
            left in the prepared image; they may be outside of it, where the line was padded.
        weights: (letter, patch) float64, each row sums to 1.
    """

    letters: tuple[str, ...]
    corners: Tensor
    weights: Tensor

    @property
    def centres(self) -> Tensor:
        """Mean position of each letter, (letter, 2), x and y in pixels of the image."""
        return self.weights @ self.corners.mean(1)


@torch.inference_mode()
def letter_places(
    model: TrOCRGSAModel,
    processor: TrOCRGSAProcessor,
    image: Image.Image,
    text: str,
    orientation: Orientation = "any",
) -> LetterPlaces:
    """Return where the decoder attends to when it is given a text.

    weight(letter, patch) = mean of the last layer's cross-attention over the letter's tokens and the heads

    Class tokens have no position: they are left out, and the rest is normalised to 1. Poses of one patch are summed.

    Args:
        model: the reader, in evaluation mode.
        processor: its processor.
        image: an image of one line in any orientation.
        text: the text that was read, or any other.
        orientation: prior over orientations, as the model takes it; or {`Line.orientation`: 1.0} for a line that was
            levelled before it was read.

    Raises:
        ValueError: if the prior has an angle that neither the group nor the line has, or the text has more tokens than
            the decoder has positions.
    """
    ids = processor(text=[text])["labels"].to(model.device)
    if ids.shape[1] > (most := model.decoder.config.max_position_embeddings):
        raise ValueError(f"`text` has {ids.shape[1]} tokens, the decoder has positions for {most}. Shorten it.")
    prepared = prepare_line(image, processor.image_processor, levels=_is_tilted(orientation, model))
    if isinstance(orientation, Mapping):
        orientation = {angle - prepared.tilt: probability for angle, probability in orientation.items()}
    encoded = model.encode(**processor(images=[prepared.image]).to(model.device), orientation=orientation)
    shifted = shift_tokens_right(ids, model.config.pad_token_id, model.config.decoder_start_token_id)
    attention = model(encoder_outputs=encoded, decoder_input_ids=shifted, output_attentions=True).cross_attentions[-1]
    positions, weights = _on_patches(model, encoded, attention[0].double().mean(0))
    letters = pieces(processor.tokenizer, ids[0].tolist())
    rows = [weights[places].mean(0) for _, places in letters]
    return LetterPlaces(
        letters=tuple(letter for letter, _ in letters),
        corners=_corners(positions, processor, prepared),
        weights=torch.stack(rows).cpu() if rows else weights.new_zeros(0, weights.shape[1]).cpu(),
    )


def _on_patches(model: TrOCRGSAModel, encoded: GSANetModelOutput, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the patches' positions on the page, (patch, 2), and the weights (token, patch) of each.

    x = h p for a patch at p as seen from pose h
    """
    group, class_tokens = model.encoder.group, model.encoder.config.num_class_tokens
    seen = encoded["pose_positions"][0].double().cpu()
    positions = seen @ group.matrices[int(encoded["pose"])].T
    if not len(model.encoder.layers):  # the tokens of every pose, in the order of the page
        weights = weights.unflatten(-1, (group.order, -1)).sum(-2)
        positions = positions[raster_order(positions[None], encoded["pose_mask"].cpu())[0]]
    weights = weights[:, class_tokens:]
    return positions, weights / weights.sum(-1, keepdim=True)


def _is_tilted(orientation: Orientation, model: TrOCRGSAModel) -> bool:
    """Whether a line must be levelled first: its orientation is unknown, or an angle that the group does not have."""
    if not isinstance(orientation, Mapping):
        return orientation == "any"
    step = 360 / model.encoder.group.num_rotations
    return any(abs(math.remainder(angle, step)) > 1e-6 for angle in orientation)


def _corners(positions: Tensor, processor: TrOCRGSAProcessor, prepared: PreparedLine) -> Tensor:
    """Return the corners of the patches on the original image."""
    size = prepared.image.size
    extent = np.array(processor.image_processor.patch_extent(*size))
    # the grid of patches and the prepared image have the same centre
    offsets = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    corners = np.array(size) / 2 + (positions.numpy()[:, None] * (1, -1) + offsets) * extent
    return torch.from_numpy(prepared.placement(corners))
