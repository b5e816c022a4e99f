"""Where the decoder looked for each letter, on the picture as it was given.

What is unusual: the decoder is led through a text, so that any can be asked about, also a corrected one; and the tokens
that it sees, those of the chosen pose in reading order, are put back where they lie on the page.
"""

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from transformers.models.vision_encoder_decoder.modeling_vision_encoder_decoder import shift_tokens_right

from trocr_gsa.model.modeling_gsa_net import GSANetModelOutput
from trocr_gsa.model.modeling_trocr_gsa import Orientation, TrOCRGSAModel
from trocr_gsa.model.patches import raster_order
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor

from .spelling import pieces


@dataclass(frozen=True)
class LetterPlaces:
    """Where each letter was looked for.

    Attributes:
        letters: the text in the pieces that tokens give it: single characters for a tokenizer of bytes.
        boxes: (patch, 4) float64, left, top, right, bottom in pixels of the picture; they may reach past its edges,
            where the line was padded.
        weights: (letter, patch) float64, each row sums to 1.
    """

    letters: tuple[str, ...]
    boxes: Tensor
    weights: Tensor

    @property
    def centres(self) -> Tensor:
        """Mean place of each letter, (letter, 2), x and y in pixels of the picture."""
        return self.weights @ (self.boxes[:, :2] + self.boxes[:, 2:]) / 2


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
        orientation: prior over orientations, as the model takes it.

    Raises:
        ValueError: if the text has more tokens than the decoder has places for.
    """
    ids = processor(text=[text])["labels"].to(model.device)
    if ids.shape[1] > (most := model.decoder.config.max_position_embeddings):
        raise ValueError(f"`text` has {ids.shape[1]} tokens, the decoder places for {most}. Shorten it.")
    encoded = model.encode(**processor(images=[image]).to(model.device), orientation=orientation)
    led = shift_tokens_right(ids, model.config.pad_token_id, model.config.decoder_start_token_id)
    attention = model(encoder_outputs=encoded, decoder_input_ids=led, output_attentions=True).cross_attentions[-1]
    positions, weights = _on_patches(model, encoded, attention[0].double().mean(0))
    letters = pieces(processor.tokenizer, ids[0].tolist())
    rows = [weights[places].mean(0) for _, places in letters]
    return LetterPlaces(
        letters=tuple(letter for letter, _ in letters),
        boxes=_boxes(positions, torch.tensor(processor.image_processor.patch_extent(*image.size)), image.size),
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


def _boxes(positions: Tensor, extent: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the patches' edges in pixels; the grid of patches and the picture have one centre."""
    middle = torch.tensor(size, dtype=torch.float64) / 2
    centres = middle + positions * torch.tensor((1.0, -1.0), dtype=torch.float64) * extent
    return torch.cat((centres - extent / 2, centres + extent / 2), dim=-1)
