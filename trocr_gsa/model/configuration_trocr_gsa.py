"""Configuration of the reader: a GSA-Net encoder and a TrOCR decoder."""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig, VisionEncoderDecoderConfig
from transformers.configuration_utils import SubConfigSpec

from .configuration_gsa_net import GSANetConfig
from .misspelt import refuse_misspelt


@strict
class TrOCRGSAConfig(VisionEncoderDecoderConfig):
    """Configuration of a reader.

    Args:
        encoder: a GSANetConfig, or its dictionary.
        decoder: a TrOCRConfig, or its dictionary.
        pad_token_id: padding token of the labels, also the CTC blank.
        decoder_start_token_id: first token of the decoder's input.
        eos_token_id: end token.
        ctc_steps_per_patch: CTC frames per column of patches; 0: no CTC head.
        ctc_loss_weight: weight of the CTC loss; the decoder's loss has weight 1.
        ctc_decoding_weight: λ in [0, 1), the weight of the CTC head when tokens are chosen.
        pose_loss_weight: weight of the pose head's cross-entropy; the decoder's loss has weight 1.
        confidence_temperature: T in a line's confidence, exp(mean log p / T); above 1 for an overconfident reader.
        empty_paper_confidence: character confidence below which an image that may be empty gets no text; 0: never.
    """

    model_type = "trocr-gsa"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "encoder": SubConfigSpec(config_class=GSANetConfig),
        "decoder": SubConfigSpec(
            config_class=AutoConfig, model_type="trocr", init_kwargs={"is_decoder": True, "add_cross_attention": True}
        ),
    }

    encoder: PreTrainedConfig | dict | None = None
    decoder: PreTrainedConfig | dict | None = None
    pad_token_id: int | None = 0
    decoder_start_token_id: int | None = 0
    eos_token_id: int | list[int] | None = 1
    ctc_steps_per_patch: int = 0
    ctc_loss_weight: float | int = 1.0
    ctc_decoding_weight: float | int = 0.5
    pose_loss_weight: float | int = 0.3
    confidence_temperature: float | int = 1.0
    empty_paper_confidence: float | int = 0.0

    def loss_weight(self, name: str) -> float:
        """Return the weight of a loss: `ctc_loss_weight` for "ctc_loss"; 1 if there is no such setting."""
        return getattr(self, f"{name}_weight", 1.0)

    def __post_init__(self, **kwargs):
        """Check the fields.

        Raises:
            ValueError: if a number is out of range, or a field is misspelt; the field is named.
        """
        # transformers has other tokens of similar names, such as `bos_token_id`
        own = [name for name in TrOCRGSAConfig.__annotations__ if not name.endswith("_token_id")]
        refuse_misspelt(kwargs, own, TrOCRGSAConfig)
        if self.ctc_steps_per_patch < 0:
            raise ValueError(f"`ctc_steps_per_patch` must be 0 (no CTC head) or more, got {self.ctc_steps_per_patch}.")
        for field in ("ctc_loss_weight", "pose_loss_weight"):
            if not 0 <= getattr(self, field) < float("inf"):
                raise ValueError(f"`{field}` must be 0 or more, got {getattr(self, field)}.")
        if not 0 <= self.ctc_decoding_weight < 1:
            raise ValueError(f"`ctc_decoding_weight` must lie in [0, 1), got {self.ctc_decoding_weight}.")
        if not 0 < self.confidence_temperature < float("inf"):
            raise ValueError(f"`confidence_temperature` must be positive, got {self.confidence_temperature}.")
        if not 0 <= self.empty_paper_confidence <= 1:
            raise ValueError(f"`empty_paper_confidence` must lie in [0, 1], got {self.empty_paper_confidence}.")
        super().__post_init__(**kwargs)
        decoder: Any = self.decoder
        if hasattr(decoder, "auto_map"):  # the decoder is a class of transformers: never run code from a folder for it
            del decoder.auto_map
