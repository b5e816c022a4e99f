"""Where the decoder looked for each letter, on the picture as it was given.

What is unusual: the decoder is led through a text, so that any can be asked about, also a corrected one; and the tokens
that it sees, those of the chosen pose in reading order, are put back where they lie on the page, also on a tilted line.
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
    """Where each letter was looked for.

    Attributes:
        letters: the text in the pieces that tokens give it: single characters for a tokenizer of bytes.
        corners: (patch, 4, 2) float64, x and y of each patch's corners in pixels of the picture, clockwise from the top
            left as the encoder saw it; they may lie past the edges, where the line was padded.
        weights: (letter, patch) float64, each row sums to 1.
    """

    letters: tuple[str, ...]
    corners: Tensor
    weights: Tensor

    @property
    def centres(self) -> Tensor:
        """Mean place of each letter, (letter, 2), x and y in pixels of the picture."""
        return self.weights @ self.corners.mean(1)


@torch.inference_mode()
def letter_places(
    model: TrOCRGSAModel,
    processor: TrOCRGSAProcessor,
    image: Image.Image,
    text: str,
    orientation: Orientation = "any",
) -> LetterPlaces:
    """Return where the decoder looks when it is led through a text.

    weight(letter, patch) = mean of the last layer's cross-attention over the letter's tokens and the heads

    What goes to class tokens, which lie nowhere, is left out and the rest scaled to 1; poses of one patch are summed.

    Args:
        model: the reader, in evaluation mode.
        processor: its processor.
        image: of one line, whichever way up.
        text: that it was read as, or any other.
        orientation: prior over orientations, as the model takes it; or {`Line.orientation`: 1.0} of a line that was
            levelled before it was read.

    Raises:
        ValueError: if the prior has an angle that is neither the group's nor the line's, or the text has more tokens
            than the decoder has places for.
    """
    ids = processor(text=[text])["labels"].to(model.device)
    if ids.shape[1] > (most := model.decoder.config.max_position_embeddings):
        raise ValueError(f"`text` has {ids.shape[1]} tokens, the decoder places for {most}. Shorten it.")
    prepared = prepare_line(image, processor.image_processor, levels=_is_tilted(orientation, model))
    if isinstance(orientation, Mapping):
        orientation = {angle - prepared.tilt: probability for angle, probability in orientation.items()}
    encoded = model.encode(**processor(images=[prepared.image]).to(model.device), orientation=orientation)
    led = shift_tokens_right(ids, model.config.pad_token_id, model.config.decoder_start_token_id)
    attention = model(encoder_outputs=encoded, decoder_input_ids=led, output_attentions=True).cross_attentions[-1]
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

    x = h p for a patch that pose h sees at p
    """
    group, class_tokens = model.encoder.group, model.encoder.config.num_class_tokens
    seen = encoded["pose_positions"][0].double().cpu()
    positions = seen @ group.matrices[int(encoded["pose"])].T
    if not len(model.encoder.layers):  # every pose's tokens are there, as they lie on the page
        weights = weights.unflatten(-1, (group.order, -1)).sum(-2)
        positions = positions[raster_order(positions[None], encoded["pose_mask"].cpu())[0]]
    weights = weights[:, class_tokens:]
    return positions, weights / weights.sum(-1, keepdim=True)


def _is_tilted(orientation: Orientation, model: TrOCRGSAModel) -> bool:
    """Whether a line has to be levelled first: it may lie any way, or at an angle that the group does not have."""
    if not isinstance(orientation, Mapping):
        return orientation == "any"
    step = 360 / model.encoder.group.num_rotations
    return any(abs(math.remainder(angle, step)) > 1e-6 for angle in orientation)


def _corners(positions: Tensor, processor: TrOCRGSAProcessor, prepared: PreparedLine) -> Tensor:
    """Return the patches' corners on the picture as it was given."""
    size = prepared.image.size
    extent = np.array(processor.image_processor.patch_extent(*size))
    # the grid of patches and the prepared picture have one centre
    offsets = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    corners = np.array(size) / 2 + (positions.numpy()[:, None] * (1, -1) + offsets) * extent
    return torch.from_numpy(prepared.placement(corners))
